"""`kit.trace` gives the gates of any trained model, equal to the equations."""

import threading
import tracemalloc

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.models._arrays import Rows
from keras_rnnkit.models._intercept import intercepting
from keras_rnnkit.models._runner import runner_for
from tests.support.backends import float64_allowed
from tests.support.cases import MASKS, to_numpy
from tests.support.witness import check_traces, randomized

L = keras.layers
BATCH, STEPS, FEATURES = 3, 5, 2

KINDS = {
    "lstm": lambda: L.LSTM(3),
    "gru": lambda: L.GRU(3, return_sequences=True),
    "gru_reset_before": lambda: L.GRU(3, reset_after=False),
    "simple_rnn": lambda: L.SimpleRNN(3),
    "no_bias": lambda: L.LSTM(3, use_bias=False, return_state=True),
    "backwards": lambda: L.LSTM(3, go_backwards=True, return_sequences=True),
    "unrolled": lambda: L.GRU(3, unroll=True),
    "rnn": lambda: L.RNN(L.LSTMCell(3)),
    "rnn_of_cells": lambda: L.RNN([L.LSTMCell(3), L.GRUCell(4)], return_sequences=True),
    "rnn_of_kit_cell": lambda: L.RNN(kit.PeepholeLSTMCell(3)),
    "bidirectional": lambda: L.Bidirectional(L.LSTM(3, return_sequences=True)),
    "bidirectional_last": lambda: L.Bidirectional(L.GRU(3), merge_mode="sum"),
    "bidirectional_of_two": lambda: L.Bidirectional(
        L.LSTM(3), backward_layer=L.GRU(3, go_backwards=True)
    ),
    "kit_lstm": lambda: kit.LSTM(3),
    "kit_min_gru": lambda: kit.MinGRU(3),
    "kit_bidirectional": lambda: kit.Bidirectional(kit.GRU(3)),
    "kit_bidirectional_of_keras": lambda: kit.Bidirectional(L.LSTM(3)),
    "kit_stack": lambda: kit.StackedRNN([3, 4], cell="gru", bidirectional=True),
    "kit_learned": lambda: kit.LearnedInitialState(kit.LSTM(3), "random_normal"),
}


def model_of(layer, masked=True, dtype=None):
    inputs = keras.Input((STEPS, FEATURES), dtype=dtype)
    x = L.Masking()(inputs) if masked else inputs
    return randomized(keras.Model(inputs, layer(x)))


def sequences(mask=None, seed=1, dtype="float32"):
    x = np.random.default_rng(seed).normal(size=(BATCH, STEPS, FEATURES)).astype(dtype)
    return x if mask is None else np.where(mask[..., None], x, 0).astype(dtype)


def with_bias(kind):
    return kind != "no_bias"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if with_bias(kind)])
@pytest.mark.parametrize("mask", ["no mask", "holes", "an all-padding row"])
def test_a_trace_is_what_the_equations_give(kind, mask):
    check_traces(model_of(KINDS[kind]()), sequences(MASKS[mask]))


@pytest.mark.parametrize("kind", ["lstm", "gru", "simple_rnn", "rnn_of_cells", "bidirectional"])
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


class Tagger(keras.Model):
    """Makes its layers itself, calls one of them twice, and keeps some in a list."""

    def __init__(self):
        super().__init__()
        self.project = L.Dense(3)
        self.shared = L.LSTM(3, return_sequences=True, name="shared")
        self.more = [L.GRU(3, return_sequences=True, name=f"gru_{i}") for i in range(2)]
        self.only_in_training = L.GRU(3, name="unused")

    def call(self, inputs, training=False):
        x = self.shared(self.shared(self.project(inputs)))
        for layer in self.more:
            x = layer(x)
        return self.only_in_training(x) if training else x


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


def test_batches_make_no_difference():
    model, x = model_of(L.GRU(3, name="gru")), np.concatenate([sequences(seed=i) for i in range(3)])
    whole, parts = kit.trace(model, x), kit.trace(model, x, batch_size=4)
    for field in whole["gru"]._fields:
        a, b = getattr(whole["gru"], field), getattr(parts["gru"], field)
        np.testing.assert_allclose(a, b, atol=1e-6)
    a, b = whole["gru"].origin.initial_states, parts["gru"].origin.initial_states
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(whole.outputs, parts.outputs, atol=1e-6)


