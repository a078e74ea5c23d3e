"""`export_onnx`: the file, what it says of itself, and what is refused before it is written."""

import json
import os
import re

import keras
import numpy as np
import onnx
import pytest
from keras import layers, ops

import keras_rnnkit as kit
from keras_rnnkit.interop.onnx import writing
from tests.interop.onnx.comparing import (
    assert_same_numbers,
    features,
    of,
    random_weights,
    run,
    session_of,
)
from tests.support.backends import float64_allowed

pytestmark = pytest.mark.slow_on("jax", "tensorflow")


def classifier():
    return of(kit.Embedding(6, 4, mask_zero=True), kit.LSTM(3), layers.Dense(1), shape=(None,))


def metadata_of(path):
    return json.loads(session_of(path).get_modelmeta().custom_metadata_map["keras_rnnkit"])


def test_a_recurrent_layer_is_one_node(tmp_path):
    model = of(kit.LSTM(3, return_sequences=True), kit.GRU(3), layers.Dense(1))
    path = kit.export_onnx(model, tmp_path / "model.onnx")
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("LSTM") == kinds.count("GRU") == 1
    assert not {"Loop", "Scan"} & set(kinds)
    assert len(kinds) <= 16


def test_the_file_can_be_read_by_old_programs(tmp_path):
    model = onnx.load(kit.export_onnx(classifier(), tmp_path / "model.onnx"))
    assert model.ir_version == 8
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    onnx.checker.check_model(model, full_check=True)


def test_the_same_model_gives_the_same_file(tmp_path):
    model = classifier()
    one, other = (kit.export_onnx(model, tmp_path / f"{i}.onnx") for i in range(2))
    assert one.read_bytes() == other.read_bytes()


def test_the_metadata_name_inputs_and_outputs(tmp_path):
    a, b = keras.Input((None, 3), name="series"), keras.Input((2,), name="static")
    y = layers.Concatenate()([kit.LSTM(3)(a), b])
    outputs = {"trend": layers.Dense(1, name="t")(y), "level": layers.Dense(1, name="l")(y)}
    model = random_weights(keras.Model([b, a], outputs))
    path = kit.export_onnx(model, tmp_path / "model.onnx")
    found = metadata_of(path)
    assert found["inputs"] == ["static", "series"]
    assert found["outputs"] == ["l", "t"]
    assert (found["format"], found["streaming"], found["states"]) == (1, False, [])
    assert len(found["fingerprint"]) == 64
    assert [node.name for node in session_of(path).get_inputs()] == ["static", "series"]


def test_states_are_inputs_and_outputs_on_request(tmp_path):
    model = of(kit.LSTM(3, name="lstm"), layers.Dense(2))
    path = kit.export_onnx(model, tmp_path / "model.onnx", states=True)
    states = metadata_of(path)["states"]
    assert [state["input"] for state in states] == ["lstm/hidden", "lstm/cell"]
    x, zeros = features(2, 6, 4), np.zeros((2, 3), "float32")
    _, *middle = run(path, (x[:, :4], zeros, zeros))
    found, *_ = run(path, (x[:, 4:], *middle))
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-5)


def test_a_streaming_file_takes_one_step(tmp_path):
    model = of(kit.GRU(3, return_sequences=True, name="gru"), layers.Dense(2))
    path = kit.export_onnx(model, tmp_path / "model.onnx", streaming=True)
    assert metadata_of(path)["streaming"]
    x, state = features(2, 5, 4), np.zeros((2, 3), "float32")
    steps = []
    for t in range(5):
        step, state = run(path, (x[:, t : t + 1], state))
        steps.append(step)
    found = np.concatenate(steps, axis=1)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-5)


def test_a_model_of_two_directions_cannot_stream(tmp_path):
    model = of(kit.Bidirectional(kit.LSTM(3, return_sequences=True)))
    with pytest.raises(ValueError, match="cannot be fed step by step"):
        kit.export_onnx(model, tmp_path / "model.onnx", streaming=True)
    assert not list(tmp_path.iterdir())


