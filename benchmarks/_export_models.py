"""The models that `export_matrix.py` exports: one for each kind of layer."""

from typing import Any

TIME, FEATURES, UNITS = 6, 3, 4
KINDS = (
    "LSTM",
    "GRU",
    "SimpleRNN",
    "Bidirectional",
    "StackedRNN",
    "MinGRU",
    "RNN of a cell",
    "LSTM with a mask",
)
# As the layers are; on the path that calls the cell step by step; and as layers of Keras.
WAYS = ("as it is", 'path="portable"', "to_keras")


def model_of(kind: str, way: str) -> Any:
    """A model of one kind of layer, called once, with random weights."""
    import keras
    import numpy as np

    import keras_rnnkit as kit

    keras.utils.set_random_seed(0)
    masking = [keras.layers.Masking()] if "mask" in kind else []
    layers = [keras.Input((TIME, FEATURES)), *masking, layer_of(kind, way), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) / 2 for weight in model.get_weights()])
    if way == WAYS[2]:
        model = kit.to_keras(model)
    model(sequences(2))
    return model


def layer_of(kind: str, way: str) -> Any:
    """The recurrent layer of a kind, in one of the ways."""
    import keras_rnnkit as kit

    options = {"path": "portable"} if way == WAYS[1] else {}
    if kind == "Bidirectional":
        return kit.Bidirectional(kit.LSTM(UNITS, **options))
    if kind == "StackedRNN":
        return kit.StackedRNN([UNITS, UNITS], **options)
    if kind == "RNN of a cell":
        return kit.RNN(kit.PeepholeLSTMCell(UNITS), **options)
    return getattr(kit, kind.partition(" ")[0])(UNITS, **options)


def sequences(batch: int) -> Any:
    """Sequences of which every second one ends with masked steps."""
    import numpy as np

    x = np.random.default_rng(0).normal(size=(batch, TIME, FEATURES)).astype("float32")
    x[1::2, TIME // 2 :] = 0
    return x
