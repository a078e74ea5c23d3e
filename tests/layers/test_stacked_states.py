"""The states of a `StackedRNN`: by name, merged for a decoder, carried from batch to batch."""

import keras
import numpy as np
import pytest
from keras import ops, tree

import keras_rnnkit as kit
from keras_rnnkit.layers import BidirectionalStates
from tests.support.cases import MASKS, assert_close, to_numpy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5, 4)).astype("float32")


def test_states_by_name_start_another_stack():
    whole = kit.StackedRNN([3, 2], return_state=True, return_sequences=True)
    output, states = whole(X)
    assert list(states) == ["rnn_0", "rnn_1"]
    assert tuple(states["rnn_0"].cell.shape) == (3, 3)
    assert_close(states["rnn_1"].hidden, output[:, -1])
    first, middle = whole(X[:, :2])
    for start in (middle, list(middle.values()), tree.flatten(list(middle.values()))):
        second, last = whole(X[:, 2:], initial_state=start)
        assert_close(ops.concatenate([first, second], axis=1), output)
        assert_close(last, states)


def test_an_encoder_starts_a_decoder(tmp_path):
    source, target = keras.Input((5, 4)), keras.Input((3, 2))
    encoder = kit.StackedRNN([3, 2], bidirectional=True, return_state=True, name="encoder")
    _, states = encoder(keras.layers.Masking()(source))
    decoder = kit.StackedRNN([6, 4], return_sequences=True, name="decoder")
    output = decoder(target, initial_state=kit.merge_states(states))
    model = keras.Model([source, target], output)
    data = [np.where(MASKS["right-padded"][..., None], X, 0), X[:, :3, :2]]
    found = model(data)
    _, states = encoder(data[0], mask=MASKS["right-padded"])
    both = states["rnn_1"]
    joined = kit.merge_states(states)["rnn_1"].cell
    assert_close(joined, ops.concatenate([both.forward.cell, both.backward.cell], axis=-1))
    assert_close(found, decoder(data[1], initial_state=kit.merge_states(states)))
    model.save(tmp_path / "model.keras")
    assert_close(keras.models.load_model(tmp_path / "model.keras")(data), found)


@pytest.mark.parametrize("mode", ["sum", "mul", "ave"])
def test_merged_states_of_the_same_width(mode):
    _, states = kit.StackedRNN([3], bidirectional=True, return_state=True)(X)
    forward, backward = states["rnn_0"].forward.hidden, states["rnn_0"].backward.hidden
    want = {"sum": forward + backward, "mul": forward * backward, "ave": (forward + backward) / 2}
    assert_close(kit.merge_states(states, mode)["rnn_0"].hidden, want[mode])


def test_merging_what_cannot_be_merged():
    _, states = kit.StackedRNN([3], return_state=True)(X)
    with pytest.raises(TypeError, match=r"^`states\['rnn_0'\]` must hold .* two directions"):
        kit.merge_states(states)
    with pytest.raises(TypeError, match=r"^`states` must hold .* two directions"):
        kit.merge_states(BidirectionalStates([X], [X]))
    with pytest.raises(TypeError, match="dict"):
        kit.merge_states("states")
    with pytest.raises(TypeError, match=r"as many of the backward one.*Received: types=\['"):
        kit.merge_states([X])
    with pytest.raises(
        ValueError, match=r"same shape.*forward\.shape=\(3, 4\), backward\.shape=\(3, 3\)$"
    ):
        kit.merge_states([X[:, 0], X[:, 0, :3]], "sum")


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave"])
def test_merged_states_of_a_bidirectional(mode):
    _, *states = kit.Bidirectional(kit.LSTM(3, return_state=True))(X)
    merged = kit.merge_states(states, mode)
    h, c, back_h, back_c = map(to_numpy, states)
    want = {
        "concat": [np.concatenate(pair, -1) for pair in ((h, back_h), (c, back_c))],
        "sum": [h + back_h, c + back_c],
        "mul": [h * back_h, c * back_c],
        "ave": [(h + back_h) / 2, (c + back_c) / 2],
    }
    assert_close(merged, want[mode])
    decoder = kit.LSTM(merged[0].shape[-1])
    assert tuple(decoder(X, initial_state=merged).shape) == tuple(merged[0].shape)


def test_merged_states_of_a_bidirectional_around_a_stack_of_cells():
    encoder = kit.Bidirectional(kit.RNN([kit.LSTMCell(3), kit.GRUCell(2)], return_state=True))
    _, *states = encoder(X)
    merged = kit.merge_states(states)
    (h, c), g, (back_h, back_c), back_g = states
    want = [[(h, back_h), (c, back_c)], (g, back_g)]
    want = [ops.concatenate(pair, -1) for pair in (*want[0], want[1])]
    assert_close(tree.flatten(merged), want)
    decoder = kit.RNN([kit.LSTMCell(6), kit.GRUCell(4)])
    assert tuple(decoder(X, initial_state=merged).shape) == (3, 4)
    with pytest.raises(ValueError, match=r"`mode`.*'max'"):
        kit.merge_states(states, "max")


def test_stateful_stacks_carry_reset_and_save(tmp_path):
    def make(stateful):
        return keras.Sequential(
            [keras.Input(batch_shape=(3, None, 4)), kit.StackedRNN([3, 2], stateful=stateful)]
        )

    model, plain = make(True), make(False)
    plain.set_weights(model.get_weights())
    model.predict(X[:, :2], batch_size=3, verbose=0)
    model.save(tmp_path / "model.keras")
    model.layers[0].trace(X)  # moves nothing
    want = plain.predict(X, batch_size=3, verbose=0)
    assert_close(model.predict(X[:, 2:], batch_size=3, verbose=0), want)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(loaded.predict(X[:, 2:], batch_size=3, verbose=0), want)
    assert kit.reset_states(model) == 2
    assert_close(model.predict(X, batch_size=3, verbose=0), want)
    model.layers[0].reset_state()
    assert_close(model.predict(X, batch_size=3, verbose=0), want)
