"""What the ways back of the kernels on PyTorch have in common."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import torch


def needs_gradients(*tensors: Any) -> bool:
    """Whether a backward pass is needed at all; inside a Function, torch does not say."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def without_traces(gradient: Any) -> Any:
    """The gradient of a state, with zero for what is about to leave the range of normal floats.

    A gradient that fades on its way through time spends some twenty steps among the subnormal
    floats, with which a CPU calculates ten times slower, before it is zero anyway. In float16 that
    is where most gradients are, and processors calculate in float32.
    """
    if gradient.dtype == torch.float16:
        return gradient
    return torch.nn.functional.hardshrink(gradient, torch.finfo(gradient.dtype).tiny * 2.0**24)


def check_gradients(*gradients: Any) -> None:
    """Refuse to be differentiated twice, or by many gradients at once.

    The backward pass of a kernel has none of its own: left alone, torch would leave its share out
    of a second gradient without a word. And it works in place, for which torch has no batches.
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
    """Whether a tensor is one by itself, and not many that torch shows as one."""
    try:
        tensor.data_ptr()
    except RuntimeError:
        return False
    return True


def without_autocast(*tensors: Any) -> Any:
    """The context in which operations on these tensors, or `None`, have the tensors' dtypes.

    Autocast would give some operations other dtypes, and not those that write in place.

    It knows no meta device, which Keras asks for shapes: an error there would have Keras call the
    layer for them, and draw random numbers for nothing.
    """
    types = {tensor.device.type for tensor in tensors if tensor is not None} - {"meta"}
    return torch.autocast(types.pop(), enabled=False) if types else contextlib.nullcontext()


def of_kernel(backward: Callable[..., Any]) -> Callable[..., Any]:
    """The `backward` of a kernel: refused where it cannot serve, else run without autocast."""

    @functools.wraps(backward)
    def inner(ctx: Any, *gradients: Any) -> Any:
        check_gradients(*gradients)
        with without_autocast(*gradients):
            return backward(ctx, *gradients)

    return inner
