"""Training in chunks of steps: the states at the start of each chunk are kept, the rest is not.

The backward pass runs each chunk again, from the states at its start (gradient checkpointing, Chen
et al., 2016). With chunks of `k` steps, it needs the memory of `k` steps and of `time / k` states.

A chunk is a call of its own, on the path of the layer: it starts from the states and the output
after the chunk before it. So every path and every cell supports it alike.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.cells import Zoneout
from keras_rnnkit.cells._masks import masks_of_step, with_masks_of_step
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running.calls import Call, Carry, Steps, swap_batch_and_time
from keras_rnnkit.running.loop import (
    is_of_the_kit,
    output_size,
    recompiles_loops,
    zeros_of_size,
)
from keras_rnnkit.running.rule import Choice, Request

# `recompute=True` takes the square root of the number of steps, where kept states and chunk need
# about the same memory, but no fewer steps than this: each chunk has a cost of its own.
FEWEST = 32

# The chunk of `recompute=True` where TensorFlow does not know the number of steps. The last chunk
# is then padded to this length, so a short batch should not pay for a long one.
UNKNOWN = 64


def steps_of_chunk(recompute: bool | int, time: int | None) -> int:
    """How many steps a chunk has.

    Args:
        recompute: The layer's argument, not `False`.
        time: The number of steps of the call, `None` where it is not known.
    """
    if recompute is not True:
        return recompute
    return UNKNOWN if time is None else max(FEWEST, math.ceil(math.sqrt(time)))


def with_recompute(request: Request, choice: Choice) -> Choice:
    """The choice, with what `recompute` does in such a call and why."""
    if not (request.recompute and request.training):
        return choice
    obstacle = _obstacle(request)
    if obstacle:
        return choice._replace(reason=f"{choice.reason}; no recompute, as {obstacle}")
    steps = request.recompute
    of_steps = f"{steps} step{'s' * (steps > 1)}"
    if steps is True:
        of_steps = f"about sqrt(time) steps, at least {FEWEST}"
    reason = f"{choice.reason}; recompute: in chunks of {of_steps}, each run again for the gradient"
    return choice._replace(reason=reason, recompute=True)


def _obstacle(request: Request) -> str:
    """Why a call in training cannot run in chunks, or would not need less memory; "" if it can."""
    obstacles = {
        "the gates of all steps are returned": request.capture_gates,
        "a step of this cell may give another result the second time": not request.runs_again,
        "the cell holds tensors, and TensorFlow has no gradients of them": request.holds_tensors,
        "PyTorch transforms or records the call": request.transformed or request.exported,
    }
    return next((text for text, holds in obstacles.items() if holds), "")


def can_run_again(cell: Any) -> bool:
    """Whether a second run of a step gives the same result, with all gradients.

    So it is for the cells of the kit, whose random masks are drawn before the loop, and for layers
    that assign no variable, such as the seed of a dropout. The variables of an object that is no
    layer of Keras are not known.
    """
    if isinstance(cell, keras.layers.StackedRNNCells):
        return all(map(can_run_again, cell.cells))
    if type(cell) is Zoneout:
        return can_run_again(cell.cell)
    if type(cell) in _OF_KERAS:
        return not (cell.dropout or cell.recurrent_dropout)
    if is_of_the_kit(cell):
        return True
    return isinstance(cell, keras.layers.Layer) and not cell.non_trainable_variables


def holds_tensors(cell: Any) -> bool:
    """Whether a cell has attributes, beside its variables, whose gradients would be lost.

    So it is on TensorFlow alone: its loop has gradients of the tensors that it is given.
    """
    if keras.config.backend() != "tensorflow" or is_of_the_kit(cell):
        return False
    parts, seen = [cell], set()
    while parts:
        part = parts.pop()
        seen.add(id(part))
        for value in tree.flatten(list(vars(part).values())):
            if ops.is_tensor(value) and not isinstance(value, keras.Variable):
                return True
            if isinstance(value, keras.layers.Layer) and id(value) not in seen:
                parts.append(value)
    return False


_OF_KERAS = (keras.layers.GRUCell, keras.layers.LSTMCell, keras.layers.SimpleRNNCell)


def run_in_chunks(
    layer: Any, call: Call, run_chunk: Callable[[Call], tuple[Carry, Steps]]
) -> tuple[Carry, Steps]:
    """What `run_chunk(call)` returns, computed chunk by chunk.

    Args:
        layer: The layer, with its `recompute`.
        call: The call, with its dropout masks.
        run_chunk: The runner of the layer's path; the contract is in `running/run.py`.
    """
    time = call.sequences.shape[1]
    length = steps_of_chunk(layer.recompute, time)
    fits_in_one = time is not None and time <= length
    # An eager call on JAX has no backward pass.
    if fits_in_one or recompiles_loops(layer.cell, call):
        return run_chunk(call)
    in_call = _InCall(dtype=layer.dtype_policy, name="in_call")

    def run_in_call(chunk: Call) -> tuple[Carry, Steps]:
        result: tuple[Carry, Steps] = in_call(run=lambda: run_chunk(chunk), training=True)
        return result

    if time is None:
        time = ops.shape(call.sequences)[1]
        call = _padded(call, -time % length)
    xs, step = _of_steps(call), _step_function(layer.return_sequences, call, run_in_call)
    last, outputs = _first_carry(layer.cell, call), []
    # A carry has the gradients that a constant of the step would not have on TensorFlow.
    fresh = () if call.fresh_states is None else call.fresh_states
    draws = not is_of_the_kit(layer.cell)  # the kit draws its masks before the loop
    for part, steps in _parts(xs, length):
        kinds = [(last.output.dtype, (steps, *last.output.shape))] * layer.return_sequences
        (last, fresh), ys = backend_kernels().recomputing_loop(
            step, _variables(layer.cell), (last, fresh), part, kinds, draws
        )
        outputs += [ops.reshape(y, (-1, *ops.shape(y)[2:])) for y in ys]
    if not outputs:
        return last, Steps(None)
    joined = outputs[0] if len(outputs) == 1 else ops.concatenate(outputs)
    return last, Steps(swap_batch_and_time(joined[:time]))


class _InCall(keras.layers.Layer):
    """Runs a function as in the call of a layer in training.

    The backward pass runs a chunk where its layer is not called. There, Keras would neither cast
    the variables to the layer's compute dtype nor tell the layers inside a cell that they train.
    """

    def call(self, run: Callable[[], Any], training: Any = None) -> Any:
        return run()


def _padded(call: Call, steps: Any) -> Call:
    """The call with so many masked steps behind it, where their number is not known."""
    mask = call.mask
    if mask is None:
        mask = ops.ones(ops.shape(call.sequences)[:2], dtype="bool")
    masks = call.dropout_masks
    drawn = [_with_zeros(of_steps, steps, axis=0) for of_steps in masks_of_step(masks)]
    return call._replace(
        sequences=_with_zeros(call.sequences, steps, axis=1),
        mask=_with_zeros(mask, steps, axis=1),
        resets=None if call.resets is None else _with_zeros(call.resets, steps, axis=1),
        dropout_masks=with_masks_of_step(masks, drawn),
    )


def _with_zeros(tensor: Any, count: Any, axis: int) -> Any:
    shape = list(ops.shape(tensor))
    shape[axis] = count
    return ops.concatenate([tensor, ops.zeros(shape, dtype=tensor.dtype)], axis=axis)


def _first_carry(cell: Any, call: Call) -> Carry:
    output = call.initial_output
    if output is None:
        output = zeros_of_size(output_size(cell), call.initial_states)
    return Carry(output, call.initial_states)


def _of_steps(call: Call) -> list[Any]:
    """The tensors of a call that have a part for each step, time first."""
    given = [x for x in (call.sequences, call.mask, call.resets) if x is not None]
    return [*map(swap_batch_and_time, given), *masks_of_step(call.dropout_masks)]


def _step_function(
    return_sequences: bool, call: Call, run_chunk: Callable[[Call], tuple[Carry, Steps]]
) -> Callable[..., tuple[Any, list[Any]]]:
    """The step of the loop over the chunks; its carry is a `Carry` and the fresh states."""

    def step(carry: Any, current: list[Any]) -> tuple[Any, list[Any]]:
        before, fresh = carry
        sequences, *others = current
        mask, resets = (
            None if x is None else swap_batch_and_time(others.pop(0))
            for x in (call.mask, call.resets)
        )
        chunk = call._replace(
            sequences=swap_batch_and_time(sequences),
            mask=mask,
            resets=resets,
            dropout_masks=with_masks_of_step(call.dropout_masks, others),
            initial_states=before.states,
            initial_output=before.output,
            fresh_states=None if call.fresh_states is None else fresh,
            zero_initial_states=False,
        )
        last, steps = run_chunk(chunk)
        states = tree.pack_sequence_as(before.states, tree.flatten(last.states))
        outputs = [swap_batch_and_time(steps.outputs)] if return_sequences else []
        return (Carry(last.output, states), fresh), outputs

    return step


def _parts(xs: list[Any], length: int) -> list[tuple[list[Any], int]]:
    """The tensors in chunks, `(chunks, steps, ...)`, and the number of steps of each.

    First those of `length` steps; then, if steps are left, one shorter chunk.
    """
    time = xs[0].shape[0]
    if time is None:  # padded to a multiple of the length
        return [([_in_chunks(x, length) for x in xs], length)]
    rest = time % length
    parts = [([_in_chunks(x[: time - rest], length) for x in xs], length)]
    if rest:
        parts.append(([x[None, time - rest :] for x in xs], rest))
    return parts


def _in_chunks(tensor: Any, length: int) -> Any:
    return ops.reshape(tensor, (-1, length, *ops.shape(tensor)[1:]))


def _variables(cell: Any) -> list[Any]:
    """The variables of the cell that may have a gradient; a seed has none."""
    return [v for v in cell.variables if "float" in keras.utils.standardize_dtype(v.dtype)]
