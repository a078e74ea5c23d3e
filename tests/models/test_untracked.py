"""A recurrent layer that Keras does not track is never skipped in silence."""

import threading

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.models._untracked import refusing_others
from tests.support.cases import to_numpy
from tests.support.witness import check_traces, randomized

L = keras.layers
X = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")


class Holder:
    """A plain Python object with a layer."""

    def __init__(self, layer):
        self.layer = layer


class Held(L.Layer):
    """Calls a layer in a plain Python object."""

    def __init__(self, inner):
        super().__init__()
        self.holder = Holder(inner)

    def call(self, inputs):
        return self.holder.layer(inputs)


class HeldCell(Held):
    """Calls a cell in a plain Python object, for one step."""

    def call(self, inputs):
        cell = self.holder.layer
        return cell(inputs[:, 0], cell.get_initial_state(batch_size=keras.ops.shape(inputs)[0]))[0]


def model_with(*layers):
    first = L.GRU(2, return_sequences=True, name="known")
    return randomized(keras.Sequential([keras.Input((5, 2)), first, *layers]))


def in_a_lambda():
    hidden = L.LSTM(3, name="hidden")
    hidden.build((None, 5, 2))
    return L.Lambda(hidden)


def in_a_function():
    hidden = L.LSTM(3, name="hidden")
    hidden.build((None, 5, 2))
    return L.Lambda(lambda x: hidden(x) * 2)


def both_directions():
    hidden = L.Bidirectional(L.LSTM(3, name="hidden"))
    hidden.build((None, 5, 2))
    return Held(hidden)


def of_the_kit():
    hidden = kit.MinGRU(3, name="hidden")
    hidden.build((None, 5, 2))
    return Held(hidden)


def a_cell():
    hidden = L.LSTMCell(3, name="hidden")
    hidden.build((None, 2))
    return HeldCell(hidden)


UNTRACKED = [in_a_function, both_directions, of_the_kit, a_cell]


@pytest.mark.parametrize("make", UNTRACKED)
def test_a_layer_that_keras_does_not_track_is_refused_by_name(make):
    model = model_with(make())
    with pytest.raises(ValueError, match=r"hidden' is called by the model(, but is not among|'s)"):
        kit.trace(model, X)
    assert "__call__" not in vars(keras.layers.RNN)
    assert set(kit.trace(model, X, layers=["known"])) == {"known"}
    with pytest.raises(ValueError, match="hidden' is called by the model"):
        kit.edit(model, X, {"known": {"update": 0.0}})


def test_a_layer_as_the_function_of_a_lambda_is_traced():
    assert set(kit.trace(model_with(in_a_lambda()), X)) == {"known", "hidden"}


def test_a_known_layer_may_call_its_parts():
    layers = [
        kit.StackedRNN([2, 3], return_sequences=True),
        L.RNN([L.LSTMCell(2), L.GRUCell(3)], return_sequences=True),
        kit.Bidirectional(L.LSTM(2, return_sequences=True)),
        kit.LearnedInitialState(kit.GRU(3, return_sequences=True)),
        L.Bidirectional(L.SimpleRNN(2)),
    ]
    check_traces(model_with(*layers), X)


def test_other_threads_call_any_layer():
    hidden = L.LSTM(3)
    want, found = to_numpy(hidden(X)), []
    with refusing_others([]):
        with pytest.raises(ValueError, match="is called by the model"):
            hidden(X)
        thread = threading.Thread(target=lambda: found.append(to_numpy(hidden(X))))
        thread.start()
        thread.join()
    np.testing.assert_allclose(found[0], want, atol=1e-6)
    np.testing.assert_allclose(to_numpy(hidden(X)), want, atol=1e-6)