def test_arrays_of_traces_are_ones_own():
    model = model_of(kit.Bidirectional(kit.LSTM(3), name="both"), masked=False)
    for size in (2, BATCH):
        traces, again = (kit.trace(model, sequences(), batch_size=size) for _ in range(2))
        record, other = traces["both"].forward, again["both"].forward
        expected = other.forget.copy()
        for array in (*record, *traces["both"].backward, traces.outputs):
            array[...] = 0  # not of a tensor, which may be of the model
        np.testing.assert_array_equal(other.forget, expected)
        (part,) = kit.trace_batches(model, sequences())
        part["both"].forward.forget[...] = 0


def test_the_rows_of_batches_are_spread_evenly(monkeypatch):
    monkeypatch.setattr("keras_rnnkit.models._runner.Runner.batch_size", lambda self, x: 4)
    runner = runner_for(model_of(kit.GRU(3)), None)
    x = np.zeros((9, STEPS, FEATURES))
    assert [len(batch) for batch in runner.batches(x, None)] == [3, 3, 3]
    assert [len(batch) for batch in runner.batches(x, 4)] == [4, 4, 1]


def test_each_batch_is_copied_once():
    model = keras.Sequential([keras.Input((50, FEATURES)), kit.LSTM(32)])
    x = np.zeros((200, 50, FEATURES), "float32")
    kit.trace(model, x, batch_size=20)
    tracemalloc.start()
    try:
        traces = kit.trace(model, x, batch_size=20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    size = sum(array.nbytes for array in keras.tree.flatten(dict(traces)))
    assert peak < 1.4 * size  # the arrays of all rows, and at most a few batches


def test_arrays_of_batches_are_put_together_whatever_their_rows():
    rows = Rows(5)
    for part in (np.arange(3), np.arange(3, 5)):
        twice = np.repeat(part, 2)
        changing = part if len(part) == 3 else twice
        rows.add(len(part), {"rows": part[:, None], "twice": twice, "changing": changing})
    found = rows.result()
    np.testing.assert_array_equal(found["rows"], np.arange(5)[:, None])
    np.testing.assert_array_equal(found["twice"], np.repeat(np.arange(5), 2))
    np.testing.assert_array_equal(found["changing"], [0, 1, 2, 3, 3, 4, 4])
    rows = Rows(2)
    for _ in range(2):
        rows.add(1, np.float32(1))
    with pytest.raises(ValueError, match="a row for each example"):
        rows.result()


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


class OwnLSTM(L.LSTM):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        return super().call(sequences, initial_state, mask, training) * 2


class StepByStep(keras.Model):
    def __init__(self):
        super().__init__()
        self.cell = L.LSTMCell(3)

    def call(self, inputs):
        return self.cell(inputs[:, 0], self.cell.get_initial_state(batch_size=BATCH))[0]


def test_what_cannot_be_traced_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'mine' of class OwnLSTM has code of its own"):
        kit.trace(model_of(OwnLSTM(3, name="mine")), sequences())
    video = keras.Sequential([keras.Input((2, 4, 4, 1)), L.ConvLSTM2D(1, 3, name="video")])
    with pytest.raises(ValueError, match=r"'video' of class ConvLSTM2D has gates of images"):
        kit.trace(video, np.zeros((1, 2, 4, 4, 1)))
    model = StepByStep()
    model(sequences())
    with pytest.raises(ValueError, match=r"cell 'lstm_cell.*' of class LSTMCell .* step by step"):
        kit.trace(model, sequences())
    with pytest.raises(ValueError, match="has no recurrent layers"):
        kit.trace(keras.Sequential([keras.Input((2,)), L.Dense(1)]), np.zeros((1, 2)))


def test_layers_choose_what_is_traced():
    model = keras.Sequential(
        [
            keras.Input((STEPS, FEATURES)),
            OwnLSTM(3, return_sequences=True, name="mine"),
            L.GRU(3, name="theirs"),
        ]
    )
    assert set(kit.trace(model, sequences(), layers=["theirs"])) == {"theirs"}
    with pytest.raises(ValueError, match=r"mine, theirs. Received: layers=\['other'\]"):
        kit.trace(model, sequences(), layers=["other"])


def test_wrong_input_is_refused():
    model = model_of(L.GRU(3))
    with pytest.raises(ValueError, match=r"`x` must have at least one row"):
        kit.trace(model, sequences()[:0])
    with pytest.raises(ValueError, match=r"`model` must be built"):
        kit.trace(keras.Sequential([L.GRU(3)]), sequences())
    with pytest.raises(TypeError, match=r"`model` must be a Keras model or layer"):
        kit.trace("lstm", sequences())


def test_a_quantized_layer_is_refused_by_name():
    dense = L.Dense(2, name="head")
    dense.build((None, 3))
    dense.quantize("int8")
    with pytest.raises(ValueError, match=r"'head' is quantized"), intercepting({dense: None}):
        pass
