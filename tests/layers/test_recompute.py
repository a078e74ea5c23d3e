"""Training in chunks that run again in the backward pass has the numbers of training without."""

from itertools import product

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import keras_rnnkit as kit
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running import recompute
from keras_rnnkit.running.recompute import steps_of_chunk
from tests.support.backends import float64_allowed, gradients, in_a_graph
from tests.support.cases import assert_close

BACKEND = keras.config.backend()
BATCH, TIME, FEATURES, UNITS = 3, 11, 2, 4
X = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
HOLES = np.random.default_rng(1).random((BATCH, TIME)) < 0.6
HOLES[0], HOLES[1, :5] = False, False  # a whole row, and more than a chunk

RESETS = np.random.default_rng(2).random((BATCH, TIME)) < 0.3
RESETS[1, 4:6] = True  # at the start of a chunk, at a masked step

EVERYTHING = {"return_sequences": True, "return_state": True, "go_backwards": True}


def of_cell(cell):
    return lambda units, **options: kit.RNN(cell(units), **options)


def stack(units, **options):
    return kit.RNN([kit.LSTMCell(units, dropout=0.3, seed=3), kit.GRUCell(units)], **options)


LAYERS = {
    "lstm": kit.LSTM,
    "lstm, dropout": lambda units, **options: kit.LSTM(
        units, dropout=0.3, recurrent_dropout=0.3, seed=3, **options
    ),
    "lstm, weight dropout": lambda units, **options: kit.LSTM(
        units, recurrent_weight_dropout=0.3, seed=3, **options
    ),
    "gru": kit.GRU,
    "gru, reset before": lambda units, **options: kit.GRU(units, reset_after=False, **options),
    "simple_rnn": kit.SimpleRNN,
    "min_lstm": kit.MinLSTM,
    "min_gru": kit.MinGRU,
    "rglru": kit.RGLRU,
    "portable": lambda units, **options: kit.LSTM(units, path="portable", **options),
    "unrolled": lambda units, **options: kit.GRU(units, unroll=True, **options),
    "projected": of_cell(lambda units: kit.ProjectedLSTMCell(units, projection=3)),
    "zoneout": of_cell(lambda units: kit.Zoneout(kit.LSTMCell(units), 0.3, seed=3)),
    "stack of cells": stack,
    "cell of keras": of_cell(keras.layers.GRUCell),
    "both directions": lambda units, go_backwards=False, **options: kit.Bidirectional(
        kit.LSTM(units, **options)
    ),
    "stacked": lambda units, go_backwards=False, **options: kit.StackedRNN([units, 3], **options),
    "learned states": lambda units, **options: kit.LearnedInitialState(
        kit.GRU(units, **options), initializer="ones"
    ),
}
# A case compiles for seconds on JAX, and is traced for as long on TensorFlow.
QUICK = (
    ("lstm", "plain"),
    *((name, "resets") for name in ("lstm, dropout", "min_lstm", "zoneout")),
)


def made(name, recompute, x=X, **options):
    """The layer, with weights that are the same for every value of `recompute`."""
    keras.utils.set_random_seed(1)
    layer = LAYERS[name](UNITS, recompute=recompute, **options)
    layer.build(x.shape)
    return layer


def loss(layer, x, **arguments):
    parts = keras.tree.flatten(layer(x, training=True, **arguments))
    return sum((i + 1) * ops.sum(ops.cast(part, x.dtype) ** 2) for i, part in enumerate(parts))


def found(name, recompute, x=X, mask=None, resets=None, **options):
    layer = made(name, recompute, x, **options)
    given = {"mask": mask} if resets is None else {"mask": mask, "resets": resets}
    return gradients(lambda layer, x: loss(layer, x, **given), layer, x)


def assert_same(name, length, tolerance=2e-5, **arguments):
    results = (found(name, value, **arguments) for value in (length, False))
    for got, want in zip(*results, strict=True):
        scale = 1 + np.abs(want).max()
        np.testing.assert_allclose(got / scale, want / scale, atol=tolerance, rtol=0)


