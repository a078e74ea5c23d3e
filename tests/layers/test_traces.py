"""The trace: what it holds, eagerly and symbolically, in fit and under jit."""

from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.support.cases import CASES, MASKS, assert_close, by_name, few_where_compiled, to_numpy

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
MASK = MASKS["holes"]


@pytest.mark.parametrize("case", few_where_compiled(CASES), ids=by_name)
def test_is_returned_last_and_changes_nothing_else(case):
    options = {"return_sequences": True, "return_state": True, **case.options}
    plain, traced = case.layer(3, **options), case.layer(3, return_gates=True, **options)
    plain.build((None, 5, 4))
    traced.build((None, 5, 4))
    traced.set_weights(plain.get_weights())
    *rest, trace = traced(X, mask=MASK)
    assert_close(plain(X, mask=MASK), rest)
    assert isinstance(trace, case.cell.trace_type)
    assert_close(trace, plain.trace(X, mask=MASK))
    np.testing.assert_array_equal(to_numpy(trace.mask), MASK)
    assert to_numpy(plain.trace(X).mask).all()


@pytest.mark.xla
@pytest.mark.parametrize("case", few_where_compiled(CASES), ids=by_name)
def test_symbolic_shapes_are_the_real_ones(case, tmp_path):
    inputs = keras.Input((5, 4))
    layer = case.layer(3, return_gates=True, return_state=True, **case.options)
    outputs = layer(inputs)
    model = keras.Model(inputs, outputs)
    real = model(X)
    for symbolic, tensor in zip(keras.tree.flatten(outputs), keras.tree.flatten(real), strict=True):
        assert tuple(symbolic.shape[1:]) == tuple(tensor.shape[1:])
        assert symbolic.dtype == keras.backend.standardize_dtype(tensor.dtype)
    assert_close(layer(X), real)
    assert_close(model.predict(X, verbose=0), real)
    model.save(tmp_path / "model.keras")
    assert_close(keras.models.load_model(tmp_path / "model.keras")(X), real)


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "jit"])
def test_a_gate_in_the_loss_inside_fit(jit):
    if jit and keras.config.backend() == "torch":
        jit = False  # torch.compile needs a C++ toolchain; the eager step is what torch users run

    class GatePenalty(keras.layers.Layer):
        def call(self, forget):
            self.add_loss(10.0 * ops.mean(forget))
            return forget

    keras.utils.set_random_seed(0)
    inputs = keras.Input((5, 4))
    layer = kit.LSTM(3, return_gates=True)
    output, trace = layer(inputs)
    penalised = keras.layers.GlobalAveragePooling1D()(GatePenalty()(trace.forget))
    model = keras.Model(inputs, keras.layers.Dense(1)(output) + 0 * ops.sum(penalised))
    before = to_numpy(layer.trace(X).forget).mean()
    model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=jit)
    model.fit(X, X[:, 0, :1], epochs=15, verbose=0)
    assert to_numpy(layer.trace(X).forget).mean() < before - 0.1


