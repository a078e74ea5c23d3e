"""PyTorch's preallocated loops with new sequences inside the rows, against plain steps."""

import itertools

import keras
import numpy as np
import pytest

from keras_rnnkit.kernels import _cells
from keras_rnnkit.kernels._arguments import Arguments, Plan
from tests.support.cases import to_numpy

pytestmark = [
    pytest.mark.skipif(keras.config.backend() != "torch", reason="kernels of PyTorch's alone"),
    pytest.mark.usefixtures("on_device"),
]

TIME, BATCH, FEATURES, UNITS = 6, 4, 2, 3
GATES, STATES = {"lstm": 4, "gru": 3}, {"lstm": 2, "gru": 1}
# In the rows: none; at the first step; at a masked one and again behind it; at all but one.
RESETS = np.array(
    [[0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0], [0, 0, 1, 1, 0, 1], [1, 1, 0, 1, 1, 1]], bool
)
MASK = np.array(
    [[1, 0, 1, 1, 1, 0], [1, 1, 0, 0, 1, 1], [1, 1, 0, 1, 1, 0], [0, 0, 1, 1, 0, 1]], bool
)
FLAGS = (False, True)
CASES = list(itertools.product(GATES, FLAGS, FLAGS, FLAGS, FLAGS))
EVERYTHING = {"return_sequences": True, "capture_gates": True}


def leaves(cell, per_gate, fresh, time=TIME, batch=BATCH, units=UNITS):
    """Random tensors in float64: the states, the fresh ones, the weights and the inputs."""
    import torch

    rng, count = np.random.default_rng(0), GATES[cell]

    def random(*shape):
        return torch.tensor(rng.normal(size=shape), requires_grad=True)

    states = [random(batch, units) for _ in range(STATES[cell] * (2 if fresh else 1))]
    bias = random(count * units) if cell == "lstm" else random(2, count * units)
    weights = [random(FEATURES, count * units), random(units, count * units), bias]
    inputs = [random(time, batch, FEATURES) for _ in range(count if per_gate else 1)]
    return [*states, *weights, *inputs]


def arguments(cell, tensors, masked, drops, resets=RESETS):
    """The arguments of the kernel, of tensors as `leaves` returns them."""
    import torch

    count = next(i for i, tensor in enumerate(tensors) if tensor.shape[0] == FEATURES)
    states, weights, inputs = tensors[:count], tensors[count : count + 3], tensors[count + 3 :]
    time, (batch, units) = len(inputs[0]), states[0].shape
    drop = np.random.default_rng(1).integers(0, 2, (GATES[cell], batch, units)) * 2.0
    return Arguments(
        inputs=list(inputs),
        states=list(states[: STATES[cell]]),
        kernel=weights[0],
        recurrent_kernel=weights[1],
        bias=weights[2],
        mask=[torch.tensor(MASK[:batch, :time].T.copy())[..., None]] if masked else [],
        recurrent_masks=list(torch.tensor(drop)) if drops else [],
        resets=[torch.tensor(resets[:batch, :time].T.copy())[..., None]],
        fresh=list(states[STATES[cell] :]),
    )


def run(cell, args, **asked):
    """The last states, and the states and the gates of all steps."""
    from keras_rnnkit.kernels import torch as kernels

    plan = Plan(_cells.LSTM if cell == "lstm" else _cells.GRU, "preallocated", **asked)
    last, steps = kernels.KERNELS.run(plan, args, training=True)
    gates = steps.gates
    if args.mask:  # as the layer does: the gates of a masked step are zero
        gates = [gate * args.mask[0] for gate in gates]
    return [*last, *steps.states, *gates]


def plain(cell, args):
    """The same by operations of PyTorch, one step after the other."""
    import torch

    states, rows, count = args.states, [], GATES[cell]
    fresh = args.fresh or [torch.zeros_like(state) for state in states]
    inputs = args.inputs if len(args.inputs) > 1 else args.inputs * count
    kernels, recurrent = args.kernel.chunk(count, -1), args.recurrent_kernel.chunk(count, -1)
    for t in range(len(inputs[0])):
        pairs = zip(fresh, states, strict=True)
        states = [torch.where(args.resets[0][t], new, old) for new, old in pairs]
        drops = args.recurrent_masks or [1] * count
        from_inputs = [x[t] @ kernels[k] for k, x in enumerate(inputs)]
        from_state = [(states[0] * drops[k]) @ recurrent[k] for k in range(count)]
        new, gates = (lstm if cell == "lstm" else gru)(args.bias, from_inputs, from_state, states)
        if args.mask:
            pairs = zip(new, states, strict=True)
            new = [torch.where(args.mask[0][t], a, b) for a, b in pairs]
            gates = [gate * args.mask[0][t] for gate in gates]
        states = new
        rows.append([*states, *gates])
    return [*states, *map(torch.stack, zip(*rows, strict=True))]


def lstm(bias, from_inputs, from_state, states):
    import torch

    parts = zip(from_inputs, from_state, bias.chunk(4), strict=True)
    i, f, g, o = (sum(part) for part in parts)
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    c = f * states[1] + i * g
    return [o * torch.tanh(c), c], [i, f, g, o]


