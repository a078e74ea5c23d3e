"""The argument and the result of every runner."""

from typing import Any, NamedTuple

from keras import ops


class Carry(NamedTuple):
    """What a loop carries from step to step: the output, the states and the gates."""

    output: Any
    states: Any
    gates: Any


class Call(NamedTuple):
    """One call of a layer: its inputs and options."""

    sequences: Any  # (batch, time, ...), in running order; zeros at masked steps
    states: Any  # before the first step, in the structure of the cell
    mask: Any = None  # booleans (batch, time), false where a step is skipped
    dropout_masks: Any = None  # `Masks`, or a tuple of them for a stack of cells
    training: bool = False
    capture_gates: bool = False  # whether gates and states of every step are requested
    before: Carry | None = None  # the carry before the first step, in a stream
    edits: Any = None  # edits of gates and states by name, or a tuple of them for a stack of cells
    starts_at_zero: bool = False  # whether `states` are known to be zeros


def outputs_from_states(call: Call, mask: Any, last: Carry, steps: Carry) -> tuple[Carry, Carry]:
    """The carries of a kernel whose outputs are its hidden states, changed to meet the contract.

    Before the first valid step, the hidden state is the initial one, but the output is that of the
    carry before the first step, or zeros.
    """
    if call.starts_at_zero:
        return last, steps
    seen = ops.cumsum(ops.cast(mask, "int32"), axis=1) > 0
    old = ops.zeros_like(last.output) if call.before is None else call.before.output
    last = last._replace(output=ops.where(seen[:, -1:], last.output, old))
    if steps.output is not None:
        steps = steps._replace(output=ops.where(seen[..., None], steps.output, old[:, None]))
    return last, steps


def zeros_where_masked(mask: Any, values: Any) -> Any:
    """The values at valid steps, and zeros elsewhere.

    Args:
        mask: Boolean tensor `(batch, time)`, or `(batch,)` for values of one step.
        values: Tensor `(batch, time, ...)`, or `(batch, ...)`.
    """
    shape = (*ops.shape(mask), *(1,) * (len(values.shape) - len(mask.shape)))
    return ops.where(ops.reshape(mask, shape), values, ops.zeros_like(values))