@pytest.mark.parametrize("jit", [False, True])
def test_jit_compiled_training_gives_the_same_losses(jit):
    if keras.config.backend() == "torch" and jit:
        pytest.skip("torch.compile needs a C++ toolchain")
    losses = []
    for compiled in (False, jit):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((5, 4)), kit.GRU(3), keras.layers.Dense(1)])
        model.compile("adam", "mse", jit_compile=compiled)
        losses.append(model.fit(X, X[:, 0, :1], epochs=3, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_of_a_stateful_layer_does_not_move_its_states():
    layer = kit.LSTM(3, stateful=True)
    layer(X)
    before = [to_numpy(state).copy() for state in layer.states]
    trace = layer.trace(X)
    assert_close(before, [to_numpy(state) for state in layer.states])
    zeros = [np.zeros((3, 3), "float32")] * 2
    assert not np.allclose(
        to_numpy(trace.hidden), to_numpy(layer.trace(X, initial_state=zeros).hidden)
    )
    layer(X)
    assert_close(trace.hidden[:, -1], layer.states[0])


def test_backwards_it_follows_the_layer_through_time():
    layer = kit.GRU(3, go_backwards=True, return_sequences=True, return_gates=True)
    outputs, trace = layer(X, mask=MASKS["right-padded"])
    assert_close(trace.mask, MASKS["right-padded"][:, ::-1])
    kept = to_numpy(trace.mask)
    assert_close(to_numpy(outputs)[kept], to_numpy(trace.hidden)[kept])


def test_takes_the_mask_of_an_embedding():
    tokens = np.array([[1, 2, 0, 0, 0]])
    vectors = keras.layers.Embedding(4, 4, mask_zero=True)(tokens)
    np.testing.assert_array_equal(to_numpy(kit.LSTM(3).trace(vectors).mask), tokens != 0)


def test_of_a_stack_is_one_for_each_cell():
    layer = kit.RNN(
        [kit.LSTMCell(3), kit.GRUCell(2), keras.layers.SimpleRNNCell(4)], return_gates=True
    )
    output, traces = layer(X, mask=MASK)
    assert [type(trace).__name__ for trace in traces] == ["LSTMTrace", "GRUTrace", "CellTrace"]
    assert_close(output, traces[2].state_0[:, -1])
    first = kit.LSTM(3)
    first.build((None, 5, 4))
    first.set_weights(layer.get_weights()[:3])
    assert_close(first.trace(X, mask=MASK), traces[0])
    symbolic = layer(keras.Input((5, 4)))[1]
    assert tuple(symbolic[1].reset.shape) == (None, 5, 2)


def test_a_cell_that_overrides_call_is_called():
    class Doubled(kit.GRUCell):
        def call(self, inputs, states, training=False):
            output, states = super().call(inputs, states, training=training)
            return 2 * output, states

    layer = kit.RNN(Doubled(3), return_gates=True)
    output, trace = layer(X)
    assert trace._fields == ("state_0", "mask")
    assert type(trace) is type(layer.trace(X))
    assert_close(output, 2 * trace.state_0[:, -1])


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("mask", [None, MASKS["left-padded"]], ids=["no mask", "mask"])
def test_bidirectional_is_keras_own_with_traces(mode, mask):
    options = {"return_sequences": True, "return_state": True}
    theirs = keras.layers.Bidirectional(keras.layers.LSTM(3, **options), merge_mode=mode)
    mine = kit.Bidirectional(kit.LSTM(3, **options), merge_mode=mode, return_gates=True)
    theirs.build((None, 5, 4))
    mine.build((None, 5, 4))
    mine.set_weights(theirs.get_weights())
    *rest, trace = mine(X, mask=mask)
    assert_close(rest, theirs(X, mask=mask))
    assert_close(trace, mine.trace(X, mask=mask))
    assert_close(trace.forward, mine.forward_layer.trace(X, mask=mask))
    backward = mine.backward_layer.trace(X, mask=mask)
    assert_close(trace.backward.forget, to_numpy(backward.forget)[:, ::-1])
    assert_close(trace.backward.mask, trace.forward.mask)
    symbolic = mine(keras.Input((5, 4)))
    for a, b in zip(keras.tree.flatten(symbolic), keras.tree.flatten((rest, trace)), strict=True):
        assert tuple(a.shape[1:]) == tuple(b.shape[1:])


@pytest.mark.parametrize("case", few_where_compiled(CASES), ids=by_name)
def test_bidirectional_of_every_layer(case):
    inner = case.layer(3, return_sequences=True, return_state=True, **case.options)
    layer = kit.Bidirectional(inner, return_gates=True)
    output, *states, trace = layer(X, mask=MASK)
    width = layer.forward_layer.cell.output_size
    assert_close(trace, layer.trace(X, mask=MASK))
    for half, direction in ((output[..., :width], trace.forward), (output[..., width:], trace[1])):
        assert_close(to_numpy(half)[MASK], to_numpy(direction.hidden)[MASK])
    assert_close(states[: case.states], layer.forward_layer(X, mask=MASK)[1 : 1 + case.states])


def test_bidirectional_round_trip(tmp_path):
    inputs = keras.Input((5, 4))
    layer = kit.Bidirectional(
        kit.GRU(3, return_sequences=True), merge_mode="sum", return_gates=True
    )
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    assert_close(keras.models.load_model(tmp_path / "model.keras")(X), model(X))


def test_bidirectional_of_a_layer_without_gates_is_refused():
    with pytest.raises(ValueError, match="needs layers of keras_rnnkit"):
        kit.Bidirectional(keras.layers.LSTM(3), return_gates=True)


def test_bidirectional_states_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match=r"2 tensor\(s\) for the forward layer, then 2"):
        kit.Bidirectional(kit.LSTM(3))(X, initial_state=[np.zeros((3, 3), "float32")] * 3)


class FadingGates(NamedTuple):
    keep: Any


class FadingTrace(NamedTuple):
    keep: Any
    mean: Any
    mask: Any


class FadingCell(kit.GatedCell, keras.layers.Layer):
    """A cell of the user, a plain layer without a weight named `kernel`."""

    state_names, gates_type, trace_type = ("mean",), FadingGates, FadingTrace
    units = state_size = output_size = 4

    def __init__(self):
        keras.layers.Layer.__init__(self)

    def build(self, input_shape):
        self.logit = self.add_weight((4,), initializer="ones", name="logit")

    def gates(self, inputs, states, training=False):
        return FadingGates(ops.sigmoid(self.logit + 0 * inputs))

    def step(self, gates, states):
        mean = gates.keep * states[0] + (1 - gates.keep)
        return mean, [mean]


def test_a_cell_of_the_user_exposes_its_gates():
    layer = kit.RNN(FadingCell(), return_gates=True)
    for _ in range(2):  # not built, and built
        output, trace = layer(X, mask=MASK)
    keep = 1 / (1 + np.exp(-1))
    steps = np.cumsum(MASK, axis=1)[..., None]
    assert_close(trace.mean, np.broadcast_to(1 - keep**steps, X.shape))
    assert_close(trace.keep, np.broadcast_to(keep * MASK[..., None], X.shape))
    assert_close(output, trace.mean[:, -1])
