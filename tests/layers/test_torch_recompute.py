"""On PyTorch: what the graph of a layer with `recompute` keeps, and for how long."""

import gc
import weakref

import keras
import pytest

import keras_rnnkit as kit

if keras.config.backend() != "torch":
    pytest.skip("the graph of PyTorch", allow_module_level=True)

import torch

from keras_rnnkit.kernels import _torch_recompute

BATCH, TIME, FEATURES, UNITS = 2, 40, 3, 4
LAYERS = {
    "lstm": kit.LSTM,
    "gru": kit.GRU,
    "min_lstm": kit.MinLSTM,
    "portable": lambda units, **options: kit.LSTM(units, path="portable", **options),
}
pytestmark = pytest.mark.usefixtures("on_device")
OF_EACH = pytest.mark.parametrize("name", LAYERS)


def made(name, recompute=5, time=TIME):
    keras.utils.set_random_seed(0)
    layer = LAYERS[name](UNITS, return_sequences=True, recompute=recompute)
    x = torch.randn(BATCH, time, FEATURES, requires_grad=True)
    layer.build(x.shape)
    return layer, x


def gradients_of(layer, x, **options):
    """Of the inputs and the weights."""
    output = layer(x, training=True)
    weights = [weight.value for weight in layer.trainable_variables]
    return output, lambda: torch.autograd.grad((output**2).sum(), [x, *weights], **options)


def assert_same(got, want, tolerance=1e-5):
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@OF_EACH
def test_a_graph_saves_a_tenth(name):
    def saved(recompute):
        sizes = {}

        def pack(tensor):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        layer, x = made(name, recompute, time=400)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            output = layer(x, training=True)
        assert output.requires_grad
        return sum(sizes.values())

    assert saved(20) < saved(False) / 10


@pytest.fixture
def alive(monkeypatch):
    """The chunks, and what their second runs saved, that are alive; without garbage collection."""
    made = weakref.WeakSet()

    def counted(kind):
        class Counted(kind):
            def __init__(self, *args):
                super().__init__(*args)
                made.add(self)

        monkeypatch.setattr(_torch_recompute, kind.__name__, Counted)

    counted(_torch_recompute._Chunk)
    counted(_torch_recompute._Saved)
    gc.collect()
    gc.disable()
    yield made
    gc.enable()


@OF_EACH
def test_a_chunk_is_freed_before_the_one_before_it_runs_again(name, alive, monkeypatch):
    layer, x = made(name)
    full, run_again = [], _torch_recompute._Chunk._run_again

    def counted(chunk):
        full.append(sum(bool(getattr(one, "tensors", None)) for one in alive))
        return run_again(chunk)

    monkeypatch.setattr(_torch_recompute._Chunk, "_run_again", counted)
    output, gradients = gradients_of(layer, x)
    assert len(alive) == 2 * TIME // 5
    gradients()
    assert len(full) == TIME // 5 and max(full) <= 1
    del output, gradients
    assert len(alive) == 0


@OF_EACH
def test_a_chunk_keeps_the_states_before_it_alone(name, alive):
    """Not those of other steps, of which they may be a view, nor their graph."""
    layer, x = made(name)
    output = layer(x, training=True)
    chunks = [one for one in alive if isinstance(one, _torch_recompute._Chunk)]
    states = [state for chunk in chunks for state in keras.tree.flatten(chunk._args[0])]
    assert output.requires_grad and len(states) >= TIME // 5
    for state in states:
        assert state.grad_fn is None
        assert state.untyped_storage().nbytes() == state.nbytes


@OF_EACH
def test_a_second_backward_pass_has_the_same_gradients(name):
    layer, x = made(name)
    _, gradients = gradients_of(layer, x, retain_graph=True)
    assert_same(gradients(), gradients(), tolerance=0)


@OF_EACH
def test_a_part_of_the_gradients_first(name):
    layer, x = made(name)
    output = layer(x, training=True)
    (alone,) = torch.autograd.grad(output[:, -1].sum(), [x], retain_graph=True)
    (again,) = torch.autograd.grad(output[:, -1].sum(), [x])
    assert_same([alone], [again], tolerance=0)


@OF_EACH
@pytest.mark.parametrize("changed", ["inputs", "weights"])
def test_what_is_changed_in_place_before_the_backward_pass_is_refused(name, changed):
    layer, x = made(name)
    _, gradients = gradients_of(layer, x)
    with torch.no_grad():
        (x if changed == "inputs" else layer.trainable_variables[0].value).add_(1.0)
    with pytest.raises(RuntimeError, match=r"change copies of them|modified by an inplace"):
        gradients()


def test_the_second_run_is_under_the_autocast_of_the_first():
    found = []
    for recompute in (5, False):
        layer, x = made("portable", recompute)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            _, gradients = gradients_of(layer, x)
        found.append(gradients())
    assert_same(*found, tolerance=2e-2)


class Dropping(keras.layers.Layer):
    """A cell that draws from PyTorch's own random numbers."""

    state_size = UNITS

    def call(self, x, states):
        h = keras.ops.tanh(keras.random.dropout(x[:, :1] + states[0], 0.5))
        return h, [h]


class Descending(keras.layers.Layer):
    """A cell whose step is one of gradient descent."""

    state_size = UNITS

    def call(self, x, states):
        with torch.enable_grad():
            h = states[0] + x[:, :1]
            if not h.requires_grad:  # where Keras asks for shapes
                h.requires_grad_()
            energy = (h**2).sum() / 2 + h.tanh().sum()
            (slope,) = torch.autograd.grad(energy, h, create_graph=True)
        new = h - 0.1 * slope
        return new, [new]


@pytest.mark.parametrize("cell", [Dropping, Descending])
def test_a_cell_of_ones_own_runs_again_as_in_the_call(cell):
    found = []
    for recompute in (5, False):
        layer = kit.RNN(cell(), recompute=recompute)
        x = torch.linspace(-1, 1, BATCH * TIME * FEATURES).reshape(BATCH, TIME, FEATURES)
        x.requires_grad_()
        keras.utils.set_random_seed(1)
        _, gradients = gradients_of(layer, x)
        torch.manual_seed(5)
        found.append(gradients())
        after = torch.rand(1)
        torch.manual_seed(5)
        assert after == torch.rand(1)  # those of the caller go on as without it
    assert_same(*found)


class Changing(keras.layers.Layer):
    """A cell that computes something else after its first calls."""

    state_size = UNITS

    def __init__(self, then):
        super().__init__()
        self.then, self.calls = then, []

    def call(self, x, states):
        h = states[0] + x[:, :1]
        self.calls.append(1)
        h = self.then(h) if len(self.calls) > TIME + 1 else keras.ops.tanh(h)
        return h, [h]


THEN = {
    "less": lambda h: h,
    "more": lambda h: keras.ops.tanh(h + 0 * keras.ops.exp(h)),
    "other": lambda h: keras.ops.tanh(keras.ops.concatenate([h, h]))[:BATCH],
}


@pytest.mark.parametrize("then", THEN)
def test_a_second_run_that_computes_something_else_is_refused(then):
    layer = kit.RNN(Changing(THEN[then]), recompute=5)
    x = torch.ones(BATCH, TIME, FEATURES, requires_grad=True)
    _, gradients = gradients_of(layer, x)
    with pytest.raises(RuntimeError, match="must compute the same in a second run"):
        gradients()


def test_a_graph_of_many_chunks_is_dropped_without_a_backward_pass():
    layer, x = made("min_lstm", 1, time=1500)
    output = layer(x, training=True)
    del output
