"""What a trace, and what is made of it, do with unusual models: right, or refused by name."""

import threading

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.models._intercept import intercepting
from tests.support.backends import float64_allowed
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


CALLS = {
    "trace": lambda model, size: kit.trace(model, X, batch_size=size),
    "trace_batches": lambda model, size: list(kit.trace_batches(model, X, batch_size=size)),
    "edit": lambda model, size: kit.edit(model, X, {}, batch_size=size),
    "ablate": lambda model, size: kit.ablate(model, X, Y, metric="mse", batch_size=size),
    "attribute": lambda model, size: kit.attribute(model, X, batch_size=size),
}


@pytest.mark.parametrize("size", [0, -1, True, 2.0])
@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_batch_size_is_refused(call, size):
    model = model_of(L.GRU(3), L.Dense(1))
    with pytest.raises(ValueError, match=rf"`batch_size` must be.*Received: batch_size={size}"):
        CALLS[call](model, size)


def test_input_without_steps_is_refused():
    model = model_of(L.GRU(3), L.Dense(1), shape=(None, 2))
    none = np.ones((3, 0, 2), "float32")
    match = r"`x` must have at least one step.*Received: x.shape=\(3, 0, 2\)"
    for call in (
        lambda: kit.trace(model, none),
        lambda: list(kit.trace_batches(model, iter([none]))),
        lambda: kit.trace_gradients(model, none, Y, loss="mse"),
        lambda: kit.attribute(model, none),
    ):
        with pytest.raises(ValueError, match=match):
            call()


def test_a_single_number_as_output_is_taken_for_one_batch_only():
    inputs = keras.Input((5, 2))
    model = randomized(keras.Model(inputs, keras.ops.mean(L.GRU(3)(inputs))))
    assert kit.trace(model, X).outputs.shape == ()
    with pytest.raises(ValueError, match=r"a row for each example.*Received: output.shape=\(\)"):
        kit.trace(model, X, batch_size=2)


def test_a_stateful_layer_in_time_distributed_is_refused():
    inputs = keras.Input(batch_shape=(3, 4, 5, 2))
    for own in (L, kit):
        inner = own.LSTM(2, stateful=True, name="inner")
        model = keras.Model(inputs, own.TimeDistributed(inner, name="outer")(inputs))
        with pytest.raises(ValueError, match=r"'outer'.* is around the stateful layer 'inner'"):
            kit.trace(model, np.ones((3, 4, 5, 2)))


def test_lists_of_numbers_are_arrays():
    model = model_of(L.GRU(3, name="gru"), L.Dense(1))
    y = [0.0, 1.0, 1.0]
    lists = kit.trace_gradients(model, X.tolist(), Y.tolist(), loss="mse")
    arrays = kit.trace_gradients(model, X, Y, loss="mse")
    np.testing.assert_allclose(lists["gru"].hidden, arrays["gru"].hidden, atol=1e-7)
    assert kit.ablate(model, X.tolist(), y, metric="accuracy").base >= 0
    assert kit.trace(model, X.tolist())["gru"].hidden.shape == (3, 5, 3)
    assert kit.callbacks.GateMonitor(X.tolist()).x.shape == X.shape
    for ragged in ([[1.0, 2.0], [3.0]], ["a", None]):
        with pytest.raises(ValueError, match="`x` must hold arrays of numbers"):
            kit.trace_gradients(model, ragged, Y, loss="mse")


def test_statistics_of_fewer_steps_than_the_highest_that_are_kept():
    model = model_of(L.GRU(3, name="gru"))
    stats = kit.trace_batches(model, X[:1, :3], reduce="statistics")["gru"]["hidden"]
    hidden = kit.trace(model, X[:1, :3])["gru"].hidden[0]
    np.testing.assert_allclose(stats.highest, -np.sort(-hidden, axis=0), atol=1e-6)
    assert stats.highest_rows.shape == stats.highest_steps.shape == (3, 3)
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    stats = kit.trace_batches(model, X, reduce="statistics")["gru"]["hidden"]
    assert np.isnan(stats.highest).all()


def test_in_float64_a_gate_is_fixed_at_its_exact_mean():
    with float64_allowed():
        inputs = keras.Input((5, 2), dtype="float64")
        gru = kit.GRU(3, name="gru", dtype="float64")  # without layers of Keras, which round
        model = keras.Sequential([inputs, gru])
        rng = np.random.default_rng(0)
        model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
        x = X.astype("float64")
        found = kit.ablate(model, x, Y, metric=lambda y, outputs: keras.ops.max(outputs - y))
        mean = kit.trace(model, x)["gru"].update.mean(axis=(0, 1))
        edited = kit.edit(model, x, {"gru": {"update": mean}})
    want = np.max(edited.outputs - Y)
    value = next(row.value for row in found.gates if row.part == "update")
    np.testing.assert_allclose(value, want, rtol=1e-12)


def test_layers_whose_names_collide_in_the_logs_have_values_of_their_own():
    def part(name):
        return keras.Sequential([L.GRU(3, return_sequences=True, name="gru")], name=name)

    model = model_of(part("left"), part("right"), L.GRU(3, name="left_gru"), L.Dense(1))
    model.compile("sgd", "mse")
    monitor = kit.callbacks.GateMonitor(X)
    history = model.fit(X, Y, verbose=0, callbacks=[monitor]).history
    names = {"left/gru_update_mean", "right_gru_update_mean", "left_gru_update_mean"}
    assert names <= set(history)


def test_a_layer_whose_name_is_the_key_of_a_call_is_refused():
    class Twice(keras.Model):
        def __init__(self):
            super().__init__()
            self.a = L.GRU(2, return_sequences=True, name="gru")
            self.b = L.GRU(2, return_sequences=True, name="gru:1")

        def call(self, x, training=False):
            x = self.a(self.a(x))
            return self.b(x) if training else x

    if keras.config.backend() != "tensorflow":  # which takes no ':' in a name
        model = Twice()
        model(X, training=True)
        with pytest.raises(ValueError, match="two layers or calls with the key='gru:1'"):
            kit.trace(model, X)
