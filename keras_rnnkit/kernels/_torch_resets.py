"""Sequences that start inside the rows of a batch, for the preallocated loops on PyTorch.

Before a step at which sequences start, a loop sets the states of their rows by index: on a CPU this
takes less time than a condition over all rows, and no number of the sequence before, not even a
NaN, reaches the new one. Where the states are outputs of the step before, it does so in a copy, in
one scratch tensor for all steps.
"""

from itertools import repeat
from typing import Any

import torch

from keras_rnnkit.kernels._arguments import Arguments

# The sequences that start at one step: their indices in the batch, and what they start from,
# (rows, units) or (states, rows, units), `None` for zeros. Most steps have one, so it is a plain
# tuple: a named one takes three times as long to make.
Starts = tuple[Any, Any]


def starts_by_step(args: Arguments) -> list[Any]:
    """The `Starts` of each step, `None` where no sequence starts."""
    if not args.resets or args.resets[0].is_meta:  # a tensor of the meta device has no values
        return [None] * len(args.inputs[0])
    resets = args.resets[0][..., 0]
    by_step, rows = resets.sum(1).tolist(), resets.nonzero()[:, 1].contiguous()
    counts = [count for count in by_step if count]
    states: Any = repeat(None)
    if args.fresh:
        every = [state[rows] for state in args.fresh]
        every = torch.stack(every) if len(every) > 1 else every[0]
        states = every.split(counts, dim=-2)
    starts = zip(rows.split(counts), states, strict=False)
    return [next(starts) if count else None for count in by_step]


def cleared(states: Any, starts: Starts, scratch: Any, batch_axis: int = -2) -> Any:
    """The states, with those of the rows that start set to what they start from.

    Args:
        states: `(batch, units)` or `(states, batch, units)`, after the step before.
        starts: The sequences that start.
        scratch: A tensor for a copy of the states, which holds until the next one; `None` changes
            the states themselves.
        batch_axis: The axis of the batch; -1 for `(units, batch)`.
    """
    rows, fresh = starts
    states = states if scratch is None else scratch.copy_(states)
    if fresh is None:
        return states.index_fill_(batch_axis, rows, 0)
    return states.index_copy_(batch_axis, rows, fresh if batch_axis == -2 else fresh.t())


def states_before(args: Arguments, buffers: list[Any]) -> list[Any]:
    """The states before each step, which the backward pass needs.

    Args:
        args: The arguments of the kernel.
        buffers: For each state one of `(time + 1, batch, units)`, with the initial states first.
    """
    before = [buffer[:-1] for buffer in buffers]
    if not args.resets or args.resets[0].is_meta:
        return before
    steps, rows = args.resets[0][..., 0].nonzero(as_tuple=True)
    before = [states.clone() for states in before]
    for k, states in enumerate(before):
        states[steps, rows] = args.fresh[k][rows] if args.fresh else 0
    return before


def cut(d_states: Any, starts: Starts, d_fresh: list[Any]) -> None:
    """Stop the gradients of the states at the sequences that start.

    Args:
        d_states: The gradients of the states before the step, like those of `Starts`.
        starts: The sequences that start.
        d_fresh: The gradients of the states that they start from, one `(batch, units)` for each
            state, to which those of these rows are added; none where sequences start from zeros.
    """
    rows, _ = starts
    if d_fresh:
        d_starts = d_states.index_select(-2, rows)
        d_starts = d_starts.view(len(d_fresh), -1, d_starts.shape[-1])
        for d_state, d_start in zip(d_fresh, d_starts, strict=True):
            d_state.index_add_(0, rows, d_start)
    d_states.index_fill_(-2, rows, 0)
