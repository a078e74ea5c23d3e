"""What every runner takes, a `Call`, and what it returns: a `Carry` and `Steps`."""

import functools
from typing import Any, NamedTuple

from keras import ops, tree


class Carry(NamedTuple):
    """What a loop carries from one step to the next; a runner returns the last one."""

    output: Any  # (batch, ...)
    states: Any  # in the structure of the cell, each (batch, ...)
    gates: Any = ()


class Steps(NamedTuple):
    """The output, the states and the gates of every step, each tensor `(batch, time, ...)`."""

    outputs: Any
    states: Any = ()
    gates: Any = ()


class Call(NamedTuple):
    """One call of a layer: its inputs and options."""

    sequences: Any  # (batch, time, ...), in running order; zeros at masked steps
    initial_states: Any  # before the first step, in the structure of the cell
    mask: Any = None  # booleans (batch, time), false where a step is skipped
    dropout_masks: Any = None  # `Masks`, or a tuple of them for a stack of cells
    training: bool = False
    capture_gates: bool = False  # whether gates and states of every step are requested
    initial_output: Any = None  # before the first step, in a stream; `None` for zeros
    edits: Any = None  # edits of gates and states by name, or a tuple of them for a stack of cells
    zero_initial_states: bool = False  # whether `initial_states` are known to be zeros
    # Booleans (batch, time), in running order: the states are cleared before these steps.
    resets: Any = None
    fresh_states: Any = None  # what a new sequence starts from, like `initial_states`; or zeros


class Resets(NamedTuple):
    """The `resets` of a call together with the states of a new sequence, from an outer layer."""

    steps: Any  # booleans (batch, time), in the order of the input's time
    fresh_states: Any  # what a new sequence starts from, in a form that `initial_state` takes


def with_initial_output(call: Call, last: Carry, steps: Steps) -> tuple[Carry, Steps]:
    """Fix the outputs before the first valid step, for a runner that returns hidden states there.

    Before the first valid step the hidden state is the initial one, but the output has to be
    `call.initial_output`, or zeros. Before the first valid step of a sequence that starts at a
    reset, it has to be zeros.
    """
    if call.zero_initial_states and call.fresh_states is None:
        return last, steps
    has_output = _has_output(call)
    initial = call.initial_output
    initial = (ops.zeros_like(last.output) if initial is None else initial)[:, None]
    if call.initial_output is not None and call.resets is not None:
        number = sequence_numbers(call.resets)
        initial = ops.where(number[..., None] > 0, ops.zeros_like(initial), initial)
    last = last._replace(output=ops.where(has_output[:, -1:], last.output, initial[:, -1]))
    if steps.outputs is not None:
        outputs = ops.where(has_output[..., None], steps.outputs, initial)
        steps = steps._replace(outputs=outputs)
    return last, steps


def _has_output(call: Call) -> Any:
    """Whether the hidden state of each step is its output: `(batch, time)`."""
    valid = ops.cast(call.mask, "int32")
    count = ops.cumsum(valid, axis=1)
    # Where sequences start from zeros, the hidden state is what the output has to be.
    if call.resets is None or call.fresh_states is None:
        return count > 0
    sequence = sequence_numbers(call.resets)
    # How many valid steps there were before the sequence of each step. A sequence has the same
    # number at all its steps, and a number of its own among all rows, in ascending order.
    batch, time = ops.shape(valid)
    number = ops.reshape(sequence + (ops.arange(batch) * (time + 1))[:, None], (-1,))
    first_steps = ops.searchsorted(number, number)
    before = ops.take(ops.reshape(count - valid, (-1,)), first_steps)
    return count > ops.reshape(before, (batch, time))


def sequence_numbers(resets: Any) -> Any:
    """How many sequences have started in a row up to each step, `(batch, time)`."""
    return ops.cumsum(ops.cast(resets, "int32"), axis=1)


def fresh_or_zeros(fresh_states: Any, states: Any) -> Any:
    """What a new sequence starts from, where `None` stands for zeros like the states."""
    return tree.map_structure(ops.zeros_like, states) if fresh_states is None else fresh_states


# (batch, time, ...) to (time, batch, ...), or back.
swap_batch_and_time = functools.partial(ops.swapaxes, axis1=0, axis2=1)


def zeros_where_masked(mask: Any, values: Any) -> Any:
    """The values at valid steps, and zeros elsewhere.

    Args:
        mask: Boolean tensor `(batch, time)`, or `(batch,)` for values of one step.
        values: Tensor `(batch, time, ...)`, or `(batch, ...)`.
    """
    shape = (*ops.shape(mask), *(1,) * (len(values.shape) - len(mask.shape)))
    return ops.where(ops.reshape(mask, shape), values, ops.zeros_like(values))
