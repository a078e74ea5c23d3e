"""`kit.trace` gives the gates of any trained model, equal to the equations."""

import threading

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.models.traced import (
    BATCH,
    FEATURES,
    KINDS,
    STEPS,
    Tagger,
    model_of,
    sequences,
    with_bias,
)
from tests.support.backends import float64_allowed
from tests.support.cases import MASKS, SLOW_TO_COMPILE, to_numpy, where_compiled
from tests.support.witness import check_traces, randomized

L = keras.layers


ALL_MASKED = ("gru", "rnn_of_cells", "bidirectional", "kit_lstm")


@pytest.mark.parametrize(
    ("kind", "mask"),
    [
        pytest.param(
            kind, mask, marks=[] if mask == "holes" or kind in ALL_MASKED else SLOW_TO_COMPILE
        )
        for kind in KINDS
        for mask in ("no mask", "holes", "an all-padding row")
        if with_bias(kind)
    ],
)
def test_a_trace_is_what_the_equations_give(kind, mask):
    check_traces(model_of(KINDS[kind]()), sequences(MASKS[mask]))


@pytest.mark.parametrize(
    "kind",
    where_compiled(
        ["lstm", "rnn_of_cells"], ["lstm", "gru", "simple_rnn", "rnn_of_cells", "bidirectional"]
    ),
)
def test_in_float64_a_trace_is_exact(kind):
    before = keras.config.dtype_policy()
    with float64_allowed():
        keras.config.set_dtype_policy("float64")
        try:
            model = model_of(KINDS[kind](), dtype="float64")
            traces = check_traces(model, sequences(MASKS["holes"], dtype="float64"), 1e-10)
        finally:
            keras.config.set_dtype_policy(before)
    first = keras.tree.flatten(dict(traces))[0]
    assert first.dtype == "float64"


def test_a_layer_without_a_bias_is_traced():
    found = kit.trace(model_of(KINDS["no_bias"]()), sequences())
    (record,) = found.values()
    np.testing.assert_allclose(record.hidden[:, -1], found.outputs[0], atol=1e-6)


def test_fields_of_a_layer_in_time_distributed_have_an_outer_axis_of_time():
    inputs = keras.Input((4, STEPS, FEATURES))
    wrapper = L.TimeDistributed(L.LSTM(3, name="inner"), name="time_distributed")
    model = randomized(keras.Model(inputs, wrapper(inputs)))
    x = np.random.default_rng(0).normal(size=(2, 4, STEPS, FEATURES)).astype("float32")
    traces = kit.trace(model, x)
    record = traces["time_distributed"]
    inner = keras.Sequential([keras.Input((STEPS, FEATURES)), L.LSTM(3, name="lstm")])
    inner.set_weights(model.get_weights())
    for outer in range(4):
        want = kit.trace(inner, x[:, outer])["lstm"]
        for field in want._fields:
            found = getattr(record, field)[:, outer]
            np.testing.assert_allclose(found, getattr(want, field), atol=1e-6)
    np.testing.assert_allclose(traces.outputs, model.predict(x, verbose=0), atol=1e-6)


def test_a_model_in_time_distributed_is_a_dict_of_records():
    sentence = keras.Sequential(
        [keras.Input((STEPS,)), L.Embedding(9, 3, mask_zero=True), L.GRU(4, name="words")]
    )
    inputs = keras.Input((4, STEPS), dtype="int32")
    document = L.LSTM(2, name="document")(L.TimeDistributed(sentence, name="sentences")(inputs))
    model = randomized(keras.Model(inputs, document))
    x = np.random.default_rng(0).integers(0, 9, (2, 4, STEPS)).astype("int32")
    traces = kit.trace(model, x)
    assert list(traces) == ["sentences", "document"]
    assert traces["sentences"]["words"].update.shape == (2, 4, STEPS, 4)
    np.testing.assert_array_equal(traces["sentences"]["words"].mask, x != 0)
    np.testing.assert_allclose(traces.outputs, model.predict(x, verbose=0), atol=1e-6)


# Keras warns of a layer that the first call does not build.
@pytest.mark.filterwarnings("ignore:.*looks like it has unbuilt state:UserWarning")
@pytest.mark.parametrize("built", [False, True])
def test_a_class_with_layers_of_its_own_and_a_layer_called_twice(built):
    model, x = Tagger(), sequences()
    if built:
        model(x, training=True)
    model(x)
    traces = check_traces(randomized(model), x)
    assert list(traces) == ["shared", "shared:1", "gru_0", "gru_1"]
    assert traces.not_called == ("unused",)
    assert "unused: not called" in repr(traces)
    with pytest.raises(KeyError, match="did not call it"):
        traces["unused"]


