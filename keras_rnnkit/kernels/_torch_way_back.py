"""What the ways back of the kernels on PyTorch have in common."""

from typing import Any

import torch


def needs_gradients(*tensors: Any) -> bool:
    """Whether a way back is needed at all; inside a Function, torch does not say."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def check_first_order() -> None:
    """Refuse to be differentiated twice: the way back of a kernel has none of its own.

    Left alone, torch would leave its share out of the second gradient without a word.
    """
    if torch.is_grad_enabled():
        raise NotImplementedError(
            "a gradient with `create_graph=True` goes through a recurrent layer on its fused path, "
            'which cannot be differentiated twice. Make the layer with `path="portable"`.'
        )


def without_traces(gradient: Any) -> Any:
    """The gradient of a state, with zero for what is about to leave the range of normal floats.

    A gradient that fades on its way through time spends some twenty steps among the subnormal
    floats, with which a CPU calculates ten times slower, before it is zero anyway. In float16 that
    is where most gradients are, and processors calculate in float32.
    """
    if gradient.dtype == torch.float16:
        return gradient
    return torch.nn.functional.hardshrink(gradient, torch.finfo(gradient.dtype).tiny * 2.0**24)
