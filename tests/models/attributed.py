"""Models to explain, and their equations in float64 NumPy."""

import keras
import numpy as np

import keras_rnnkit as kit
from tests.support import oracles
from tests.support.cases import to_numpy

WORDS, STEPS, UNITS = 12, 6, 4
LAYERS = {
    "keras.LSTM": (keras.layers.LSTM, oracles.lstm),
    "kit.LSTM": (kit.LSTM, oracles.lstm),
    "keras.GRU": (keras.layers.GRU, oracles.gru),
    "kit.GRU": (kit.GRU, oracles.gru),
    "kit.MinLSTM": (kit.MinLSTM, oracles.min_lstm),
    "kit.MinGRU": (kit.MinGRU, oracles.min_gru),
    "kit.RGLRU": (kit.RGLRU, oracles.rglru),
}


def ids(rows=4, seed=0):
    """Reviews of different lengths, one padded on the left, one on the right, one all padding."""
    x = np.random.default_rng(seed).integers(3, WORDS, (rows, STEPS))
    x[1:2, :2] = 0
    x[2:3, 4:] = 0
    x[3:4] = 0
    return x


def text_model(layer, *ending, outputs=1, head="sigmoid", dtype="float32", **options):
    """Ids to a prediction; all weights are random, and none is close to zero."""
    parts = [
        keras.Input((STEPS,), dtype="int32"),
        keras.layers.Embedding(WORDS, 3, mask_zero=True, name="words", dtype=dtype),
        layer(UNITS, name="recurrent", dtype=dtype, **options),
        *ending,
        keras.layers.Dense(outputs, activation=head, name="head", dtype=dtype),
    ]
    return randomized(keras.Sequential(parts))


def randomized(model, seed=1):
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def states_of(model, oracle, x):
    """All gates and states of the model's recurrent layer, by its equations."""
    embedding, layer = model.get_layer("words"), model.get_layer("recurrent")
    table = to_numpy(embedding.embeddings).astype("float64")
    return trace_of(layer, oracle, table[x], x != 0)


def trace_of(layer, oracle, vectors, mask):
    weights = [weight.astype("float64") for weight in layer.get_weights()]
    count = 2 if oracle is oracles.lstm else 1
    zeros = [np.zeros((len(vectors), UNITS), vectors.dtype) for _ in range(count)]
    return oracle(vectors, weights, zeros, mask)


def start_of(model, oracle, x):
    """The logits at the baseline, vectors of zeros."""
    kernel, bias = head_of(model)
    zeros = np.zeros((*x.shape, 3))
    return (
        trace_of(model.get_layer("recurrent"), oracle, zeros, x != 0)["hidden"][:, -1] @ kernel
        + bias
    )


def head_of(model):
    """Kernel and bias of the last layer, in float64."""
    kernel, bias = model.get_layer("head").get_weights()
    return kernel.astype("float64"), bias.astype("float64")


def logits_of(model, oracle, x):
    kernel, bias = head_of(model)
    return states_of(model, oracle, x)["hidden"][:, -1] @ kernel + bias