@pytest.fixture
def runs(monkeypatch):
    """The number of steps of each chunk, as often as it runs or is traced."""
    lengths, run_path = [], recompute.run_in_chunks

    def run_in_chunks(layer, call, run_chunk):
        def recorded(chunk):
            lengths.append(chunk.sequences.shape[1])
            return run_chunk(chunk)

        return run_path(layer, call, recorded)

    monkeypatch.setattr("keras_rnnkit.running.run.run_in_chunks", run_in_chunks)
    return lengths


CALLS = {
    "plain": {},
    "masked": {"mask": HOLES, **EVERYTHING},
    "resets": {"resets": RESETS, "mask": HOLES, **EVERYTHING},
}


CASES = [
    pytest.param(
        *case,
        id=", ".join(case),
        marks=[] if case in QUICK else pytest.mark.slow_on("jax", "tensorflow"),
    )
    for case in product(LAYERS, CALLS)
]


@pytest.mark.parametrize(("name", "call"), CASES)
def test_it_has_the_gradients_of_training_without(name, call, runs):
    assert_same(name, 4, **CALLS[call])
    assert set(runs) == {4, TIME % 4}


@settings(max_examples=12 if BACKEND == "torch" else 3, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(["lstm", "gru", "min_gru", "zoneout"]),
    length=st.integers(1, 13),
    time=st.integers(1, 13),
    given=st.sampled_from([(), ("mask",), ("resets",), ("mask", "resets")]),
    sequences=st.booleans(),
)
def test_any_length_of_sequence_and_of_chunk(name, length, time, given, sequences):
    rng = np.random.default_rng(time)
    x = rng.normal(size=(2, time, FEATURES)).astype("float32")
    booleans = {argument: rng.random((2, time)) < 0.6 for argument in given}
    assert_same(name, length, x=x, return_sequences=sequences, **booleans)


@pytest.mark.parametrize("name", ["lstm", "gru", "simple_rnn", "min_lstm"])
def test_in_float64_the_gradients_differ_by_rounding_alone(name):
    with float64_allowed():
        assert_same(name, 4, 1e-14, x=X.astype("float64"), mask=HOLES, dtype="float64")


@pytest.mark.parametrize("name", ["lstm", "portable", "min_lstm"])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_in_mixed_precision_the_gradients_have_the_precision_of_training_without(policy, name):
    ways = ((4, policy), (False, policy), (False, "float32"))
    results = (found(name, n, mask=HOLES, dtype=dtype, **EVERYTHING) for n, dtype in ways)
    for got, want, exact in zip(*results, strict=True):
        error, usual = (np.abs(np.asarray(g, "float32") - exact).max() for g in (got, want))
        rounding = 2.0 ** (-10 if policy == "mixed_float16" else -7)
        assert error <= 2 * usual + 2 * rounding * np.abs(exact).max()


def test_a_stateful_layer_carries_its_states_on():
    states = []
    for length in (False, 4):
        layer = made("lstm", length, stateful=True)
        for _ in range(2):
            layer(X, training=True)
        states.append([ops.convert_to_numpy(state) for state in layer.states])
    assert_close(*states)


