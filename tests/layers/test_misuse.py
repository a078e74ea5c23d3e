"""An error says what was expected, what was received, and what to do."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import CASES, by_name

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
ERRORS = {
    "rank 2": (lambda: kit.RNN(kit.GRUCell(3))(X[:, 0]), "return_sequences=True"),
    "no time": (lambda: kit.LSTM(3)(X[:, 0]), "`return_sequences=True`; integer tokens need an"),
    "no time, minimal": (lambda: kit.MinGRU(3)(keras.Input((4,))), "`return_sequences=True`"),
    "no time, both ways": (lambda: kit.Bidirectional(kit.GRU(3))(X[0]), "`return_sequences=True`"),
    "time twice": (
        lambda: kit.GRU(3)(X[None]),
        r"Reshape.*Received: sequences\.shape=\(1, 3, 5, 4\)",
    ),
    "no steps": (lambda: kit.LSTM(3)(X[:, :0]), "at least one time step"),
    "units": (lambda: kit.LSTM(3.0), "positive integer. Received: units=3.0$"),
    "no units": (lambda: kit.GRUCell(0), "positive integer. Received: units=0$"),
    "rate": (lambda: kit.GRU(3, dropout=1.5), r"in \[0, 1\). Received: dropout=1.5$"),
    "recurrent rate": (
        lambda: kit.GRU(3, recurrent_dropout=-1),
        "Received: recurrent_dropout=-1$",
    ),
    "mask": (
        lambda: kit.LSTM(3)(X, mask=np.ones((3, 4))),
        r"\(3, 5\)\. Received: mask\.shape=\(3, 4\)",
    ),
    "cudnn": (lambda: kit.LSTM(3, use_cudnn="yes"), "Received: use_cudnn='yes'$"),
    "unroll": (lambda: kit.LSTM(3, unroll=True)(keras.Input((None, 4))), "known number of time"),
    "no batch": (lambda: kit.LSTM(3, stateful=True)(keras.Input((5, 4))), "fixed batch size"),
    "regularized trace": (
        lambda: kit.LSTM(3, return_gates=True, activity_regularizer="l2"),
        "ActivityRegularization",
    ),
    "regularized traces": (
        lambda: kit.Bidirectional(kit.LSTM(3, activity_regularizer="l2"), return_gates=True),
        "ActivityRegularization",
    ),
    "bidirectional states": (
        lambda: kit.Bidirectional(kit.GRU(3))(
            keras.Input((5, 4)), initial_state=[keras.Input((7,))] * 2
        ),
        "`initial_state` to hold 1",
    ),
    "symbolic trace": (
        lambda: kit.LSTM(3).trace(keras.Input((5, 4))),
        "`trace` takes data, not a symbolic",
    ),
    "cell states": (
        lambda: kit.LSTMCell(3).gates(X[:, 0], [np.zeros((3, 3))]),
        r"2 tensor\(s\) \(hidden, cell\).*Received: len\(states\)=1",
    ),
    "cell": (lambda: kit.RNN(keras.layers.Dense(3)), "state_size"),
}


@pytest.mark.parametrize(("misuse", "message"), ERRORS.values(), ids=ERRORS)
def test_a_misuse_is_explained(misuse, message):
    with pytest.raises(ValueError, match=message):
        misuse()


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_another_width_than_the_weights_is_explained(case):
    layer = case.layer(3, **case.options)
    layer(X)
    for width in (2, 40):
        with pytest.raises(ValueError, match="expected sequences with 4 features"):
            layer(np.ones((3, 5, width), "float32"))
        with pytest.raises(ValueError, match="expected sequences with 4 features"):
            layer.trace(np.ones((3, 5, width), "float32"))


def test_another_batch_size_in_a_stateful_layer_is_explained():
    layer = kit.LSTM(3, stateful=True)
    layer(X)
    with pytest.raises(ValueError, match=r"Feed batches of 3\. Received: batch_size=2"):
        layer(X[:2])
