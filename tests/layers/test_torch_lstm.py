"""The LSTM that works in place on PyTorch, against numeric gradients, with everything it takes."""

import itertools

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="a kernel of PyTorch's alone"
)

TIME, BATCH, FEATURES, UNITS = 4, 3, 2, 2
HOLES = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 1, 0]], bool)[..., None]
CASES = list(itertools.product((1, 4), (False, True), (False, True)))


def arguments(inputs, masked, drops, time=TIME):
    """Random tensors in float64, and what is fixed: `keep` and `drop`."""
    import torch

    rng = np.random.default_rng(0)

    def random(*shape):
        return torch.tensor(rng.normal(size=shape), requires_grad=True)

    tensors = [random(time, BATCH, FEATURES) for _ in range(inputs)]
    tensors += [random(BATCH, UNITS), random(BATCH, UNITS)]
    tensors += [random(FEATURES, 4 * UNITS), random(UNITS, 4 * UNITS), random(4 * UNITS)]
    keep = torch.tensor(HOLES[:time]) if masked else None
    drop = torch.tensor(rng.integers(0, 2, (4, BATCH, UNITS)) * 2.0) if drops else None
    return tensors, keep, drop


def run(tensors, keep, drop):
    from keras_rnnkit.kernels._torch_lstm import lstm

    *inputs, h, c, kernel, recurrent_kernel, bias = tensors
    h, c, gates, last_h, last_c = lstm(inputs, [h, c], kernel, recurrent_kernel, bias, keep, drop)
    if keep is not None:  # as the layer does: a step that is skipped shows no gates
        gates = gates * keep
    return h, c, gates, last_h, last_c


@pytest.mark.parametrize(("inputs", "masked", "drops"), CASES)
@pytest.mark.parametrize("time", [1, TIME])
def test_the_gradients_are_the_numeric_ones(inputs, masked, drops, time):
    import torch

    tensors, keep, drop = arguments(inputs, masked, drops, time)
    assert torch.autograd.gradcheck(lambda *tensors: run(tensors, keep, drop), tensors)


@pytest.mark.parametrize("asked", range(5), ids=["h", "c", "gates", "last h", "last c"])
def test_one_output_alone_has_its_gradients(asked):
    import torch

    tensors, keep, drop = arguments(1, masked=True, drops=True)
    tensors[0].requires_grad = False  # a first layer's inputs need none
    assert torch.autograd.gradcheck(lambda *tensors: run(tensors, keep, drop)[asked], tensors)


def test_the_way_back_can_be_gone_twice():
    tensors, keep, drop = arguments(1, masked=True, drops=True)
    h, *_ = run(tensors, keep, drop)
    h.sum().backward(retain_graph=True)
    once = [tensor.grad.clone() for tensor in tensors]
    h.sum().backward()
    for tensor, gradient in zip(tensors, once, strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), 2 * gradient.numpy())
