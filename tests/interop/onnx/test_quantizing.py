"""Files with weights of eight bits."""

import logging

import keras
import numpy as np
import onnx
import pytest

import keras_rnnkit as kit

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

WORDS = 50


def model_of(*layers):
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(WORDS, 16, mask_zero=True),
            *layers,
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) / 4 for w in model.get_weights()])
    return model


LAYERS = {
    "lstm": lambda: [kit.LSTM(16)],
    "gru": lambda: [kit.GRU(16)],
    "bidirectional": lambda: [
        kit.Bidirectional(kit.LSTM(16, return_sequences=True)),
        kit.Bidirectional(kit.LSTM(16)),
    ],
    "peephole": lambda: [kit.RNN(kit.PeepholeLSTMCell(16))],
    "convolution": lambda: [keras.layers.Conv1D(16, 3), kit.SimpleRNN(16)],
}


@pytest.mark.filterwarnings("ignore:Layer 'conv1d:UserWarning")  # the mask ends there, as in Keras
@pytest.mark.parametrize("layers", LAYERS)
def test_a_quantized_file_gives_nearly_the_same_numbers(layers, tmp_path):
    model = model_of(*LAYERS[layers]())
    path = kit.export_onnx(model, tmp_path / "int8.onnx", quantize="int8")
    x = np.random.default_rng(1).integers(0, WORDS, (20, 12))
    want, found = model.predict(x, verbose=0), kit.OnnxModel(path).predict(x)
    assert np.abs(found - want).max() < 0.05
    assert np.abs(found - want).max() > 0  # it is quantized
    assert kit.OnnxModel(path).is_current(model)


def test_weights_of_an_lstm_take_a_quarter(tmp_path):
    model = keras.Sequential([keras.Input((None, 64)), kit.LSTM(64), keras.layers.Dense(1)])
    sizes = [
        kit.export_onnx(model, tmp_path / f"{quantize}.onnx", quantize=quantize).stat().st_size
        for quantize in (None, "int8")
    ]
    assert sizes[1] < 0.35 * sizes[0]
    operators = {node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node}
    assert "DynamicQuantizeLSTM" in operators
    assert "LSTM" not in operators


def test_a_layer_that_is_called_twice_stays_right(tmp_path):
    x = keras.Input((None, 8))
    shared = kit.LSTM(8, return_sequences=True)
    model = keras.Model(x, shared(shared(x)))
    path = kit.export_onnx(model, tmp_path / "model.onnx", quantize="int8")
    data = np.random.default_rng(0).normal(size=(3, 5, 8)).astype("float32")
    np.testing.assert_allclose(
        kit.OnnxModel(path).predict(data), model.predict(data, verbose=0), atol=0.05
    )


def test_logging_stays_as_it_is(tmp_path, monkeypatch, caplog):
    root = logging.getLogger()
    before = list(root.handlers)
    kit.export_onnx(model_of(kit.LSTM(4)), tmp_path / "model.onnx", quantize="int8")
    assert root.handlers == before
    assert not [record for record in caplog.records if record.name == "root"]


def test_other_kinds_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`quantize` must be 'int8'. Received: quantize='int4'"):
        kit.export_onnx(model_of(kit.LSTM(4)), tmp_path / "model.onnx", quantize="int4")
    assert not list(tmp_path.iterdir())
