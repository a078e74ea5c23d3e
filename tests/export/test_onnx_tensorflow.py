"""Exports on TensorFlow: no file has XLA's compiled functions in it, and ONNX runs them right."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit

if keras.config.backend() != "tensorflow":
    pytest.skip("TensorFlow's exports", allow_module_level=True)

import tensorflow as tf

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra packages of the export tests")
pytest.importorskip("tf2onnx", reason="the extra packages of the export tests")

TIME, FEATURES = 6, 4


@keras.saving.register_keras_serializable("tests")
class OwnCell(keras.layers.Layer):
    """A cell that knows nothing of the kit."""

    state_size = output_size = 5

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 5))
        self.built = True

    def call(self, inputs, states):
        hidden = keras.ops.tanh(inputs @ self.kernel + states[0])
        return hidden, [hidden]


LAYERS = {
    "lstm": lambda **options: kit.LSTM(5, **options),
    "gru": lambda **options: kit.GRU(5, **options),
    "gru_reset_before": lambda **options: kit.GRU(5, reset_after=False, **options),
    "simple_rnn": lambda **options: kit.SimpleRNN(5, **options),
    "min_gru": lambda **options: kit.MinGRU(5, **options),
    "min_lstm": lambda **options: kit.MinLSTM(5, **options),
    "rglru": lambda **options: kit.RGLRU(5, **options),
    "bidirectional": lambda **options: kit.Bidirectional(kit.LSTM(5, **options)),
    "stacked": lambda **options: kit.StackedRNN([5, 4], **options),
    "peephole": lambda **options: kit.RNN(kit.PeepholeLSTMCell(5), **options),
    "own_cell": lambda **options: kit.RNN(OwnCell(), **options),
}
CALLS = {
    "last": ({}, False, TIME),
    "any_length": ({"return_sequences": True}, False, None),
    "masked": ({"return_sequences": True}, True, TIME),
    "masked_any_length": ({}, True, None),
    "backwards": ({"go_backwards": True}, False, TIME),
}
BACKWARDS = ("bidirectional", "stacked")  # which go both ways already, or have no such option
PAIRS = [
    (layer, call)
    for layer in LAYERS
    for call in CALLS
    if not (call == "backwards" and layer in BACKWARDS)
]


def model_and_data(layer, call):
    options, masked, time = CALLS[call]
    x = np.random.default_rng(0).normal(size=(3, TIME, FEATURES)).astype("float32")
    inputs = hidden = keras.Input((time, FEATURES))
    if masked:
        x[0, 4:], x[1, :2] = 0, 0
        hidden = keras.layers.Masking()(inputs)
    return keras.Model(inputs, LAYERS[layer](**options)(hidden)), x


@pytest.mark.parametrize(("layer", "call"), PAIRS)
@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # Keras' patch
def test_onnx_runs_a_layer_right(layer, call, tmp_path):
    model, x = model_and_data(layer, call)
    want = model(x)
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (got,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_saved_model_runs_a_layer_right(layer, tmp_path):
    model, x = model_and_data(layer, "masked")
    want = model.predict(x, verbose=0)  # compiled, which the file must not be
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    assert not compiled_functions(loaded.serve.get_concrete_function(tf.TensorSpec(x.shape)))
    np.testing.assert_allclose(loaded.serve(x), want, rtol=1e-5, atol=1e-5)


@pytest.mark.xla
@pytest.mark.parametrize("layer", ["lstm", "min_lstm"])
def test_a_graph_that_stays_here_is_compiled(layer):
    model, x = model_and_data(layer, "last")
    graph = tf.function(lambda x: model(x, training=False))
    assert compiled_functions(graph.get_concrete_function(x))


def compiled_functions(concrete):
    """The functions of a graph that XLA must compile."""
    library = concrete.graph.as_graph_def().library.function
    return [f.signature.name for f in library if f.attr["_XlaMustCompile"].b]
