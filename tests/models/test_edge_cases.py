"""What a trace, and what is made of it, do with unusual models: right, or refused by name."""

import threading

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.models._intercept import intercepting
from tests.support.witness import randomized

L = keras.layers
X = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
Y = np.array([[0.0], [1.0], [1.0]], "float32")


def model_of(*layers, shape=(5, 2)):
    return randomized(keras.Sequential([keras.Input(shape), *layers]))


class Doubled(L.TimeDistributed):
    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs, training=training, mask=mask)


class OwnCell(L.LSTMCell):
    def call(self, inputs, states, training=False):
        return super().call(inputs * 2, states, training=training)


class OwnLSTM(L.LSTM):
    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.cell = OwnCell(units)


def test_code_of_ones_own_around_or_in_a_layer_is_refused():
    with pytest.raises(ValueError, match=r"'twice' of class Doubled has code of its own"):
        kit.trace(
            model_of(Doubled(L.LSTM(3), name="twice"), shape=(4, 5, 2)), np.ones((1, 4, 5, 2))
        )
    with pytest.raises(ValueError, match=r"has a cell of class OwnCell"):
        kit.trace(model_of(OwnLSTM(3)), X)


@pytest.mark.parametrize("look", [kit.ablate, kit.trace_gradients])
def test_a_loss_with_regularized_weights(look):
    model = model_of(L.LSTM(3, kernel_regularizer="l2", name="lstm"), L.Dense(1))
    model.compile("sgd", "mse")
    found = look(model, X, Y)
    assert len(found)


def test_a_trace_beside_another_one_of_the_same_model():
    model = model_of(L.LSTM(3, name="lstm"), L.Dense(1))
    want = kit.trace(model, X)["lstm"].hidden
    with intercepting({model.layers[0]: lambda own, *args, **kwargs: own(*args, **kwargs)}):
        np.testing.assert_allclose(kit.trace(model, X)["lstm"].hidden, want, atol=1e-6)
    assert "call" not in vars(model.layers[0])
    found, errors = [], []

    def work():
        try:
            found.extend(kit.trace(model, X)["lstm"].hidden for _ in range(3))
        except (RecursionError, RuntimeError, ValueError) as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for hidden in found:
        np.testing.assert_allclose(hidden, want, atol=1e-6)
    assert "call" not in vars(model.layers[0])


def test_statistics_of_a_model_that_diverged_are_nan():
    model = model_of(L.LSTM(3, name="lstm"), L.Dense(1))
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    found = kit.trace_batches(model, X, reduce="statistics")["lstm"]["forget"]
    assert np.isnan(found.mean).all()
    assert np.isnan(found.quantiles).all()


def test_quantiles_in_half_precision_are_within_their_error():
    model = model_of(L.GRU(3, name="gru", dtype="mixed_float16"))
    record = kit.trace(model, X)["gru"]
    found = kit.trace_batches(model, X, reduce="statistics")["gru"]["update"]
    values = record.update[record.mask].astype("float64")
    exact = np.quantile(values, found.probabilities, axis=0, method="lower")
    assert (np.abs(found.quantiles - exact) <= found.quantile_error + 1e-6).all()


def test_a_cast_behind_the_activation_is_not_the_logit():
    last = L.Dense(1, activation="sigmoid")
    model = model_of(L.LSTM(3), last, L.Activation("linear", dtype="float32"))
    probabilities = model.predict(X, verbose=0)[:, 0]
    found = kit.attribute(model, X, method="occlusion").total
    np.testing.assert_allclose(1 / (1 + np.exp(-found)), probabilities, atol=1e-5)


def test_accuracy_with_logits_in_a_list_of_losses():
    model = model_of(L.LSTM(3), L.Dense(1))
    model.compile("sgd", [keras.losses.BinaryCrossentropy(from_logits=True)])
    want = np.mean((model.predict(X, verbose=0) > 0) == (Y > 0.5))
    assert kit.ablate(model, X, Y, metric="accuracy").base == pytest.approx(want)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: kit.StackedRNN([3, 3], cell="lstm"),
        lambda: L.RNN([L.LSTMCell(3), L.LSTMCell(3)]),
    ],
)
def test_phrases_of_a_stack_are_refused(layer):
    with pytest.raises(ValueError, match="depends on several words"):
        kit.attribute(model_of(layer(), L.Dense(1)), X, method="contextual", spans=[(0, 5)])


def test_names_that_collide_are_refused():
    lstm = L.LSTM(2, return_sequences=True, name="lstm")
    inputs = keras.Input((5, 2))
    model = keras.Model(inputs, L.GRU(2, name="lstm:1")(lstm(lstm(inputs))))
    if keras.config.backend() != "tensorflow":  # which takes no ':' in a name
        with pytest.raises(
            ValueError, match=r"Received: two layers or calls with the key='lstm:1'"
        ):
            kit.trace(model, X)


def test_a_copy_of_an_influence_prints():
    found = kit.influence(kit.trace(model_of(L.LSTM(3, name="lstm")), X)["lstm"])
    assert repr(found.copy()).startswith("array")


def test_a_monitor_refuses_what_cannot_be_traced_before_the_first_epoch():
    model = model_of(L.LSTM(3), L.Dense(1))
    model.compile("sgd", "mse")
    before = model.get_weights()
    monitor = kit.callbacks.GateMonitor(X, layers=["other"])
    with pytest.raises(ValueError, match=r"Received: layers=\['other'\]"):
        model.fit(X, Y, verbose=0, callbacks=[monitor])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_stream_beside_a_trace_is_not_compiled_again():
    model = model_of(kit.LSTM(3, name="lstm"), L.Dense(1))
    runner = kit.stream(model)._runner
    with intercepting({model.layers[0]: lambda own, *args, **kwargs: own(*args, **kwargs)}):
        assert kit.stream(model)._runner is runner
