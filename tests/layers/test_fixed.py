"""What is wrong or silent in the recurrent layers of Keras 3.15, and right here."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.support.cases import CASES, MASKS, assert_close, by_name, to_numpy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 5, 4)).astype("float32")
MASK = MASKS["holes"]


def stateful_model(layer):
    inputs = keras.Input(batch_shape=(2, 5, 4))
    return keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))


def stateful_model_of(case):
    """A stateful layer, and its model. On TensorFlow, XLA takes seconds: for the kernels alone."""
    layer = case.layer(3, stateful=True, **case.options)
    model = stateful_model(layer)
    if keras.config.backend() == "tensorflow" and case.keras_layer is None:
        model.jit_compile = False
    return layer, model


def states_of(layer):
    return [to_numpy(state) for state in keras.tree.flatten(layer.states)]


def carried(layer, batches):
    """The states after the batches, carried by hand through a stateless copy's initial_state."""
    config = {**layer.get_config(), "stateful": False, "return_state": True, "name": "copy"}
    copy = type(layer).from_config(config)
    copy.build((2, 5, 4))
    copy.set_weights(layer.get_weights())
    states = None
    for batch in batches:
        _, *states = copy(batch, initial_state=states)
    return [to_numpy(state) for state in states]


BATCHES = [X[:2], X[2:4], X[4:]]


class TestStatefulCarries:
    @pytest.mark.parametrize("case", CASES, ids=by_name)
    def test_in_eager_calls_in_predict_and_in_a_file(self, case, tmp_path):
        layer, model = stateful_model_of(case)
        for batch in BATCHES:
            model(batch)
        want = carried(layer, BATCHES)
        close = partial(assert_close, atol=1e-5 * case.amplifies)
        for got, state in zip(states_of(layer), want, strict=True):
            close(got, state)
        assert kit.reset_states(model) == 1
        assert all(not state.any() for state in states_of(layer))
        model.predict(X, batch_size=2, verbose=0)
        for got, state in zip(states_of(layer), want, strict=True):
            close(got, state)
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        for got, state in zip(states_of(loaded.layers[1]), want, strict=True):
            close(got, state)
        close(loaded(X[:2]), model(X[:2]))

    @pytest.mark.parametrize("case", CASES, ids=by_name)
    def test_in_fit(self, case):
        layer, model = stateful_model_of(case)
        compiles = model.jit_compile
        # The weights stay, the states move.
        model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=compiles)
        model.fit(X, np.zeros((6, 1)), batch_size=2, epochs=1, shuffle=False, verbose=0)
        for got, want in zip(states_of(layer), carried(layer, BATCHES), strict=True):
            assert_close(got, want, atol=1e-5 * case.amplifies)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    @pytest.mark.parametrize("case", CASES[:4], ids=by_name)
    def test_in_mixed_precision(self, case, policy):
        layer = case.layer(3, stateful=True, dtype=policy, **case.options)
        model = stateful_model(layer)
        for batch in BATCHES:
            model(batch)
        want = carried(layer, BATCHES)
        assert all(np.abs(state).max() > 0.01 for state in want)
        for got, state in zip(states_of(layer), want, strict=True):
            assert_close(got, state, atol=0.02)
        layer.reset_state()
        model.predict(X, batch_size=2, verbose=0)
        for got, state in zip(states_of(layer), want, strict=True):
            assert_close(got, state, atol=0.02)
        assert all(state.dtype == "float32" for state in layer.states)

    def test_and_a_partial_batch_is_refused_not_broadcast(self):
        model = stateful_model(kit.LSTM(3, stateful=True))
        assert model.predict(X[:4], batch_size=2, verbose=0).shape == (4, 1)
        with pytest.raises(
            Exception,
            match=r"Received: batch_size=1$|\[1,5,4\] is not compatible with expected shape \[2",
        ):
            model.predict(X[:3], batch_size=2, verbose=0)

    def test_and_trains_over_many_steps(self):
        model = stateful_model(kit.LSTM(3, stateful=True))
        model.compile("adam", "mse")
        history = model.fit(X, X[:, 0, :1], batch_size=2, epochs=5, shuffle=False, verbose=0)
        assert history.history["loss"][-1] < history.history["loss"][0]


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


