"""PyTorch's loops into preallocated buffers, against numeric gradients, with every argument."""

import itertools

import keras
import numpy as np
import pytest

from keras_rnnkit.kernels import _cells
from keras_rnnkit.kernels._arguments import Arguments, Plan

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="kernels of PyTorch's alone"
)

TIME, BATCH, FEATURES, UNITS = 4, 3, 2, 2
GATES = {"lstm": 4, "gru": 3}
HOLES = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 1, 0]], bool)[..., None]
CASES = list(itertools.product(GATES, (False, True), (False, True), (False, True)))
# An LSTM returns h, c, its gates and the last h and c; a GRU h, its gates and the last h.
OUTPUTS = [("lstm", k) for k in range(8)] + [("gru", k) for k in range(5)]


def arguments(cell, per_gate, masked, drops, time=TIME):
    """Random tensors in float64, and the masks of steps and of recurrent dropout."""
    import torch

    rng = np.random.default_rng(0)
    count = GATES[cell]

    def random(*shape):
        return torch.tensor(rng.normal(size=shape), requires_grad=True)

    tensors = [random(BATCH, UNITS) for _ in range(2 if cell == "lstm" else 1)]
    tensors += [random(FEATURES, count * UNITS), random(UNITS, count * UNITS)]
    tensors.append(random(count * UNITS) if cell == "lstm" else random(2, count * UNITS))
    tensors += [random(time, BATCH, FEATURES) for _ in range(count if per_gate else 1)]
    mask = torch.tensor(HOLES[:time]) if masked else None
    drop = torch.tensor(rng.integers(0, 2, (count, BATCH, UNITS)) * 2.0) if drops else None
    return tensors, mask, drop


def call(cell, tensors, mask, drop, **asked):
    """The last states, and the steps."""
    from keras_rnnkit.kernels import torch as kernels

    count = 2 if cell == "lstm" else 1
    states, weights, inputs = tensors[:count], tensors[count : count + 3], tensors[count + 3 :]
    masks = [] if mask is None else [mask], [] if drop is None else list(drop)
    args = Arguments(list(inputs), list(states), *weights, *masks)
    plan = Plan(_cells.LSTM if cell == "lstm" else _cells.GRU, "preallocated", **asked)
    return kernels.KERNELS.run(plan, args, training=True)


def run(cell, tensors, mask, drop):
    """The states and gates of all steps, and the last states."""
    last, steps = call(cell, tensors, mask, drop, return_sequences=True, capture_gates=True)
    gates = steps.gates
    if mask is not None:  # as the layer does: the gates of a masked step are zero
        gates = [gate * mask for gate in gates]
    return *steps.states, *gates, *last


@pytest.mark.parametrize(("cell", "per_gate", "masked", "drops"), CASES)
@pytest.mark.parametrize("time", [1, TIME])
def test_the_gradients_are_the_numeric_ones(cell, per_gate, masked, drops, time):
    import torch

    tensors, mask, drop = arguments(cell, per_gate, masked, drops, time)
    assert torch.autograd.gradcheck(lambda *tensors: run(cell, tensors, mask, drop), tensors)


@pytest.mark.parametrize(("cell", "asked"), OUTPUTS)
def test_one_output_alone_has_its_gradients(cell, asked):
    import torch

    tensors, mask, drop = arguments(cell, False, masked=True, drops=True)
    tensors[-1].requires_grad = False  # a first layer's inputs need none
    assert torch.autograd.gradcheck(lambda *tensors: run(cell, tensors, mask, drop)[asked], tensors)


@pytest.mark.parametrize(("cell", "per_gate", "masked", "drops"), CASES)
def test_without_gradients_the_numbers_are_the_same(cell, per_gate, masked, drops):
    import torch

    tensors, mask, drop = arguments(cell, per_gate, masked, drops)
    with_gradients = run(cell, tensors, mask, drop)
    with torch.no_grad():
        predicted = run(cell, tensors, mask, drop)
    for a, b in zip(with_gradients, predicted, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.numpy(), rtol=1e-12)


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("capture_gates", [False, True])
@pytest.mark.parametrize(("per_gate", "drops"), [(False, False), (False, True), (True, False)])
def test_a_gru_without_gradients_returns_what_is_asked_for(
    sequences, capture_gates, per_gate, drops
):
    import torch

    from keras_rnnkit.kernels._torch_gru import _CHUNK

    time = 2 * _CHUNK + 3  # the inputs of so many steps are projected in one product
    tensors, _, drop = arguments("gru", per_gate, masked=False, drops=drops, time=time)
    mask = torch.tensor(np.random.default_rng(1).random((time, BATCH, 1)) < 0.7)
    everything = {"return_sequences": True, "capture_gates": True}
    (want,), steps = call("gru", tensors, mask, drop, **everything)
    wanted = [tensor.detach() for tensor in (want, *steps.states, *steps.gates)]
    with torch.no_grad():
        asked = {"return_sequences": sequences, "capture_gates": capture_gates}
        (last,), steps = call("gru", tensors, mask, drop, **asked)
    assert len(steps.states) == (sequences or capture_gates)
    assert len(steps.gates) == 3 * capture_gates
    found = [last, *steps.states, *steps.gates]
    for got, want in zip(found, wanted, strict=False):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12)


@pytest.mark.parametrize("layer", ["LSTM", "GRU"])
@pytest.mark.parametrize("options", [{}, {"return_gates": True}], ids=["plain", "gates"])
def test_the_last_state_is_a_tensor_of_its_own(layer, options):
    import torch

    import keras_rnnkit as kit

    layer = getattr(kit, layer)(UNITS, return_sequences=True, return_state=True, **options)
    with torch.no_grad():
        output, state, *_ = layer(np.ones((BATCH, TIME, FEATURES), "float32"))
        before = output.clone()
        state.zero_()
    assert torch.equal(output, before)


@pytest.mark.parametrize("cell", GATES)
def test_a_second_backward_pass_gives_the_same_gradients(cell):
    tensors, mask, drop = arguments(cell, False, masked=True, drops=True)
    h, *_ = run(cell, tensors, mask, drop)
    h.sum().backward(retain_graph=True)
    once = [tensor.grad.clone() for tensor in tensors]
    h.sum().backward()
    for tensor, gradient in zip(tensors, once, strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), 2 * gradient.numpy())
