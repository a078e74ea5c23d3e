"""What the backward passes of the kernels on PyTorch have in common."""

import contextlib
import functools
from collections.abc import Callable, Iterable
from typing import Any

import torch


def needs_gradients(*tensors: Any) -> bool:
    """Whether a backward pass is needed at all; inside a Function, torch does not say."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def without_subnormals(gradient: Any) -> Any:
    """The gradient of a state, with zeros for values near the end of the range of normal floats.

    A gradient that vanishes over time is subnormal for some twenty steps before it is zero, and a
    CPU calculates ten times slower with subnormal floats. So it is enough to do this every few
    steps. It is not done in float16: most gradients are subnormal there, and processors convert
    them to float32.
    """
    if gradient.dtype == torch.float16:
        return gradient
    return torch.nn.functional.hardshrink(gradient, torch.finfo(gradient.dtype).tiny * 2.0**24)


def check_gradients(*gradients: Any) -> None:
    """Refuse a second derivative, and a batch of gradients.

    The backward pass of a kernel is not differentiable: PyTorch would leave its part out of a
    second derivative without an error. And it writes into buffers, which PyTorch cannot batch.
    """
    if torch.is_grad_enabled():
        raise NotImplementedError(
            "a gradient with `create_graph=True` goes through a recurrent layer on its fused path, "
            'which cannot be differentiated twice. Make the layer with `path="portable"`.'
        )
    for gradient in gradients:
        if gradient is not None and not _has_storage(gradient):
            raise NotImplementedError(
                "a batch of gradients (`vectorize=True` of a Jacobian, `is_grads_batched=True`) "
                "goes through a recurrent layer on its fused path, which takes one at a time. "
                'Make the layer with `path="portable"`.'
            )


def _has_storage(tensor: Any) -> bool:
    """Whether a tensor is a plain one, and not a batch that PyTorch presents as one tensor."""
    try:
        tensor.data_ptr()
    except RuntimeError:
        return False
    return True


def without_autocast(*tensors: Any) -> Any:
    """The context in which operations on these tensors, or `None`, have the tensors' dtypes.

    Autocast would change the dtypes of some operations, but not of those that write into buffers.

    It has no meta device, on which Keras computes shapes. After an error there Keras would call the
    layer instead, which draws random numbers.
    """
    device = next((tensor.device.type for tensor in tensors if tensor is not None), "meta")
    if device == "meta" or not torch.is_autocast_enabled(device):
        return contextlib.nullcontext()
    return torch.autocast(device, enabled=False)


def states_of_gates(h: Any, recurrent_masks: Any, gates: int = 1) -> Iterable[Any]:
    """The hidden states that each gate multiplies; without masks, the same for so many gates."""
    return [h] * gates if recurrent_masks is None else (h * mask for mask in recurrent_masks)


def weight_gradient(values: Iterable[Any], d_preactivations: Iterable[Any]) -> Any:
    """The gradient of a kernel: for each gate, the product of what its weights multiply with `d`.

    Args:
        values: For each gate, or for all together, `(..., rows)`.
        d_preactivations: As many gradients `(steps, columns)`.

    Returns:
        `(rows, gates * units)`.
    """
    pairs = zip(values, d_preactivations, strict=True)
    return torch.cat([value.reshape(-1, value.shape[-1]).t() @ d for value, d in pairs], dim=-1)


def of_kernel(backward: Callable[..., Any]) -> Callable[..., Any]:
    """The `backward` of a kernel: refused where it cannot serve, else run without autocast."""

    @functools.wraps(backward)
    def inner(ctx: Any, *gradients: Any) -> Any:
        check_gradients(*gradients)
        with without_autocast(*gradients):
            return backward(ctx, *gradients)

    return inner
