"""A single sequence takes another method on TensorFlow than a batch, also in a graph for both."""

import keras
import numpy as np
import pytest

from keras_rnnkit.running import rule
from tests.layers.paths import close, pair
from tests.support.cases import NAMESAKES

if keras.config.backend() != "tensorflow":
    pytest.skip("TensorFlow's methods", allow_module_level=True)

import tensorflow as tf

from keras_rnnkit.kernels import tensorflow as kernels

pytestmark = pytest.mark.xla

X = np.random.default_rng(5).normal(size=(3, 6, 3)).astype("float32")
MASK = np.array([[1, 1, 0, 1, 1, 0], [0, 1, 1, 1, 1, 1], [1] * 6], bool)


@pytest.fixture
def ran(monkeypatch):
    """Makes narrow layers choose as wide ones do; the methods that run, with their batch sizes."""
    monkeypatch.setattr(rule, "CONCATENATED_UP_TO", 0)
    monkeypatch.setattr(rule, "PER_GATE_FROM", 1)
    found, kernel = [], kernels._kernels

    def recorded(plan, xla):
        def record(function):
            def run(args, *rest):
                tf.py_function(
                    lambda size: found.append((plan.method, int(size))),
                    [tf.shape(args.inputs[0])[1]],
                    [],
                )
                return function(args, *rest)

            return run

        return tuple(map(record, kernel(plan, xla)))

    monkeypatch.setattr(kernels, "_kernels", recorded)
    return found


def gradients(layer, x, mask):
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs, *states = layer(x, mask=mask, training=True)
        loss = tf.reduce_sum(outputs**2) + sum(tf.reduce_sum(tf.sin(state)) for state in states)
    return tape.gradient(loss, [x, *(weight.value for weight in layer.trainable_weights)])


@pytest.mark.parametrize(
    ("case", "size"),
    [*((case, None) for case in NAMESAKES), (NAMESAKES[0], 1), (NAMESAKES[0], 3)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_single_sequence_and_a_batch_have_the_portable_gradients(case, size, ran):
    chosen, portable = pair(case, 3, return_sequences=True, return_state=True)
    signature = [tf.TensorSpec([size, 6, 3]), tf.TensorSpec([size, 6], tf.bool)]
    graph = tf.function(lambda x, mask: gradients(chosen, x, mask), input_signature=signature)
    for count, method in ((1, "hoisted"), (3, "per gate")):
        if size in (None, count):
            x, mask = tf.constant(X[:count]), tf.constant(MASK[:count])
            ran.clear()
            for got, want in zip(graph(x, mask), gradients(portable, x, mask), strict=True):
                close(got, want)
            assert set(ran) == {(method, count)} and len(ran) == 2  # forward and backward


def test_a_model_that_xla_compiles_as_a_whole_trains_as_the_portable_path(monkeypatch):
    monkeypatch.setattr(rule, "CONCATENATED_UP_TO", 0)
    monkeypatch.setattr(rule, "PER_GATE_FROM", 1)
    trained = []
    for layer in pair(NAMESAKES[0], 3):
        model = keras.Sequential([keras.Input((6, 3)), layer])
        model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=layer.requested_path == "auto")
        for batch_size in (1, 2):  # of 3 sequences: the last batch is a single one
            model.fit(X, X[:, 0], batch_size=batch_size, shuffle=False, verbose=0)
        trained.append(model.get_weights())
    for got, want in zip(*trained, strict=True):
        close(got, want)


def test_a_graph_for_a_file_has_one_method(ran, monkeypatch):
    monkeypatch.setattr(kernels, "compiles", lambda steps: False)
    layer, _ = pair(NAMESAKES[0], 3)
    graph = tf.function(lambda x: layer(x), input_signature=[tf.TensorSpec([None, 6, 3])])
    graph(tf.constant(X[:1]))
    assert ran == [("per gate", 1)]
