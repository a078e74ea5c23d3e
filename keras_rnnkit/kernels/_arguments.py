"""What a kernel takes and returns, on every backend."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Plan(NamedTuple):
    """What is fixed when a kernel is compiled.

    The methods that all backends share say how a step groups its matrix products:

    - "concatenated": one product of [input, state], all gates together.
    - "fused gates": one product of the inputs and one of the state, each of all gates together.
    - "per gate": the same two products, separately for each gate.
    - "hoisted": the inputs of all steps are projected ahead of the loop, so that a step is one
      product of the state, or one for each gate where dropout has a mask for each.
    - "hoisted or per gate": on TensorFlow, where the batch size is known only when the graph runs:
      "hoisted" for a single sequence, "per gate" for more.
    """

    cell: Any  # one of kernels._cells
    method: str
    return_sequences: bool = False  # the outputs of all steps are asked for
    capture_gates: bool = False  # the gates and states of all steps are asked for
    distributed: bool = False  # the rows of the batch may be on several devices


class Arguments(NamedTuple):
    """The tensors of a kernel, time first."""

    inputs: Any  # a list of one tensor (time, batch, features), or of one for each gate
    states: Any  # a list of (batch, units)
    kernel: Any  # (features, gates * units)
    recurrent_kernel: Any  # (units, gates * units)
    bias: Any  # (gates * units,); (2, gates * units) for a GRU that resets after the product
    mask: Any  # a list of none or of one (time, batch, 1), false where a step is skipped
    recurrent_masks: Any  # recurrent dropout: a list of none, or of (batch, units) for each gate
    resets: Any = ()  # a list of none or of one (time, batch, 1), true where a sequence starts
    fresh: Any = ()  # the states a sequence starts from, (batch, units) each; none for zeros


def as_gradients(args: Arguments, inputs: Any, states: Any, weights: Any) -> Arguments:
    """Gradients in the places of the arguments, with `None` for the masks and the resets.

    `states` are the gradients of the first states, followed by those of `args.fresh`.
    """
    count = len(args.states)
    kernel, recurrent_kernel, bias = weights
    return Arguments(
        inputs=inputs,
        states=states[:count],
        kernel=kernel,
        recurrent_kernel=recurrent_kernel,
        bias=bias,
        mask=[None] * len(args.mask),
        recurrent_masks=[None] * len(args.recurrent_masks),
        resets=type(args.resets)(None for _ in args.resets),
        fresh=type(args.fresh)(states[count:]),
    )


class Steps(NamedTuple):
    """Tensors of all steps, each `(time, batch, units)`, in lists."""

    states: Any = ()  # after each step
    gates: Any = ()
    previous_states: Any = ()  # before each step, for the backward pass
    extras: Any = ()  # what else the backward pass of a cell needs


# loop(step, carry, xs, widths, reverse=False): the backend's loop over time. The step takes the
# carry and a slice of xs, and returns the new carry and tensors (batch, width), in the structure
# of widths, which are stacked.
Loop = Callable[..., Any]


def outputs(plan: Plan, last: Any, steps: Steps) -> tuple[Any, Steps]:
    """What a kernel returns: the last states, and of the steps what the plan asks for."""
    if plan.capture_gates:
        return last, Steps(steps.states, steps.gates, [], [])
    return last, Steps(steps.states[: int(plan.return_sequences)], [], [], [])
