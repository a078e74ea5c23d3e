"""Sequences that start inside the rows of a batch, for the preallocated loops on PyTorch.

A loop has the states in a buffer. Before a step at which sequences start, it overwrites the states
of their rows by index: on a CPU this takes less time than a condition over all rows, and no number
of the sequence before, not even a NaN, reaches the new one. The states that are overwritten are
outputs of the step before: they are put back into a copy of the buffer after the loop.
"""

from typing import Any, NamedTuple

import torch

from keras_rnnkit.kernels._arguments import Arguments


class Starts(NamedTuple):
    """The sequences that start at one step."""

    rows: Any  # their indices in the batch
    states: Any  # what they start from, (..., rows, units)


def starts_by_step(args: Arguments) -> list[Any]:
    """The `Starts` of each step, `None` where no sequence starts.

    Their states are `(rows, units)` for a cell of one state, else `(states, rows, units)`.
    """
    if not args.resets or args.resets[0].is_meta:  # a tensor of the meta device has no values
        return [None] * len(args.inputs[0])
    resets = args.resets[0][..., 0]
    counts, rows = resets.sum(1).tolist(), resets.nonzero()[:, 1]
    zeros = [state.new_zeros(len(rows), state.shape[1]) for state in args.states]
    states = torch.stack([state[rows] for state in args.fresh] or zeros)
    states = states[0] if len(states) == 1 else states
    parts = zip(counts, rows.split(counts), states.split(counts, dim=-2), strict=True)
    return [Starts(*tensors) if count else None for count, *tensors in parts]


def clear(states: Any, starts: Starts, overwritten: list[Any] | None) -> None:
    """Set the states of the rows that start, and collect those they had, if there is a list.

    Args:
        states: `(..., batch, units)`, after the step before.
        starts: The sequences that start.
        overwritten: The states of all rows that were set before.
    """
    if overwritten is not None:
        overwritten.append(states.index_select(-2, starts.rows))
    states.index_copy_(-2, starts.rows, starts.states)


def states_after(buffers: list[Any], args: Arguments, overwritten: list[Any]) -> list[Any]:
    """The states after each step, from buffers in which those of some rows were overwritten.

    Args:
        buffers: For each state one of `(time + 1, batch, units)`, with the initial states first.
        args: The arguments of the kernel.
        overwritten: What `clear` collected.
    """
    if overwritten:
        steps, rows = args.resets[0][..., 0].nonzero(as_tuple=True)
        values = torch.cat(overwritten, dim=-2).view(-1, len(rows), buffers[0].shape[-1])
        buffers = [buffer.clone() for buffer in buffers]
        for buffer, values_of_state in zip(buffers, values, strict=False):
            buffer[steps, rows] = values_of_state
    return [buffer[1:] for buffer in buffers]


def cut(d_states: Any, starts: Starts, d_fresh: list[Any]) -> None:
    """Stop the gradients of the states at the sequences that start.

    Args:
        d_states: The gradients of the states before the step, like `Starts.states`.
        starts: The sequences that start.
        d_fresh: The gradients of the states that they start from, one `(batch, units)` for each
            state, to which those of these rows are added; none where sequences start from zeros.
    """
    if d_fresh:
        d_starts = d_states.index_select(-2, starts.rows)
        d_starts = d_starts.view(len(d_fresh), -1, d_starts.shape[-1])
        for d_state, d_start in zip(d_fresh, d_starts, strict=True):
            d_state.index_add_(0, starts.rows, d_start)
    d_states.index_fill_(-2, starts.rows, 0)
