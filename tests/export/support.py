"""What the tests of exports share: models, and what a file gives back."""

import keras
import numpy as np

import keras_rnnkit as kit

FEATURES, WORDS = 3, 6

# How each kind of layer is made, from further options.
KINDS = {
    "lstm": lambda **options: kit.LSTM(4, **options),
    "gru": lambda **options: kit.GRU(4, **options),
    "gru_reset_before": lambda **options: kit.GRU(4, reset_after=False, **options),
    "simple_rnn": lambda **options: kit.SimpleRNN(4, **options),
    "min_gru": lambda **options: kit.MinGRU(4, **options),
    "min_lstm": lambda **options: kit.MinLSTM(4, **options),
    "rglru": lambda **options: kit.RGLRU(4, **options),
    "own_cell": lambda **options: kit.RNN(kit.PeepholeLSTMCell(4), **options),
    "keras_cell": lambda **options: kit.RNN(keras.layers.GRUCell(4), **options),
    "portable": lambda **options: kit.LSTM(4, path="portable", **options),
    "dropout": lambda **options: kit.LSTM(4, dropout=0.5, recurrent_dropout=0.5, **options),
    "no_bias": lambda **options: kit.GRU(4, use_bias=False, **options),
    "bidirectional": lambda **options: kit.Bidirectional(kit.GRU(4, **options)),
    "stacked": lambda **options: kit.StackedRNN([4, 3], bidirectional=True, **options),
}

VARIANTS = {
    "last": {},
    "sequences": {"return_sequences": True},
    "backwards": {"return_sequences": True, "go_backwards": True},
    "states": {"return_state": True},
    "gates": {"return_sequences": True, "return_gates": True},
}


def random_weights(model, seed=1):
    """Give a model weights of which no two are alike."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape) / 2 for w in model.get_weights()])


def model_of(layer, steps, masked=False):
    """A model of one layer, with all that it returns."""
    inputs = keras.Input((steps, FEATURES))
    x = keras.layers.Masking()(inputs) if masked else inputs
    model = keras.Model(inputs, keras.tree.flatten(layer(x)))
    random_weights(model)
    return model


def sequences(batch, steps, masked=False):
    """Sequences whose masked steps are zeros: in holes, in one row everywhere."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, steps, FEATURES)).astype("float32")
    if masked:
        x[rng.random((batch, steps)) < 0.4] = 0
        x[0] = 0
    return x


def words(batch, steps):
    return np.random.default_rng(0).integers(0, WORDS, (batch, steps)).astype("int32")


def exported(model, path, *example, **options):
    """The session of onnxruntime that runs what a model exports."""
    import onnxruntime

    model(*example)  # Keras exports what has been called
    model.export(path, format="onnx", verbose=False, **options)
    return onnxruntime.InferenceSession(path)


def assert_same_numbers(session, model, *inputs):
    """What the file gives is what `predict` gives."""
    names = [node.name for node in session.get_inputs()]
    found = session.run(None, dict(zip(names, inputs, strict=True)))
    want = model.predict(inputs[0] if len(inputs) == 1 else list(inputs), verbose=0)
    want = keras.tree.flatten(want)
    assert any(np.abs(part).max() > 1e-3 for part in want if part.dtype != bool)
    for a, b in zip(found, want, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a.astype(float), b.astype(float), atol=1e-5)
