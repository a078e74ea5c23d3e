"""How PyTorch runs and differentiates functions of the package."""

from collections.abc import Callable
from typing import Any

import torch


def compiled(function: Callable[..., Any], variables: list[Any], xla: bool) -> Callable[..., Any]:
    """The function of tensors without a backward pass; it reads the variables as they then are."""
    return torch.no_grad()(function)


def value_and_gradients(function: Callable[..., Any], tensors: list[Any]) -> tuple[Any, list[Any]]:
    """The scalar `function(*tensors)`, and its gradients by the tensors.

    The `grad` of parameters stays as it is, and the results belong to no graph.
    """
    with torch.inference_mode(False), torch.enable_grad():
        # Copies, since a tensor of inference mode has no gradient.
        leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
        value = function(*leaves)
        if not value.requires_grad:  # it uses none of them
            return value, [torch.zeros_like(leaf) for leaf in leaves]
        gradients = torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
    return value.detach(), list(gradients)


def on_gpu(variable: Any) -> bool:
    """Whether a variable is on a GPU; `None` is not."""
    return variable is not None and variable.value.device.type == "cuda"


def has_onednn() -> bool:
    """Whether PyTorch has oneDNN, and may use it."""
    return torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled
