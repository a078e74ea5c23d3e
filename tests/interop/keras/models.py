"""Models of the kit for the conversion to plain Keras."""

import keras
import numpy as np

import keras_rnnkit as kit

RNG = np.random.default_rng(0)
IDS = np.array([[3, 1, 4, 2, 0], [2, 5, 1, 0, 0], [1, 0, 0, 0, 0]])
X = RNG.normal(size=(3, 5, 4)).astype("float32")


def randomized(model):
    """The model with other weights at every place, so that no two layers can be exchanged."""
    rng = np.random.default_rng(7)
    model.set_weights(
        [rng.uniform(0.1, 0.9, size=w.shape).astype(w.dtype) - 0.4 for w in model.get_weights()]
    )
    return model


def classifier():
    """Masks, both directions, a stack in a `Sequential` model, dropout."""
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            kit.Embedding(6, 4, mask_zero=True),
            kit.Bidirectional(kit.LSTM(3, return_sequences=True), merge_mode="sum"),
            kit.StackedRNN([3, 2], cell="gru", dropout=0.2, bidirectional=True, seed=1),
            keras.layers.Dense(1),
        ]
    )


def with_everything():
    """Nested, shared, two inputs, initial states, residual stacks, stacks of cells."""
    ids, x = keras.Input((5,), dtype="int32", name="ids"), keras.Input((5, 4), name="x")
    words = kit.Embedding(6, 4, mask_zero=True, name="words")(ids)
    stack = kit.StackedRNN(
        [4, 4, 3], residual=True, layer_norm=True, return_sequences=True, name="deep"
    )
    of_words, of_x = stack(words), stack(x)
    inner = keras.Sequential([keras.Input((5, 3)), kit.StackedRNN([3], name="deep")], name="inner")
    cells = [kit.LSTMCell(3), kit.GRUCell(2)]
    output, h, c = kit.LSTM(3, return_state=True, name="encoder")(x)
    decoded = kit.LSTM(3, go_backwards=True, name="decoder")(x, initial_state=[h, c])
    cells = kit.RNN(cells, return_sequences=True, name="cells")(of_words)
    one = kit.RNN([kit.SimpleRNNCell(2)], name="one")(cells)
    steps = kit.TimeDistributed(keras.layers.Dense(2), name="steps")(x)
    last = kit.StackedRNN([2], cell="simple_rnn", name="last")(steps)
    return keras.Model({"ids": ids, "x": x}, [inner(of_x), output, decoded, one, last])


def hierarchical():
    """A stack of layers inside `TimeDistributed`."""
    stack = kit.StackedRNN([3, 2], name="words")
    return keras.Sequential(
        [keras.Input((2, 5, 4)), kit.TimeDistributed(stack), kit.GRU(2, reset_after=False)]
    )