def test_large_weights_are_stored_beside_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "MOST_BYTES", 3000)
    model = of(layers.Dense(30), kit.LSTM(8), layers.Dense(1))
    assert_same_numbers(tmp_path, model, features(3, 5, 4))
    path, weights = tmp_path / "model.onnx", next(tmp_path.glob("model.*.weights"))
    assert weights.stat().st_size > 3000
    onnx.checker.check_model(str(path), full_check=True)
    random_weights(model, seed=7)
    assert_same_numbers(tmp_path, model, features(3, 5, 4))
    (second,) = tmp_path.glob("model.*.weights")
    assert second.name != weights.name
    monkeypatch.setattr(writing, "MOST_BYTES", 10**9)
    assert_same_numbers(tmp_path, model, features(3, 5, 4))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="links need a permission there")
def test_large_weights_are_stored_beside_what_a_link_leads_to(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "MOST_BYTES", 3000)
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "model.onnx").write_text("old")
    link = tmp_path / "link.onnx"
    link.symlink_to(tmp_path / "real" / "model.onnx")
    kit.export_onnx(of(layers.Dense(30), kit.LSTM(8)), link, overwrite=True)
    assert link.is_symlink()
    (found,) = run(tmp_path / "real" / "model.onnx", (features(2, 3, 4),))
    assert found.shape == (2, 8)