class TestResetting:
    def test_a_stack(self):
        layer = kit.RNN([kit.LSTMCell(3), kit.GRUCell(2)], stateful=True)
        layer(X[:2])
        assert all(state.any() for state in states_of(layer))
        layer.reset_state()
        assert not any(state.any() for state in states_of(layer))

    def test_to_given_states(self):
        layer = kit.LSTM(3, stateful=True)
        layer(X[:2])
        layer.reset_state([np.ones((2, 3)), np.zeros((2, 3))])
        assert_close(layer.states[0], np.ones((2, 3)))

    def test_a_model_with_everything_nested(self):
        inner = keras.Sequential([keras.Input(batch_shape=(2, 5, 4)), stateful(kit.GRU)])
        both = kit.Bidirectional(kit.LSTM(3, stateful=True, return_sequences=True))
        theirs = keras.layers.RNN(
            keras.layers.StackedRNNCells([keras.layers.LSTMCell(3), keras.layers.GRUCell(2)]),
            stateful=True,
        )
        model = keras.Sequential([keras.Input(batch_shape=(2, 5, 4)), inner, both, theirs])
        model(X[:2])
        layers = [inner.layers[0], both.forward_layer, both.backward_layer, theirs]
        assert all(state.any() for layer in layers for state in states_of(layer))
        assert kit.reset_states(model) == 4
        assert not any(state.any() for layer in layers for state in states_of(layer))

    @pytest.mark.parametrize("when", ["begin", "end"])
    @pytest.mark.parametrize("run", ["fit", "evaluate", "predict"])
    def test_from_a_callback_at_a_batch(self, run, when):
        results = []
        for makes_state in (False, True):
            keras.utils.set_random_seed(0)
            model = stateful_model(kit.GRU(3, stateful=makes_state))
            model.compile(keras.optimizers.SGD(0.0), "mse")
            count = []

            def reset(*_, model=model, count=count, **__):
                count.append(kit.reset_states(model))

            kind = {"fit": "train", "evaluate": "test", "predict": "predict"}[run]
            callback = keras.callbacks.Callback()
            setattr(callback, f"on_{kind}_batch_{when}", reset)
            call = {"batch_size": 2, "verbose": 0, "callbacks": [callback]}
            if run == "fit":
                model.fit(X, X[:, 0, :1], shuffle=False, **call)
                results.append(model.history.history["loss"][0])
            elif run == "evaluate":
                results.append(model.evaluate(X, X[:, 0, :1], **call))
            else:
                results.append(model.predict(X, **call))
            assert count == [int(makes_state)] * 3
        np.testing.assert_allclose(results[1], results[0], atol=1e-6)

    @pytest.mark.skipif(keras.config.backend() != "jax", reason="JAX's trainer takes variables")
    def test_of_a_part_between_two_batches_is_refused_on_jax(self):
        layer = kit.GRU(3, stateful=True)
        model = stateful_model(layer)
        model.compile("sgd", "mse")

        class Reset(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                layer.reset_state()

        with pytest.raises(RuntimeError, match="with the model that is being trained"):
            model.fit(X, X[:, 0, :1], batch_size=2, verbose=0, callbacks=[Reset()])

    def test_to_arrays_that_their_owner_goes_on_using(self):
        """On JAX a trainer takes the arrays of its model away."""
        layer = kit.GRU(3, stateful=True)
        model = stateful_model(layer)
        state = ops.ones((2, 3))
        for _ in range(2):
            layer.reset_state([state])
            model.predict(X, batch_size=2, verbose=0)
        assert_close(state, np.ones((2, 3)))
        kept = kit.GRU(3, stateful=True, return_state=True)
        other = stateful_model(lambda inputs: kept(inputs)[0])
        _, last = kept(X[:2])
        other.predict(X, batch_size=2, verbose=0)
        assert np.isfinite(to_numpy(last)).all()

    def test_says_when_nothing_is_stateful(self):
        assert kit.reset_states(kit.LSTM(3)) == 0
        with pytest.raises(TypeError, match="must be a Keras model or layer"):
            kit.reset_states("model")


def stateful(kind):
    return kind(4, stateful=True, return_sequences=True)


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
            ValueError, match=r"`initial_state` to hold 2 tensor.*Received: shapes=\[\(6, 3\)\]$"
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
