"""What the backward passes of the kernels on PyTorch have in common."""

import contextlib
import functools
from collections.abc import Callable, Iterable
from typing import Any

import torch

sigmoid_backward = torch.ops.aten.sigmoid_backward
tanh_backward = torch.ops.aten.tanh_backward


def needs_gradients(*tensors: Any) -> bool:
    """Whether a backward pass is needed; `Function.forward` itself runs with gradients disabled."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def flush_to_zero(gradient: Any) -> Any:
    """The gradient of a state, with zeros for subnormal values and those up to 2**24 times larger.

    A gradient that vanishes over time is subnormal for some twenty steps before it is zero, and a
    CPU calculates ten times slower with subnormal floats. The factor 2**24 makes it enough to do
    this every few steps. It is not done in float16: many gradients are subnormal there, and
    processors convert them to float32.
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
            "A recurrent layer on its fused path cannot be differentiated twice. "
            'Make the layer with `path="portable"`. Received: create_graph=True'
        )
    for gradient in gradients:
        if gradient is not None and not _has_storage(gradient):
            raise NotImplementedError(
                "A recurrent layer on its fused path cannot take a batch of gradients (of a "
                "Jacobian with `vectorize=True`), only one at a time. "
                'Make the layer with `path="portable"`. Received: is_grads_batched=True'
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


def states_buffer(first: Any, time: int) -> Any:
    """A buffer `(..., time + 1, batch, units)` for all states, with the initial one at index 0."""
    buffer = first.new_empty(*first.shape[:-2], time + 1, *first.shape[-2:])
    buffer[..., 0, :, :] = first
    return buffer


def stacked(recurrent_masks: Any) -> Any:
    """The recurrent dropout masks in one tensor `(gates, batch, units)`; `None` for none."""
    return torch.stack(recurrent_masks) if recurrent_masks else None


def zeros_for_none(gradients: Iterable[Any], like: Iterable[Any]) -> list[Any]:
    """The gradients of these tensors, with zeros for `None`."""
    pairs = zip(gradients, like, strict=True)
    return [torch.zeros_like(tensor) if d is None else d for d, tensor in pairs]


def kernel_backward(backward: Callable[..., Any]) -> Callable[..., Any]:
    """The `backward` of a kernel: without autocast, and only once, as by `once_differentiable`."""

    @functools.wraps(backward)
    def inner(ctx: Any, *gradients: Any) -> Any:
        check_gradients(*gradients)
        with without_autocast(*gradients):
            return backward(ctx, *gradients)

    return inner