def test_an_existing_file_is_replaced_on_request_alone(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_text("old")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        kit.export_onnx(classifier(), path)
    assert path.read_text() == "old"
    kit.export_onnx(classifier(), str(path), overwrite=True)
    assert onnx.load(path).graph.node


@pytest.mark.parametrize("limit", [3000, 10**9])
def test_a_file_that_the_checker_refuses_leaves_nothing(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(writing, "MOST_BYTES", limit)
    model = of(layers.Dense(30), kit.LSTM(8))
    path = kit.export_onnx(model, tmp_path / "model.onnx")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def refuse(*args, **kwargs):
        raise onnx.checker.ValidationError("wrong")

    random_weights(model, seed=3)
    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(ValueError, match=r"no operator of ONNX computes.*Received: wrong"):
        kit.export_onnx(model, path, overwrite=True)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


class OwnCall(layers.Dense):
    def call(self, inputs):
        return super().call(inputs) * 2


class OwnModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs)


def of_operation(operation, name):
    x = keras.Input((None, 4))
    return keras.Model(x, operation(x), name=name)


def trained_call():
    x = keras.Input((None, 4))
    return keras.Model(x, layers.Dropout(0.5, name="drop")(x, training=True))


def nested(layer):
    inner = keras.Sequential([keras.Input((None, 4)), layer], name="inner")
    x = keras.Input((None, 4))
    return keras.Model(x, inner(x), name="outer")


def called(model):
    model(np.ones((1, 4), "float32"))
    return model


REFUSED = {
    "own_call": (lambda: of(OwnCall(3, name="own")), r"OwnCall 'own'.*has a `call` of its own"),
    "own_model": (lambda: called(OwnModel()), "must be a Sequential or functional model"),
    "lambda": (lambda: nested(layers.Lambda(lambda x: x, name="l")), r"'outer'.*outer/inner/l"),
    "attention": (
        lambda: _attention(),
        "MultiHeadAttention 'attention'.*are not supported",
    ),
    "training": (trained_call, r"Dropout 'drop'.*training=True"),
    "layer": (lambda: called_layer(), r"must be a model.*keras.Sequential"),
    "several_axes": (
        lambda: of(layers.Softmax(axis=(1, 2), name="s")),
        "Softmax 's'.*several axes",
    ),
    "float64": (
        lambda: of(kit.LSTM(3, dtype="float64", name="lstm")),
        r"LSTM 'lstm' has float64.*dtype=\"float32\"",
    ),
    "half": (lambda: of(layers.Dense(3, dtype="mixed_float16")), "has float16"),
    "float64_operation": (
        lambda: of_operation(lambda x: ops.cast(x, "float64") * 2, "doubled"),
        r"Cast 'cast.* has float64.*dtype=\"float32\"",
    ),
    "no_such_operator": (
        lambda: of_operation(lambda x: ops.einsum("btf,btf->bt", x > 0, x > 1), "booleans"),
        r"no operator of ONNX computes.*einsum",
    ),
    "booleans": (
        lambda: of_operation(lambda x: ops.power(x > 0, x > 1), "booleans"),
        r"Power 'power.* in the model 'booleans'.*inputs are booleans",
    ),
    "sublayer": (
        lambda: of(kit.TimeDistributed(layers.Lambda(lambda x: x, name="step"), name="td")),
        r"Lambda 'step'.*/td/step",
    ),
}


def _attention():
    x = keras.Input((None, 4))
    return keras.Model(x, layers.MultiHeadAttention(2, 2, name="attention")(x, x))


def called_layer():
    layer = kit.LSTM(3)
    layer.build((None, None, 4))
    return layer


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_cannot_be_exported_is_refused_by_name(name, tmp_path):
    make, message = REFUSED[name]
    with float64_allowed(), pytest.raises(ValueError, match=message) as error:
        kit.export_onnx(make(), tmp_path / "model.onnx")
    assert "Received: " in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_built_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be built"):
        kit.export_onnx(keras.Sequential([kit.LSTM(3)]), tmp_path / "model.onnx")
    with pytest.raises(TypeError, match="must be a Keras model"):
        kit.export_onnx("model.keras", tmp_path / "model.onnx")


def test_other_floats_are_rounded_on_request(tmp_path):
    x = features(3, 5, 4)
    with float64_allowed():
        model = of(kit.LSTM(3, dtype="float64"), layers.Dense(2, dtype="float64"))
        path = kit.export_onnx(model, tmp_path / "model.onnx", dtype="float32")
        want = model.predict(x, verbose=0)
    (found,) = run(path, (x,))
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, want, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "model.bin"}, r"must end in '.onnx'"),
        ({"dtype": "float16"}, "`dtype` must be 'float32'"),
        ({"quantize": "int4"}, "`quantize` must be 'int8'"),
    ],
)
def test_wrong_arguments_are_named(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        kit.export_onnx(classifier(), **{"path": "model.onnx", **options})
    assert not list(tmp_path.iterdir())


def test_a_missing_library_is_named_with_its_extra(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "keras-rnnkit\[onnx\]"'):
        kit.export_onnx(classifier(), tmp_path / "model.onnx")


def test_a_file_that_appears_during_the_export_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    monkeypatch.setattr(writing, "_check", lambda temporary: path.write_bytes(b"other"))
    with pytest.raises(FileExistsError, match=r"another process meanwhile.*overwrite=False$"):
        kit.export_onnx(classifier(), path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    assert path.read_bytes() == b"other"


INTEGERS = ("int8", "int16", "uint8", "uint16", "uint32")
OF_INTEGERS = {
    "add": lambda x: x + x,
    "compare": lambda x: ops.cast(x > 2, "int32"),
    "cumsum": lambda x: ops.cumsum(x, axis=1),
    "divide": lambda x: x / 2,
    "embedding": lambda x: kit.Embedding(9, 2)(x),
    "floor": lambda x: x // 2,
    "index": lambda x: x[:, -1],
    "max": lambda x: ops.max(x, axis=1),
    "maximum": lambda x: ops.maximum(x, 3),
    "relu": lambda x: ops.relu(x),
    "reshape": lambda x: ops.reshape(x, (-1, 2, 2)),
    "sum": lambda x: ops.sum(x, axis=1),
    "where": lambda x: ops.where(x > 2, x, x * x),
}


@pytest.mark.parametrize("dtype", INTEGERS)
def test_small_integers_are_computed_or_refused_by_name(tmp_path, dtype):
    works = set()
    for name, function in OF_INTEGERS.items():
        inputs = keras.Input((4,), dtype=dtype)
        try:
            model = keras.Model(inputs, function(inputs))
            want = model(np.array([[1, 2, 5, 3], [7, 0, 4, 6]], dtype))
        except (NotImplementedError, RuntimeError, TypeError):  # the backend has no such operation
            continue
        path, refused = tmp_path / f"{name}.onnx", ""
        try:
            kit.export_onnx(model, path)
        except ValueError as error:
            refused = str(error)
        if refused:
            assert re.search(r"\bCast (its|their|them)\b.*Received: ", refused), (name, refused)
            assert not path.exists()
            continue
        (found,) = run(path, [np.array([[1, 2, 5, 3], [7, 0, 4, 6]], dtype)])
        np.testing.assert_allclose(found, keras.ops.convert_to_numpy(want), rtol=1e-5)
        works.add(name)
    assert {"embedding", "index", "reshape"} <= works
