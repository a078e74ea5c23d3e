"""`ablate` and `trace_gradients` count the losses that layers add, as `evaluate` does."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import to_numpy
from tests.support.witness import randomized

L = keras.layers
X = np.random.default_rng(0).normal(size=(5, 4, 2)).astype("float32")
Y = np.array([[0.0], [1.0], [1.0], [0.0], [1.0]], "float32")


class Penalty(L.Layer):
    """Passes its input on, and adds a loss of it."""

    def call(self, inputs):
        self.add_loss(0.3 * keras.ops.mean(keras.ops.square(inputs)))
        return inputs


def regularized():
    return [
        L.LSTM(3, return_sequences=True, activity_regularizer="l2", name="lstm"),
        L.Bidirectional(L.GRU(2, activity_regularizer="l1"), name="both"),
        L.Dense(1, kernel_regularizer="l2"),
    ]


MODELS = {
    "activity_regularizer": regularized,
    "add_loss": lambda: [L.GRU(3, name="gru"), Penalty(), L.Dense(1)],
}


def model_of(*layers, shape=(4, 2)):
    model = randomized(keras.Sequential([keras.Input(shape), *layers]))
    model.compile(loss="mse")
    return model


@pytest.mark.parametrize("kind", MODELS)
def test_the_base_of_an_ablation_is_the_loss_of_evaluate(kind):
    model = model_of(*MODELS[kind]())
    want = model.evaluate(X, Y, batch_size=2, verbose=0)
    np.testing.assert_allclose(kit.ablate(model, X, Y, batch_size=2).base, want, rtol=1e-5)
    plain = kit.ablate(model, X, Y, metric="mse").base
    assert abs(plain - want) > 1e-3  # a loss that is given is taken by itself


def test_without_a_unit_the_added_losses_are_those_of_the_edited_run():
    model = model_of(*MODELS["add_loss"]())
    found = kit.ablate(model, X, Y, batch_size=3, gate_value=0)
    for row in found:
        changes = {"gru": {row.part: 0.0}}
        edited = kit.edit(model, X, changes, units=None if row.unit is None else [row.unit])
        hidden = edited.traces["gru"].hidden[:, -1]
        parts = [0.3 * np.mean(rows**2) * len(rows) for rows in (hidden[:3], hidden[3:])]
        want = np.mean((edited.outputs - Y) ** 2) + sum(parts) / len(X)
        np.testing.assert_allclose(row.value, want, rtol=1e-4, err_msg=str(row))


def test_gradients_are_those_of_the_whole_loss():
    model = model_of(*MODELS["add_loss"]())
    found = kit.trace_gradients(model, X, Y)
    kernel, _ = model.layers[-1].get_weights()
    hidden = kit.trace(model, X)["gru"].hidden[:, -1]
    want = 2 * (found.outputs - Y) / len(X) @ kernel.T + 0.3 * 2 * hidden / hidden.size
    np.testing.assert_allclose(found["gru"].hidden[:, -1], want, rtol=1e-4, atol=1e-6)
    alone = kit.trace_gradients(model, X, Y, loss="mse")["gru"].hidden[:, -1]
    assert np.abs(alone - want).max() > 1e-3


@pytest.mark.parametrize("own", [L, kit], ids=["keras", "kit"])
def test_an_activity_regularizer_in_time_distributed(own):
    inner = own.LSTM(3, activity_regularizer="l2", name="inner")
    model = model_of(
        own.TimeDistributed(inner, name="outer"), L.Flatten(), L.Dense(1), shape=(2, 4, 2)
    )
    x = np.random.default_rng(1).normal(size=(5, 2, 4, 2)).astype("float32")
    want = model.evaluate(x, Y, verbose=0)  # Keras' own wrapper ignores the regularizer
    np.testing.assert_allclose(kit.ablate(model, x, Y).base, want, rtol=1e-5)


def test_a_loss_of_ones_own_sees_the_added_losses():
    class Weighted(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(keras.ops.abs(y - y_pred)) + 7.0 * sum(self.losses)

    inputs = keras.Input((4, 2))
    model = randomized(Weighted(inputs, L.Dense(1)(Penalty()(L.GRU(3, name="gru")(inputs)))))
    model.compile(loss="mse")
    traces = kit.trace(model, X)
    added = 0.3 * np.mean(traces["gru"].hidden[:, -1] ** 2)
    want = np.mean(np.abs(traces.outputs - Y)) + 7 * added
    np.testing.assert_allclose(kit.ablate(model, X, Y).base, want, rtol=1e-5)


def test_a_mask_made_within_time_distributed_of_keras_is_dropped_as_by_keras():
    words = keras.Sequential(
        [keras.Input((4,)), L.Embedding(9, 3, mask_zero=True), L.LSTM(3, return_sequences=True)]
    )
    inputs = keras.Input((2, 4), dtype="int32")
    x = L.TimeDistributed(words, name="words")(inputs)
    model = randomized(keras.Model(inputs, L.TimeDistributed(L.GRU(2), name="again")(x)))
    ids = np.random.default_rng(0).integers(0, 3, (3, 2, 4)).astype("int32")
    np.testing.assert_allclose(
        kit.trace(model, ids).outputs, to_numpy(model(ids, training=False)), atol=1e-6
    )