def gru(bias, from_inputs, from_state, states):
    import torch

    z, r, g = (x + b for x, b in zip(from_inputs, bias[0].chunk(3), strict=True))
    of_z, of_r, of_g = (h + b for h, b in zip(from_state, bias[1].chunk(3), strict=True))
    z, r = torch.sigmoid(z + of_z), torch.sigmoid(r + of_r)
    g = torch.tanh(g + r * of_g)
    return [z * states[0] + (1 - z) * g], [z, r, g]


def close(found, wanted, atol=1e-12):
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(to_numpy(got.detach()), to_numpy(want.detach()), 1e-10, atol)


@pytest.mark.parametrize(("cell", "per_gate", "masked", "drops", "fresh"), CASES)
@pytest.mark.parametrize("time", [1, TIME])
def test_outputs_and_gradients_are_those_of_plain_steps(cell, per_gate, masked, drops, fresh, time):
    import torch

    tensors = leaves(cell, per_gate, fresh, time)
    args = arguments(cell, tensors, masked, drops)
    found, wanted = run(cell, args, **EVERYTHING), plain(cell, args)
    close(found, wanted)
    rng = np.random.default_rng(2)
    weights = [torch.tensor(rng.normal(size=tensor.shape)) for tensor in wanted]
    gradients = []
    for results in (found, wanted):
        total = sum((w * x).sum() for w, x in zip(weights, results, strict=True))
        gradients.append(torch.autograd.grad(total, tensors))
    close(*gradients, atol=1e-10)


@pytest.mark.parametrize("fresh", FLAGS)
@pytest.mark.parametrize("cell", GATES)
def test_the_gradients_are_the_numeric_ones(cell, fresh):
    import torch

    tensors = leaves(cell, True, fresh, time=4)

    def function(*tensors):
        return run(cell, arguments(cell, tensors, True, True), **EVERYTHING)

    assert torch.autograd.gradcheck(function, tensors)


@pytest.mark.parametrize("fresh", FLAGS)
@pytest.mark.parametrize(("cell", "asked"), [("lstm", range(8)), ("gru", range(5))])
def test_one_output_alone_has_its_gradients(cell, asked, fresh):
    import torch

    for index in asked:
        tensors = leaves(cell, False, fresh)
        args = arguments(cell, tensors, masked=True, drops=False)
        found, wanted = run(cell, args, **EVERYTHING)[index], plain(cell, args)[index]
        options = {"allow_unused": True, "materialize_grads": True}
        gradients = [torch.autograd.grad(x.sum(), tensors, **options) for x in (found, wanted)]
        close(*gradients, atol=1e-10)


@pytest.mark.parametrize("gradients", FLAGS)
@pytest.mark.parametrize("asked", [{}, {"return_sequences": True}, EVERYTHING])
@pytest.mark.parametrize("drops", FLAGS)
@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize(("batch", "units"), [(BATCH, UNITS), (1, UNITS), (BATCH, 1)])
def test_a_call_returns_what_is_asked_for_and_changes_no_argument(
    cell, drops, asked, gradients, batch, units
):
    import torch

    time = 23  # more than the steps of a GRU's prediction that are projected in one product
    rng = np.random.default_rng(3)
    tensors = leaves(cell, False, True, time, batch, units)
    args = arguments(cell, tensors, False, drops, rng.random((batch, time)) < 0.3)
    before = [tensor.detach().clone() for tensor in tensors]
    with torch.set_grad_enabled(gradients):
        found = run(cell, args, **asked)
    count = STATES[cell]
    wanted = plain(cell, args)
    states = wanted[count : count + (count if asked == EVERYTHING else len(asked))]
    gates = wanted[2 * count :] if asked == EVERYTHING else []
    close(found, [*wanted[:count], *states, *gates])
    close(tensors, before, atol=0)


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("gradients", FLAGS)
def test_nothing_of_the_sequence_before_reaches_a_new_one(cell, gradients):
    import torch

    tensors = leaves(cell, False, fresh=False)
    resets = np.tile(np.arange(TIME) == 3, (BATCH, 1))
    args = arguments(cell, tensors, False, False, resets)
    with torch.set_grad_enabled(gradients):
        wanted = run(cell, args, return_sequences=True)
        with torch.no_grad():
            args.inputs[0][:3] = torch.nan
        last, *_, hidden = run(cell, args, return_sequences=True)
    assert hidden[:3].isnan().all()
    close([last, hidden[3:]], [wanted[0], wanted[-1][3:]])


@pytest.mark.parametrize("cell", GATES)
def test_a_second_backward_pass_gives_the_same_gradients(cell):
    tensors = leaves(cell, False, fresh=True)
    h, *_ = run(cell, arguments(cell, tensors, True, True), **EVERYTHING)
    h.sum().backward(retain_graph=True)
    once = [tensor.grad.clone() for tensor in tensors]
    h.sum().backward()
    close([tensor.grad for tensor in tensors], [2 * gradient for gradient in once])


@pytest.mark.parametrize("cell", GATES)
def test_shapes_are_known_without_values(cell):
    tensors = [tensor.detach().to("meta") for tensor in leaves(cell, False, fresh=True)]
    args = arguments(cell, tensors, masked=False, drops=False)
    args = args._replace(resets=[args.resets[0].to("meta")])
    for tensor in run(cell, args, return_sequences=True):
        assert tensor.is_meta and tensor.shape[-2:] == (BATCH, UNITS)
