"""States that the caller carries, streams of steps, and what is refused."""

import keras
import numpy as np
import onnxruntime
import pytest

import keras_rnnkit as kit
from keras_rnnkit.interop.onnx.export import export_onnx
from keras_rnnkit.interop.onnx.unsupported import Unsupported
from tests.interop.onnx.one_layer import OneLayer, called, masks, sequences

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

LAYERS = {
    "lstm": lambda **how: kit.LSTM(4, **how),
    "gru_of_keras": lambda **how: keras.layers.GRU(4, **how),
    "min_gru": lambda **how: kit.MinGRU(4, **how),
    "projected": lambda **how: kit.RNN(kit.ProjectedLSTMCell(4, projection=3), **how),
    "cells": lambda **how: kit.RNN([kit.LSTMCell(4), kit.GRUCell(3)], **how),
    "stack": lambda **how: kit.StackedRNN([4, 3], cell=["gru", "lstm"], residual=True, **how),
    "learned": lambda **how: kit.LearnedInitialState(kit.LSTM(4, **how)),
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_steps_give_the_numbers_of_the_whole_sequence(name, return_sequences, masked):
    layer = LAYERS[name](return_sequences=True, return_state=True)
    whole = OneLayer(layer, masked=masked).layer
    how = {"return_sequences": return_sequences, "return_state": True}
    other = LAYERS[name](**how)
    other.build((None, None, 3))
    other.set_weights(layer.get_weights())
    one = OneLayer(other, masked=masked, streaming=True)
    assert "Scan" not in one.kinds()
    x = sequences(4, 5)
    mask = masks(4, 5)["holes"] if masked else None
    outputs, *last = called(whole, x, mask)
    states = one.zeros(4)
    for t in range(5):
        step = None if mask is None else mask[:, t : t + 1]
        (output, *final), states = one.carry(x[:, t : t + 1], states, step)
        if name == "stack" and masked and not (mask[:, t].all()):
            continue  # the residual adds the input of a masked step
        got = output[:, 0] if return_sequences else output
        np.testing.assert_allclose(got, outputs[:, t], atol=1e-5, rtol=1e-5)
    for a, b in zip(final, last, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", [*LAYERS, "bidirectional"])
def test_states_go_in_and_come_out(name):
    layers = {**LAYERS, "bidirectional": lambda **how: kit.Bidirectional(kit.LSTM(4, **how))}
    layer = layers[name](return_state=True)
    one = OneLayer(layer, states=True)
    x = sequences(3, 6)
    (output, *last), after = one.carry(x, one.zeros(3))
    for a, b in zip([output, *last], called(layer, x), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)
    if name != "bidirectional":
        _, half = one.carry(x[:, :2], one.zeros(3))
        (again, *_), end = one.carry(x[:, 2:], half)
        np.testing.assert_allclose(again, output, atol=1e-5, rtol=1e-5)
        for key, state in end.items():
            np.testing.assert_allclose(state, after[key], atol=1e-5, rtol=1e-5)


def test_names_of_states():
    def names(layer, **how):
        return [entry["input"] for entry in OneLayer(layer, **how).carried.entries]

    assert names(kit.LSTM(4, name="a"), states=True) == ["a/hidden", "a/cell"]
    masked = names(keras.layers.GRU(4, name="a"), streaming=True, masked=True)
    assert masked == ["a/hidden", "a/output"]
    learned = kit.LearnedInitialState(kit.GRU(4), name="a")
    assert names(learned, states=True) == ["a/hidden", "a/started"]
    cells = kit.RNN([kit.GRUCell(4), kit.LSTMCell(3)], name="a")
    assert names(cells, states=True) == ["a/cell_0/hidden", "a/cell_1/hidden", "a/cell_1/cell"]
    both = kit.StackedRNN([4], cell="gru", bidirectional=True, name="a")
    assert names(both, states=True) == ["a/rnn_0/forward/hidden", "a/rnn_0/backward/hidden"]


def test_stateful_layers_carry_their_states():
    layer = kit.LSTM(4, stateful=True)
    layer.build((3, None, 3))
    one, x = OneLayer(layer, states=True), sequences(3, 4)
    _, after = one.carry(x, one.zeros(3))
    called(layer, x)
    for state, found in zip(layer.states, after.values(), strict=True):
        np.testing.assert_allclose(found, keras.ops.convert_to_numpy(state), atol=1e-5)


class OwnCell(keras.layers.LSTMCell):
    pass


@keras.saving.register_keras_serializable(package="tests_of_onnx")
class OwnLayer(kit.LSTM):
    pass


def own_activation(x):
    return 2 * x


REFUSED = [
    (lambda: kit.LSTM(4, return_gates=True), {}, r"^`return_gates=True` of LSTM .*kit.trace`$"),
    (lambda: keras.layers.RNN(OwnCell(4)), {}, r"^the cell .*OwnCell of RNN .*model.export"),
    (lambda: kit.GRU(4, activation=own_activation), {}, r"activation 'own_activation'"),
    (
        lambda: kit.RNN(kit.Zoneout(OwnCell(4), rate=0.1), name="zoned"),
        {},
        r"^the cell .*OwnCell of RNN 'zoned'",
    ),
    (lambda: kit.LSTM(4, go_backwards=True), {"streaming": True}, "^`go_backwards=True` of LSTM"),
    (lambda: kit.Bidirectional(kit.LSTM(4)), {"streaming": True}, "^`streaming=True` of Bidir"),
    (lambda: kit.LSTM(4), {"streaming": True, "given": [4, 4]}, "^`initial_state` of LSTM"),
    (lambda: kit.StackedRNN([4], return_gates=True), {}, r"^`return_gates=True` of StackedRNN"),
    (lambda: kit.Bidirectional(OwnLayer(4)), {}, r"^the class .*OwnLayer of OwnLayer 'forward_"),
    (lambda: kit.LearnedInitialState(OwnLayer(4)), {}, r"^the class .*OwnLayer of OwnLayer"),
    (lambda: kit.Bidirectional(kit.LSTM(4, return_gates=True)), {}, "^`return_gates=True` of Bid"),
]


@pytest.mark.parametrize(("layer", "how", "message"), REFUSED)
def test_refused_by_name(layer, how, message):
    with pytest.raises(Unsupported, match=message):
        OneLayer(layer(), **how)


def test_a_refusal_names_the_place_in_the_model_and_writes_nothing(tmp_path):
    model = keras.Sequential(
        [keras.Input((None, 3)), kit.Bidirectional(kit.LSTM(4, return_gates=True), name="both")],
        name="model",
    )
    with pytest.raises(ValueError, match=r"^Bidirectional 'both' .*return_gates=True.*'.*both'$"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_stateful_layer_is_refused_without_states():
    layer = kit.LSTM(4, stateful=True)
    layer.build((3, None, 3))
    with pytest.raises(Unsupported, match=r"^`stateful=True` of LSTM .*states=True"):
        OneLayer(layer)


@pytest.mark.parametrize("how", [{}, {"states": True}, {"streaming": True}], ids=str)
def test_sequences_inside_a_step_carry_no_states(how, tmp_path):
    inputs = keras.Input((None, 4, 3))
    x = kit.TimeDistributed(kit.Bidirectional(kit.GRU(3)))(inputs)
    model = keras.Model(inputs, kit.LSTM(2, name="over")(x))
    export_onnx(model, tmp_path / "model.onnx", **how)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    x = np.random.default_rng(0).normal(size=(2, 1, 4, 3)).astype("float32")
    first, *states = [node.name for node in session.get_inputs()]
    assert states == (["over/hidden", "over/cell"] if how else [])
    feeds = {first: x, **{state: np.zeros((2, 2), "float32") for state in states}}
    want = model.predict(x, verbose=0)
    np.testing.assert_allclose(session.run(None, feeds)[0], want, atol=1e-5)


def test_an_encoder_passes_its_states_to_a_decoder(tmp_path):
    source, target = keras.Input((None, 3), name="source"), keras.Input((None, 2), name="target")
    encoder = kit.StackedRNN([3, 2], cell=["lstm", "gru"], bidirectional=True, return_state=True)
    masked = keras.layers.Masking()(source)
    states = kit.merge_states(encoder(masked)[1])
    decoder = kit.StackedRNN([6, 4], cell=["lstm", "gru"], return_sequences=True, name="decoder")
    model = keras.Model([source, target], decoder(target, initial_state=states))
    export_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    x, y = sequences(3, 5), sequences(3, 4, features=2)
    x[0, 2:], x[1] = 0, 0
    found = session.run(None, {"source": x, "target": y})[0]
    np.testing.assert_allclose(found, model.predict([x, y], verbose=0), atol=1e-5)
