"""`GateMonitor` puts statistics of the gates into the history."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.models._runner import Runner
from tests.support.cases import where_compiled

X = np.random.default_rng(0).normal(size=(40, 5, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(40, 1)).astype("float32")


def model_of(layer):
    model = keras.Sequential([keras.Input((5, 3)), layer, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("own", [keras.layers, kit], ids=["keras", "kit"])
def test_the_history_has_the_statistics_of_the_weights_of_each_epoch(own):
    model = model_of(own.LSTM(4, name="lstm"))
    seen = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(model.get_weights())
    )
    monitor = kit.callbacks.GateMonitor(X)
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[monitor, note]).history
    for epoch, weights in enumerate(seen):
        model.set_weights(weights)
        record = kit.trace(model, X)["lstm"]
        for gate in ("input", "forget", "candidate", "output"):
            found = history[f"lstm_{gate}_mean"][epoch]
            np.testing.assert_allclose(found, getattr(record, gate).mean(), atol=1e-5)
        np.testing.assert_allclose(history["lstm_forget_open"][epoch], (record.forget > 0.9).mean())
        np.testing.assert_allclose(
            history["lstm_output_closed"][epoch], (record.output < 0.1).mean()
        )
        half_lives = -np.log(2) / np.log(record.forget).mean(axis=(0, 1))
        found = history["lstm_half_life"][epoch]
        np.testing.assert_allclose(found, np.median(half_lives), rtol=1e-4)
    assert not any(name.startswith("lstm_cell") for name in history)
    assert "lstm_candidate_open" not in history


LAYERS = {
    "zoneout": lambda: kit.RNN(kit.Zoneout(kit.GRUCell(3), 0.3), name="layer"),
    "min gru": lambda: kit.MinGRU(3, name="layer"),
    "simple": lambda: kit.SimpleRNN(3, name="layer"),
    "both": lambda: kit.Bidirectional(kit.LSTM(3), name="layer"),
    "stack": lambda: kit.StackedRNN([3, 2], cell="gru", bidirectional=True, name="layer"),
    "cells": lambda: kit.RNN([kit.PeepholeLSTMCell(3), kit.GRUCell(2)], name="layer"),
    "no gates": lambda: kit.RNN(kit.ESNCell(3), name="layer"),
    "half": lambda: kit.LSTM(3, dtype="mixed_float16", name="layer"),
    "saturated": lambda: kit.LSTM(3, recurrent_activation="hard_sigmoid", name="layer"),
    "unbounded": lambda: kit.GRU(3, recurrent_activation="relu", name="layer"),
}


def logs_from_statistics(found):
    """What `GateMonitor` is to log, from the statistics of whole traces."""
    logs = {}
    for name, layer in found.items():
        for field, values in layer.items():
            prefix = f"{name.replace('.', '_')}_{field}"
            if not values.is_state:
                logs[f"{prefix}_mean"] = values.mean.mean()
            if values.closed is not None:
                logs[f"{prefix}_closed"] = values.closed.mean()
                logs[f"{prefix}_open"] = values.open.mean()
        if layer.half_life is not None:
            logs[f"{name.replace('.', '_')}_half_life"] = np.median(layer.half_life)
    return logs


def logs_of(model, x):
    monitor, logs = kit.callbacks.GateMonitor(x), {}
    monitor.set_model(model)
    monitor.on_epoch_end(0, logs)
    return logs


@pytest.mark.parametrize("kind", where_compiled(["zoneout", "both", "cells", "half"], LAYERS))
def test_the_logs_are_those_of_whole_traces_of_a_padded_input(kind):
    x = np.where(np.arange(5)[None, :, None] < np.arange(40)[:, None, None] % 6, 3 * X, 0)
    x = x.astype("float32")
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.Masking(), LAYERS[kind]()])
    expected = logs_from_statistics(kit.trace_batches(model, x, reduce="statistics"))
    found = logs_of(model, x)
    assert list(found) == list(expected)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-4, atol=1e-6)


def test_only_sums_over_time_leave_the_program(monkeypatch):
    model = keras.Sequential([keras.Input((5, 3)), kit.Bidirectional(kit.LSTM(4), name="both")])
    arrays, reduced = [], Runner.reduced

    def noted(self, reduction, inputs):
        found = reduced(self, reduction, inputs)
        arrays.extend(keras.tree.flatten(found))
        return found

    monkeypatch.setattr(Runner, "reduced", noted)
    monkeypatch.setattr(Runner, "run", None)
    monkeypatch.setattr(Runner, "views", None)
    assert logs_of(model, X)
    assert {array.shape for array in arrays} == {(len(X),), (len(X), 4)}


def test_the_logs_of_a_time_distributed_layer_and_of_a_saturated_gate_are_those_of_traces():
    inner = kit.LSTM(3, bias_initializer=keras.initializers.Constant(-200.0), name="lstm")
    model = keras.Sequential([keras.Input((2, 5, 3)), kit.TimeDistributed(inner, name="layer")])
    x = np.stack([X, X], axis=1)
    expected = logs_from_statistics(kit.trace_batches(model, x, reduce="statistics"))
    found = logs_of(model, x)
    assert list(found) == list(expected)
    assert found["layer_half_life"] == 0 or expected["layer_half_life"] > 0
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-3, atol=1e-6)


def test_training_goes_on_as_without_it():
    results = []
    for callbacks in ([], [kit.callbacks.GateMonitor(X, samples=8)]):
        keras.utils.set_random_seed(0)
        model = model_of(kit.Bidirectional(kit.GRU(3, dropout=0.2), name="both"))
        losses = model.fit(X, Y, epochs=2, verbose=0, callbacks=callbacks).history["loss"]
        results.append((losses, model.get_weights()))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-6)
    for a, b in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_another_callback_can_monitor_a_gate_and_rows_are_spread():
    monitor = kit.callbacks.GateMonitor(X, samples=4)
    np.testing.assert_array_equal(monitor.x, X[[0, 13, 26, 39]])
    stop = keras.callbacks.EarlyStopping("both_forward_update_mean", mode="max", patience=0)
    model = model_of(kit.Bidirectional(kit.GRU(3), name="both"))
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[monitor, stop]).history
    assert {"both_forward_reset_open", "both_backward_half_life"} <= set(history)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"Received: samples=0"):
        kit.callbacks.GateMonitor(X, samples=0)
    with pytest.raises(ValueError, match=r"Received: rows=0"):
        kit.callbacks.GateMonitor(X[:0])
