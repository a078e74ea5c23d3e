"""`resets` in the functions that take a whole model."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import assert_close, to_numpy

BATCH, TIME, FEATURES = 3, 6, 2
X = np.random.default_rng(0).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
RESETS = np.array([[0, 0, 1, 0, 1, 0], [1, 0, 0, 1, 1, 0], [0, 1, 0, 0, 0, 1]], bool)
X[:, 3] = 0  # masked, with and without a reset
KINDS = {
    "lstm": lambda: kit.LSTM(4, return_sequences=True, name="rnn"),
    "gru": lambda: kit.GRU(4, return_sequences=True, name="rnn"),
    "minimal": lambda: kit.MinLSTM(4, return_sequences=True, name="rnn"),
    "both directions": lambda: kit.Bidirectional(
        kit.LSTM(4, return_sequences=True), merge_mode="sum", name="rnn"
    ),
    "learned": lambda: kit.LearnedInitialState(
        kit.GRU(4, return_sequences=True), "random_normal", name="rnn"
    ),
    "stack of cells": lambda: kit.RNN(
        [kit.LSTMCell(2), kit.GRUCell(4)], return_sequences=True, name="rnn"
    ),
}


def model_of(layer, masked=True):
    x, resets = keras.Input((TIME, FEATURES)), keras.Input((TIME,), dtype="bool")
    y = layer(keras.layers.Masking()(x) if masked else x, resets=resets)
    return keras.Model([x, resets], keras.layers.Dense(1)(y))


def parts_of(trace):
    """The traces of single cells."""
    return [trace] if hasattr(trace, "mask") else list(trace)


@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_holds_what_the_layer_computes_and_its_influence_ends_at_a_reset(kind, tmp_path):
    model = model_of(KINDS[kind]())
    traces = kit.trace(model, [X, RESETS], batch_size=2)
    assert_close(traces.outputs, model([X, RESETS]))
    traces.save(tmp_path / "traces.npz")
    loaded = kit.Traces.load(tmp_path / "traces.npz")
    found = parts_of(traces["rnn"])
    if kind != "stack of cells":
        hidden = sum(part.hidden for part in found)
        layer = model.get_layer("rnn")
        mask = np.any(X != 0, axis=-1)
        for part, own in zip(found, parts_of(layer.trace(X, mask, resets=RESETS)), strict=True):
            assert_close(tuple(part), tuple(own))
        valid = to_numpy(layer(X, mask=mask, resets=RESETS))
        assert_close(np.where(mask[..., None], hidden, 0), np.where(mask[..., None], valid, 0))
    number = np.cumsum(RESETS, axis=1)
    across = number[:, :, None] != number[:, None, :]
    for one, again in zip(found, parts_of(loaded["rnn"]), strict=True):
        left = kit.influence(one, units="all")
        assert not np.asarray(left)[across].any()
        place = 1 if left.state == "cell" else 0
        started = one.origin.resets if one.origin.backward else RESETS
        first = np.broadcast_to(one.origin.initial_states[place][:, None], left.first.shape)
        fresh = np.broadcast_to(one.origin.fresh_states[place][:, None], left.first.shape)
        after = np.cumsum(started[:, ::-1] if one.origin.backward else started, axis=1) > 0
        after = after[:, ::-1] if one.origin.backward else after
        start = np.where(after[..., None], fresh, first)
        state = np.einsum("btju,bju->btu", left, one.candidate) + left.first * start
        np.testing.assert_allclose(state, getattr(one, left.state), atol=1e-5)
        np.testing.assert_array_equal(kit.influence(again, units="all"), left)
        np.testing.assert_array_equal(again.origin.resets, one.origin.resets)


def test_an_edit_runs_with_resets():
    model = model_of(kit.LSTM(4, return_sequences=True, name="rnn"))
    found = kit.edit(model, [X, RESETS], {"rnn": {"forget": 1.0}})
    left = kit.influence(found.traces["rnn"])
    assert left[0, 5, 4] > 0 == left[0, 5, 2]
    hidden = kit.trace(model, [X, RESETS])["rnn"].hidden
    same = kit.edit(model, [X, RESETS], {"rnn": {"hidden": hidden}})
    assert_close(same.outputs, model([X, RESETS]))


@pytest.mark.xla
def test_a_gate_monitor_has_the_statistics_of_the_traces():
    model = model_of(kit.LSTM(4, return_sequences=True, name="rnn"))
    model.compile("sgd", "mse")
    data = [X, RESETS]
    callbacks = [kit.callbacks.GateMonitor(data)]
    history = model.fit(data, X[..., :1], verbose=0, callbacks=callbacks).history
    trace = kit.trace(model, data)["rnn"]
    want = trace.forget[trace.mask].mean()
    np.testing.assert_allclose(history["rnn_forget_mean"][0], want, atol=1e-5)


def test_gradients_of_a_loss_end_at_a_reset():
    model = model_of(kit.LSTM(4, return_sequences=True, name="rnn"), masked=False)
    model.compile("sgd", lambda y, predicted: keras.ops.sum(predicted[:, -1]))
    found = kit.trace_gradients(model, [X, RESETS], X[..., :1])["rnn"]
    number = np.cumsum(RESETS, axis=1)
    same = number == number[:, -1:]
    assert not found.hidden[~same].any()
    assert found.hidden[same].any(axis=-1).all()


def test_what_takes_no_resets_refuses_them_by_name(tmp_path):
    model = model_of(kit.LSTM(4, return_sequences=True, name="rnn"), masked=False)
    with pytest.raises(ValueError, match=r"LSTM 'rnn' .*it is given the `resets` in the model"):
        kit.stream(model)
    with pytest.raises(ValueError, match=r"LSTM 'rnn' in .* is called with `resets`.*Received: "):
        kit.to_keras(model)
    with pytest.raises(TypeError, match="resets"):
        kit.TimeDistributed(kit.LSTM(3))(np.ones((2, 3, 4, 5), "float32"), resets=RESETS)
    onnx = pytest.importorskip("onnx", reason="the extra onnx")
    assert onnx
    with pytest.raises(ValueError, match=r"`resets` of a LSTM is not supported.*Received: "):
        kit.export_onnx(model, tmp_path / "model.onnx")


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.rnn = kit.LSTM(3, name="rnn")

    def call(self, x):
        return self.rnn(x, resets=x[..., 0] > 0)


def test_a_stream_of_a_model_with_code_of_its_own_refuses_resets():
    model = Own()
    model(X)
    stream = kit.stream(model, stepwise=(Own,))
    with pytest.raises(ValueError, match=r"LSTM 'rnn': a stream takes no `resets`"):
        stream.step(X[:, 0])


def test_exact_decompositions_of_the_last_state_refuse_resets():
    x, resets = keras.Input((TIME, FEATURES)), keras.Input((TIME,), dtype="bool")
    y = kit.LSTM(4, name="rnn")(x, resets=resets)
    model = keras.Model([x, resets], keras.layers.Dense(1)(y))
    with pytest.raises(ValueError, match=r"resets"):
        kit.attribute(model, [X, RESETS], method="cells")


def test_explain_says_what_resets_cost():
    model = model_of(KINDS["both directions"](), masked=False)
    rows = kit.explain(model)
    assert len(rows) == 2
    plain = keras.Sequential([keras.Input((TIME, FEATURES)), kit.LSTM(4)])
    if "oneDNN" in kit.explain(plain)[0].training:
        assert all("oneDNN, without the resets" in row.faster for row in rows)
    else:
        assert all("resets" not in row.faster for row in rows)