@pytest.mark.xla
@pytest.mark.parametrize("time", [TIME, None], ids=["length known", "length not known"])
@pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])
def test_fit_gives_the_weights_of_fit_without(time, sequences):
    weights = []
    for length in (False, 4):
        keras.utils.set_random_seed(1)
        layers = [
            kit.GRU(UNITS, return_sequences=True, recompute=length),
            kit.LSTM(UNITS, return_sequences=sequences, dropout=0.2, recompute=length),
        ]
        model = keras.Sequential([keras.Input((time, FEATURES)), *layers, keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        targets = X[..., :1] if sequences else X[:, 0, :1]
        model.fit(X, targets, batch_size=BATCH, epochs=3, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for got, want in zip(*weights, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_in_a_graph_the_chunks_have_the_same_gradients():
    def of_graph(layer, x):
        return in_a_graph(lambda x: loss(layer, x, mask=HOLES))(x)

    got, want = (gradients(of_graph, made("lstm", n, **EVERYTHING), X) for n in (4, False))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_prediction_and_short_sequences_run_at_once(runs):
    layer = made("lstm", 4)
    layer(X, training=False)
    found("lstm", TIME)
    found("lstm", True)
    assert runs == [TIME, TIME]  # a single chunk, which does not run again


@pytest.mark.parametrize(
    ("given", "time", "steps"),
    [(7, 100, 7), (True, 10_000, 100), (True, 100, 32), (True, 2000, 45), (True, None, 64)],
)
def test_the_steps_of_a_chunk(given, time, steps):
    assert steps_of_chunk(given, time) == steps


@pytest.mark.parametrize("value", [0, -3, 2.5, "auto", [4]])
@pytest.mark.parametrize("name", ["lstm", "min_gru", "zoneout", "stacked"])
def test_another_value_is_refused(name, value):
    with pytest.raises(ValueError, match=r"`recompute` must be False, True.*Received: recompute="):
        LAYERS[name](2, recompute=value)


@pytest.mark.parametrize("value", [True, 1, 50])
@pytest.mark.parametrize("name", ["lstm", "gru", "simple_rnn", "min_lstm", "zoneout", "stacked"])
def test_the_config_has_it(name, value):
    config = LAYERS[name](2, recompute=value).get_config()
    assert config["recompute"] is value
    loaded = type(LAYERS[name](2)).from_config(config)
    assert loaded.recompute is value
    assert LAYERS[name](2, recompute=None).recompute is False
    assert LAYERS[name](2, recompute=np.bool_(True)).recompute is True


def test_both_directions_have_it():
    layer = kit.Bidirectional(kit.LSTM(2, recompute=5))
    assert layer.forward_layer.recompute == layer.backward_layer.recompute == 5


class Noisy(keras.layers.Layer):
    """A cell whose steps draw from a seed of its own."""

    def __init__(self, units):
        super().__init__()
        self.state_size, self.dropout = units, keras.layers.Dropout(0.5)

    def call(self, inputs, states, training=False):
        new = states[0] + self.dropout(inputs[:, :1], training=training)
        return new, [new]


class MGUCell(kit.GatedCell, keras.layers.Layer):
    """As in the how-to page: it reads its variables without a cast."""

    state_names, gates_type, trace_type = ("hidden",), kit.GRUGates, kit.GRUTrace

    def __init__(self, units, **kwargs):
        keras.layers.Layer.__init__(self, **kwargs)
        self.units = self.state_size = self.output_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight((self.units, self.units), name="recurrent_kernel")

    def gates(self, inputs, states, training=False):
        gate = ops.sigmoid(inputs @ self.kernel + states[0] @ self.recurrent_kernel)
        return kit.GRUGates(gate, gate, ops.tanh(states[0] @ self.recurrent_kernel))

    def step(self, gates, states):
        h = (1 - gates.update) * states[0] + gates.update * gates.candidate + gates.reset
        return h, [h]


class TriplesInTraining(keras.layers.Layer):
    def call(self, x, training=False):
        return 3 * x if training else x


class Inner(keras.layers.Layer):
    """A cell with a layer inside, which takes `training` from the call around it."""

    def __init__(self, units, inner):
        super().__init__()
        self.state_size, self.inner, self.dense = units, inner, keras.layers.Dense(units)

    def call(self, x, states):
        h = ops.tanh(self.inner(self.dense(x)) + 0.5 * states[0])
        return h, [h]


class Memory(keras.layers.Layer):
    """A cell that reads a tensor of another layer."""

    state_size, memory = UNITS, None

    def call(self, x, states):
        h = ops.tanh(self.memory + 0.5 * states[0] + x[:, :1])
        return h, [h]


def of_own_cell(cell, recompute, dtype="float32"):
    keras.utils.set_random_seed(1)
    layer = kit.RNN(cell(), recompute=recompute, return_sequences=True, dtype=dtype)
    layer.build(X.shape)
    keras.utils.set_random_seed(1)
    return gradients(loss, layer, X), layer


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
@pytest.mark.parametrize(
    "cell",
    [lambda dtype: MGUCell(UNITS, dtype=dtype), lambda dtype: Inner(UNITS, TriplesInTraining())],
    ids=["mgu", "layer inside"],
)
def test_a_cell_of_ones_own_runs_again_as_in_the_call(cell, dtype):
    (got, layer), (want, _) = (of_own_cell(lambda: cell(dtype), n, dtype) for n in (4, False))
    for one, other in zip(got, want, strict=True):
        tolerance = 2e-2 if dtype == "mixed_float16" else 2e-5
        scale = 1 + np.abs(other).max()
        np.testing.assert_allclose(one / scale, other / scale, atol=tolerance, rtol=0)
    assert [part.name for part in layer._flatten_layers()].count("in_call") == 0


def test_a_tensor_that_a_cell_holds_has_its_gradient(runs):
    def total(recompute):
        layer = kit.RNN(Memory(), recompute=recompute)
        project = keras.layers.Dense(UNITS, kernel_initializer="ones")
        project.build((BATCH, FEATURES))

        def of_memory(project, x):
            layer.cell.memory = project(x[:, 0])
            return loss(layer, x)

        return gradients(of_memory, project, X), layer

    (got, layer), (want, _) = total(4), total(False)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert (runs == []) == (BACKEND == "tensorflow")
    if BACKEND == "tensorflow":
        layer.cell.memory = ops.ones((BATCH, UNITS))
        text = TestExplain().training(layer)
        assert "no recompute, as the cell holds tensors" in text


@pytest.mark.skipif(BACKEND != "jax", reason="a transformation of an eager call")
def test_a_first_layer_recomputes_in_an_eager_gradient(runs):
    import jax

    layer = made("lstm", 4)

    def total(weights):
        mapping = list(zip(layer.trainable_variables, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return loss(layer, ops.convert_to_tensor(X))

    jax.grad(total)([variable.value for variable in layer.trainable_variables])
    assert set(runs) == {4, TIME % 4}


class TestExplain:
    def training(self, layer):
        model = keras.Sequential([keras.Input((None, FEATURES)), layer])
        (row,) = kit.explain(model)
        assert "recompute" not in row.prediction
        return row.training

    def test_names_the_chunks(self):
        text = self.training(kit.LSTM(2, recompute=50))
        assert text.endswith("; recompute: in chunks of 50 steps, each run again for the gradient")
        assert "chunks of about sqrt(time) steps" in self.training(kit.MinGRU(2, recompute=True))
        assert "recompute" not in self.training(kit.LSTM(2))

    def test_says_that_returned_gates_are_kept(self):
        layer = kit.LSTM(2, recompute=True, return_gates=True)
        text = self.training(layer)
        assert text.endswith("; no recompute, as the gates of all steps are returned")
        layer(X, training=True)

    @pytest.mark.parametrize("cell", [Noisy, lambda n: keras.layers.LSTMCell(n, dropout=0.2)])
    def test_says_that_a_cell_may_not_run_again(self, cell, runs):
        layer = kit.RNN(cell(2), recompute=4)
        assert "no recompute, as a step of this cell may give another" in self.training(layer)
        layer(X, training=True)
        assert runs == []


@pytest.mark.skipif(BACKEND == "jax", reason="where a kernel says what it is called for")
def test_only_the_carries_between_chunks_are_kept(monkeypatch):
    """Each chunk of the kernel runs a second time."""
    calls, run = [], type(backend_kernels()).run

    def counted(self, plan, args, training):
        calls.append(args.inputs[0].shape[0])
        return run(self, plan, args, training)

    monkeypatch.setattr(type(backend_kernels()), "run", counted)
    found("gru", 4)
    assert sorted(calls) == [3, 3, 4, 4, 4, 4]


@pytest.mark.skipif(BACKEND != "jax", reason="what XLA plans")
@pytest.mark.parametrize("name", ["lstm", "min_lstm"])
def test_jax_plans_a_quarter(name):
    import jax

    def planned(length):
        layer = made(name, length)

        def total(weights, x):
            mapping = list(zip(layer.trainable_variables, weights, strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                return loss(layer, x)

        weights = [variable.value for variable in layer.trainable_variables]
        program = jax.jit(jax.grad(total)).lower(weights, np.zeros((2, 400, 2), "float32"))
        return program.compile().memory_analysis().temp_size_in_bytes

    assert planned(20) < planned(False) / 4
