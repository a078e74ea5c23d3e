"""A loop over chunks of steps on PyTorch, each of which the backward pass runs again."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from keras_rnnkit.kernels._recompute import values_of


@torch.compiler.disable  # it would unroll the loop, and cannot compile the kernels in a chunk
def recomputing_loop(
    step: Callable[..., Any], variables: list[Any], carry: Any, xs: list[Any], draws: bool
) -> tuple[Any, list[Any]]:
    """The loop of `Kernels.recomputing_loop`."""
    values, scope = values_of(variables)

    def run(carry: Any, current: list[Any]) -> Any:
        with scope(values):
            return step(carry, current)

    chunks = []
    for current in zip(*(x.unbind(0) for x in xs), strict=True):
        if torch.is_grad_enabled():
            options = {"use_reentrant": False, "preserve_rng_state": draws}
            carry, outputs = checkpoint(run, carry, list(current), **options)
        else:
            carry, outputs = run(carry, list(current))
        chunks.append(outputs)
    return carry, [torch.stack(tensors) for tensors in zip(*chunks, strict=True)]
