"""What is wrong or silent in the recurrent layers of Keras 3.15, and right here."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.support.cases import MASKS, assert_close, to_numpy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 5, 4)).astype("float32")
MASK = MASKS["holes"]


class Crossed(keras.layers.Layer):
    """A cell whose output is not its first state, nor as wide."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.state_size, self.output_size = [3, 3], width

    def call(self, inputs, states):
        hidden, other = states
        hidden = ops.tanh(hidden + inputs[:, :3])
        other = other * 0.5 + hidden
        return ops.concatenate([other, hidden], axis=-1)[:, : self.output_size], [hidden, other]


@pytest.mark.parametrize("width", [3, 5])
@pytest.mark.parametrize("unroll", [False, True])
def test_a_mask_with_a_cell_whose_output_is_no_state(width, unroll):
    layer = kit.RNN(Crossed(width), return_sequences=True, return_state=True, unroll=unroll)
    outputs, *states = (to_numpy(t) for t in layer(X[:3], mask=MASK))
    cell, hidden, other = Crossed(width), np.zeros((3, 3)), np.zeros((3, 3))
    want = np.zeros((3, width))
    for t in range(5):
        keep = MASK[:, t, None]
        new_hidden = np.tanh(hidden + X[:3, t, :3])
        new_other = other * 0.5 + new_hidden
        output = np.concatenate([new_other, new_hidden], axis=-1)[:, :width]
        want = np.where(keep, output, want)
        hidden, other = np.where(keep, new_hidden, hidden), np.where(keep, new_other, other)
        assert_close(outputs[:, t], want)
    assert_close(states[0], hidden)
    assert_close(states[1], other)
    assert cell.state_size == [3, 3]


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("cell", [kit.LSTMCell, keras.layers.LSTMCell, kit.GRUCell])
def test_a_stack_of_one_is_a_stack(cell, unroll):
    stack = kit.RNN([cell(3)], return_state=True, unroll=unroll)
    output, states = stack(X)
    single = kit.RNN(cell(3), return_state=True)
    single.build((None, 5, 4))
    single.set_weights(stack.get_weights())
    for a, b in zip(keras.tree.flatten((output, states)), single(X), strict=True):
        assert_close(a, b)


def test_bidirectional_stateful_with_states_and_a_mask():
    layer = kit.Bidirectional(kit.LSTM(3, stateful=True, return_state=True, return_sequences=True))
    inputs = keras.Input(batch_shape=(2, 5), dtype="int32")
    outputs = layer(keras.layers.Embedding(9, 4, mask_zero=True)(inputs))
    assert len(outputs) == 5
    model = keras.Model(inputs, [keras.layers.Dense(2)(outputs[0]), *outputs[1:]])
    first = model(np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]]))
    second = model(np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]]))
    assert not np.allclose(to_numpy(first[1]), to_numpy(second[1]))
    layer(X[:2])
    assert len(layer(X[:2], mask=MASK[:2])) == 5


@pytest.mark.parametrize("kind", [kit.LSTM, kit.GRU])
def test_use_cudnn_and_implementation_survive_the_round_trip(kind, tmp_path):
    model = keras.Sequential([keras.Input((5, 4)), kind(3, use_cudnn=False, implementation=1)])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").layers[0]
    assert loaded.use_cudnn is False
    assert loaded.cell.implementation == 1


@pytest.mark.parametrize("kind", [kit.LSTM, kit.GRU])
def test_implementation_1_with_dropout_trains(kind):
    layer = kind(3, implementation=1, dropout=0.5, seed=1)
    trained = to_numpy(layer(X, training=True))
    assert np.isfinite(trained).all()
    assert not np.allclose(trained, to_numpy(layer(X)))


@pytest.mark.parametrize("wrap", [lambda layer: layer, kit.Bidirectional], ids=["layer", "both"])
def test_the_mask_of_an_embedding_is_used_with_an_initial_state(wrap, tmp_path):
    """keras.layers drops the mask where a decoder is given its encoder's states."""
    tokens = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 7]])
    inputs = keras.Input((5,), dtype="int32")
    vectors = keras.layers.Embedding(9, 4, mask_zero=True)(inputs)
    layer = wrap(kit.GRU(3))
    states = [keras.Input((3,)) for _ in range(1 if isinstance(layer, kit.GRU) else 2)]
    model = keras.Model([inputs, *states], layer(vectors, initial_state=states))
    given = [np.full((2, 3), 0.5, "float32")] * len(states)
    eager = keras.layers.Embedding(9, 4, weights=model.layers[1].get_weights())(tokens)
    want = layer(to_numpy(eager), initial_state=given, mask=tokens != 0)
    assert_close(model([tokens, *given]), want)
    assert_close(model.predict([tokens, *given], verbose=0), want)
    model.save(tmp_path / "model.keras")
    assert_close(keras.models.load_model(tmp_path / "model.keras")([tokens, *given]), want)
    assert not np.allclose(to_numpy(layer(to_numpy(eager), initial_state=given)), to_numpy(want))


class TestInitialStateErrors:
    def test_one_state_for_two(self):
        with pytest.raises(
            ValueError, match=r"`initial_state` to hold 2 tensor.*Received: shapes=\[\(6, 3\)\]"
        ):
            kit.LSTM(3)(X, initial_state=np.zeros((6, 3), "float32"))

    def test_a_wrong_width(self):
        states = [np.zeros((6, 4), "float32")] * 2
        with pytest.raises(
            ValueError, match=r"shape \(6, 3\), \(6, 3\)\. Received: shapes=\[\(6, 4\)"
        ):
            kit.LSTM(3)(X, initial_state=states)

    def test_at_construction_of_a_functional_model(self):
        with pytest.raises(ValueError, match="`initial_state` to hold 2"):
            kit.LSTM(3)(keras.Input((5, 4)), initial_state=[keras.Input((3,))])
