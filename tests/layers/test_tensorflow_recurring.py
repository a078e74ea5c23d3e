"""Lengths that recur in a TensorFlow graph of any length: which are compiled, and the numbers."""

from pathlib import Path

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import NAMESAKES, assert_close, by_name

if keras.config.backend() != "tensorflow":
    pytest.skip("TensorFlow's kernels", allow_module_level=True)

import tensorflow as tf

from keras_rnnkit.kernels import _tensorflow_compiling as compiling
from keras_rnnkit.kernels import tensorflow as kernels

pytestmark = pytest.mark.xla

FEATURES, UNITS = 3, 4


@pytest.fixture
def noted(monkeypatch):
    """The shapes of the inputs of the compiled functions that ran, and `OFTEN` is 3."""
    by_xla, shapes = compiling.by_xla, []

    def noting(function):
        compiled = by_xla(function)

        def run(*args):
            shape = tf.shape(keras.tree.flatten(args)[0])
            tf.numpy_function(lambda shape: shapes.append(tuple(shape.tolist())), [shape], [])
            return compiled(*args)

        return run

    monkeypatch.setattr(compiling, "OFTEN", 3)
    monkeypatch.setattr(kernels, "by_xla", noting)
    kernels._kernels.cache_clear()
    yield shapes
    kernels._kernels.cache_clear()


def batch(length, rows=2):
    values = np.random.default_rng(length).normal(size=(rows, length, FEATURES))
    return tf.constant(values.astype("float32"))


def layers(case):
    """The same layer on the path that is chosen, and on the portable one."""
    for path in ("auto", "portable"):
        layer = case.layer(UNITS, return_sequences=True, path=path, **case.options)
        layer.build((None, None, FEATURES))
        layer.set_weights([w / 2 for w in case.weights(np.random.default_rng(1), FEATURES, UNITS)])
        yield layer


def graph(layer, training, **options):
    """The outputs, and in training the gradients, as a graph of any length and any batch."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, FEATURES])], **options)
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=training)
            loss = tf.reduce_sum(outputs**2)
        if not training:
            return outputs
        return outputs, tape.gradient(loss, [x, *(w.value for w in layer.trainable_weights)])

    return run


@pytest.mark.parametrize("training", [True, False], ids=["training", "prediction"])
@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_the_numbers_stay_when_a_length_is_compiled(case, training, noted):
    run, portable = (graph(layer, training) for layer in layers(case))
    before = run(batch(6))
    for length in (5, 6, 4, 5):
        assert_close(run(batch(length)), portable(batch(length)), rtol=2e-4, atol=2e-5)
    assert not noted
    after = [run(batch(6)) for _ in range(2)]
    assert {shape[0] for shape in noted} == {6}
    assert len(noted) == (4 if training else 2)
    for found in after:
        assert_close(found, before, rtol=1e-6, atol=2e-6)
    assert_close(after[1], portable(batch(6)), rtol=2e-4, atol=2e-5)


def test_another_batch_size_is_another_shape(noted):
    run = graph(next(layers(NAMESAKES[0])), training=False)
    for _ in range(3):
        run(batch(6))
        for rows in (1, 3):
            assert_close(run(batch(6, rows))[:1], run(batch(6, rows))[:1])
    assert {shape[1] for shape in noted} == {1, 2, 3}
    assert noted.count((6, 2, FEATURES)) == 1
    assert noted.count((6, 1, FEATURES)) == 4


@pytest.mark.parametrize("most", [0, 2])
def test_no_more_lengths_than_that(most, noted, monkeypatch):
    monkeypatch.setattr(compiling, "MOST", most)
    run = graph(next(layers(NAMESAKES[-1])), training=False)
    for _ in range(4):
        for length in (3, 4, 5):
            run(batch(length))
    wanted = (3, 4)[:most]
    assert {shape[0] for shape in noted} == set(wanted)
    assert len(noted) == 2 * len(wanted)


def test_the_first_24_that_come_often_are_chosen():
    often = tf.function(compiling._often, input_signature=[tf.TensorSpec([2], tf.int64)])
    chosen = [
        [
            bool(often(tf.constant([length, rows], tf.int64)))
            for rows in (1, 2)
            for length in range(15)
        ]
        for _ in range(compiling.OFTEN + 1)
    ]
    assert not np.any(chosen[:-2])
    for row in chosen[-2:]:
        assert row == [True] * 24 + [False] * 6


def test_the_docs_name_the_limits():
    page = Path(__file__).parents[2] / "docs" / "how-to" / "backend.md"
    text = " ".join(page.read_text().split())
    assert f"{compiling.OFTEN}th time, for at most {compiling.MOST} of them" in text


def test_each_layer_counts_for_itself(noted):
    one, other = (graph(next(layers(NAMESAKES[0])), training=False) for _ in range(2))
    for run in (one, one, other, other):
        run(batch(6))
    assert not noted
    one(batch(6))
    assert len(noted) == 1


def test_fit_and_predict_of_several_lengths(noted):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            x = batch(4 + i % 2).numpy()
            return x, x[:, 0, :1]

    results = []
    for layer in layers(NAMESAKES[1]):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((None, FEATURES)), layer, keras.layers.Dense(1)])
        model.compile("sgd", lambda y, found: (found[:, -1] - y) ** 2, jit_compile=False)
        losses = model.fit(Batches(workers=0), epochs=2, shuffle=False, verbose=0).history["loss"]
        results.append([losses, [model.predict(batch(4), verbose=0) for _ in range(4)]])
    assert {shape[0] for shape in noted} == {4, 5}
    assert_close(*results, rtol=1e-5, atol=1e-6)


def nodes(function):
    library = function.get_concrete_function().graph.as_graph_def()
    every = [*library.node, *(node for f in library.library.function for node in f.node_def)]
    return {node.op for node in every}


def test_a_graph_that_is_compiled_as_a_whole_counts_nothing():
    layer = next(layers(NAMESAKES[0]))
    assert "MutableHashTableV2" in nodes(graph(layer, True))
    whole = graph(layer, True, jit_compile=True)
    assert "MutableHashTableV2" not in nodes(whole)
    assert_close(whole(batch(6)), graph(layer, True)(batch(6)), rtol=1e-5, atol=1e-5)


def test_a_traced_function_can_still_be_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "OFTEN", 3)
    module = tf.Module()
    module.layer = next(layers(NAMESAKES[0]))
    module.run = graph(module.layer, training=False)
    want = module.run(batch(6))
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for _ in range(4):  # the file's own graph switches, too
        assert_close(loaded.run(batch(6)), want, rtol=1e-6, atol=1e-6)


def test_a_trace_for_export_counts_nothing(tmp_path):
    model = keras.Sequential([keras.Input((None, FEATURES)), kit.LSTM(UNITS)])
    model.predict(batch(6), verbose=0)
    model.export(str(tmp_path), format="tf_saved_model", verbose=False)
    served = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    library = served.graph.as_graph_def().library.function
    assert not any(f.attr["_XlaMustCompile"].b for f in library)
    assert not any("HashTable" in node.op for f in library for node in f.node_def)