def test_layers_of_one_name_have_their_paths_as_keys_and_several_inputs_are_taken():
    def encoder(name):
        return keras.Sequential([keras.Input((STEPS, FEATURES)), L.LSTM(3, name="lstm")], name=name)

    a, b = keras.Input((STEPS, FEATURES), name="a"), keras.Input((STEPS, FEATURES), name="b")
    both = L.Concatenate()([encoder("left")(a), encoder("right")(b)])
    model = randomized(keras.Model({"a": a, "b": b}, {"both": both, "sum": L.Dense(1)(both)}))
    x = {"a": sequences(seed=1), "b": sequences(seed=2)}
    traces = check_traces(model, x)
    assert list(traces) == ["left/lstm", "right/lstm"]
    assert set(traces.outputs) == {"both", "sum"}


@pytest.mark.parametrize("own", [L, kit], ids=["keras", "kit"])
def test_states_of_a_stateful_layer_are_the_start_and_do_not_move(own):
    inputs = keras.Input(batch_shape=(BATCH, STEPS, FEATURES))
    layer = own.LSTM(3, stateful=True, name="lstm")
    model = randomized(keras.Model(inputs, layer(inputs)))
    states = [np.full((BATCH, 3), value, "float32") for value in (0.5, -0.5)]
    for variable, value in zip(layer.states, states, strict=True):
        variable.assign(value)
    traces = check_traces(model, sequences())
    np.testing.assert_array_equal(traces["lstm"].origin.initial_states, states)
    # The witness ran the model's own code, which moves the states; the trace alone does not.
    for variable, value in zip(layer.states, states, strict=True):
        variable.assign(value)
    kit.trace(model, sequences())
    for variable, value in zip(layer.states, states, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), value)


@pytest.mark.parametrize("own", [L, kit], ids=["keras", "kit"])
def test_a_second_call_of_a_stateful_layer_starts_from_the_states_of_the_first(own):
    inputs = keras.Input(batch_shape=(BATCH, STEPS, FEATURES))
    layer = own.GRU(FEATURES, stateful=True, return_sequences=True, name="gru")
    model = randomized(keras.Model(inputs, layer(layer(inputs))))
    traces = check_traces(model, sequences())
    start = traces["gru:1"].origin.initial_states[0]
    np.testing.assert_array_equal(start, traces["gru"].hidden[:, -1])


def test_the_model_stays_as_it_was():
    model = model_of(L.Bidirectional(L.LSTM(3)))
    before, attributes = model.get_weights(), [set(vars(layer)) for layer in model.layers]
    kit.trace(model, sequences())
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert attributes == [set(vars(layer)) for layer in model.layers]
    bidirectional = model.layers[-1]
    assert "call" not in vars(bidirectional.forward_layer)


def test_a_trace_follows_weights_options_and_the_batch():
    model = model_of(L.LSTM(3, name="lstm"), masked=False)
    kit.trace(model, sequences())
    randomized(model, seed=5)
    check_traces(model, sequences())
    model.layers[-1].cell.activation = keras.activations.relu
    hidden = kit.trace(model, sequences())["lstm"].hidden
    assert hidden.min() >= 0
    assert kit.trace(model, sequences()[:1])["lstm"].hidden.shape == (1, STEPS, 3)


def test_a_call_in_another_thread_is_not_disturbed():
    model, x = model_of(L.LSTM(3, name="lstm"), masked=False), sequences()
    want, stop, wrong = to_numpy(model(x)), threading.Event(), []

    def call():
        while not stop.is_set():
            if not np.allclose(to_numpy(model(x)), want, atol=1e-6):
                wrong.append(True)

    other = threading.Thread(target=call)
    other.start()
    try:
        for _ in range(5):
            assert set(kit.trace(model, x)) == {"lstm"}
    finally:
        stop.set()
        other.join()
    assert not wrong
    assert "call" not in vars(model.layers[-1])


def test_a_cell_of_ones_own_gives_its_states():
    class Leaky(L.Layer):
        def __init__(self, units):
            super().__init__()
            self.state_size = self.output_size = units
            self.units = units

        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], self.units))

        def call(self, inputs, states):
            state = 0.5 * states[0] + inputs @ self.kernel
            return state, [state]

    traces = kit.trace(model_of(L.RNN(Leaky(3), name="rnn"), masked=False), sequences())
    assert traces["rnn"]._fields == ("state_0", "mask")
    np.testing.assert_allclose(traces["rnn"].state_0[:, -1], traces.outputs, atol=1e-6)
    assert traces["rnn"].origin.cell == "Leaky"
