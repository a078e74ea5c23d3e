"""Stateful layers carry their states on every backend, and are reset where they are told to."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.support.cases import (
    CASES,
    MIN_CASES,
    assert_close,
    by_name,
    few_where_compiled,
    to_numpy,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 5, 4)).astype("float32")


def stateful_model(layer):
    inputs = keras.Input(batch_shape=(2, 5, 4))
    return keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))


def stateful_model_of(case):
    """A stateful layer, and its model."""
    layer = case.layer(3, stateful=True, **case.options)
    return layer, stateful_model(layer)


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
    @pytest.mark.parametrize("case", few_where_compiled(CASES), ids=by_name)
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

    @pytest.mark.parametrize(
        "case", [pytest.param(CASES[0], marks=pytest.mark.xla), *CASES[1:]], ids=by_name
    )
    def test_in_fit(self, case):
        layer, model = stateful_model_of(case)
        model.compile(keras.optimizers.SGD(0.0), "mse")  # the weights stay, the states move
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

    @pytest.mark.parametrize("case", [CASES[0], CASES[3], MIN_CASES[0]], ids=by_name)
    def test_and_are_no_output_before_the_first_valid_step(self, case):
        layer = case.layer(3, stateful=True, return_sequences=True, **case.options)
        layer(X[:2])
        outputs = to_numpy(layer(X[:2], mask=[[False, False, True, True, True], [False] * 5]))
        assert not outputs[0, :2].any() and not outputs[1].any()
        assert outputs[0, 2:].all()
        assert all(state.all() for state in states_of(layer))

    def test_and_a_partial_batch_is_refused_not_broadcast(self):
        model = stateful_model(kit.LSTM(3, stateful=True))
        assert model.predict(X[:4], batch_size=2, verbose=0).shape == (4, 1)
        with pytest.raises(
            Exception,
            match=r"Received: batch_size=1|\[1,5,4\] is not compatible with expected shape \[2",
        ):
            model.predict(X[:3], batch_size=2, verbose=0)

    def test_and_trains_over_many_steps(self):
        model = stateful_model(kit.LSTM(3, stateful=True))
        model.compile("adam", "mse")
        history = model.fit(X, X[:, 0, :1], batch_size=2, epochs=5, shuffle=False, verbose=0)
        assert history.history["loss"][-1] < history.history["loss"][0]


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
