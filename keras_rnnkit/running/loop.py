"""One loop over time for every cell and backend: states, masks, and gates on request."""

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit import cells
from keras_rnnkit.cells import GatedCell, Zoneout
from keras_rnnkit.cells._edits import StepEdits, edit_tensors, with_edit_tensors
from keras_rnnkit.cells._masks import masks_of_step, with_masks_of_step
from keras_rnnkit.cells._takes import edit_for_method, masks_for_method, takes_training
from keras_rnnkit.cells.zoneout import state_names
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running.assigned_variables import non_trainable_variables, with_variables_in_carry
from keras_rnnkit.running.calls import Call, Carry, Steps, fresh_or_zeros, swap_batch_and_time

StackedRNNCells = keras.layers.StackedRNNCells


def run_loop(cell: Any, call: Call, unroll: bool = False) -> tuple[Carry, Steps]:
    """Run a cell over time.

    Args:
        cell: Any recurrent cell.
        call: What it runs over.
        unroll: Whether to unroll the loop.

    Returns:
        `(last, steps)`, as in the contract in `running/run.py`, with all outputs and states.
    """
    states, mask, capture_gates = call.initial_states, call.mask, call.capture_gates
    valid_steps = [] if mask is None else [swap_batch_and_time(mask)]
    resets = [] if call.resets is None else [swap_batch_and_time(call.resets)]
    dropout_masks, edits = masks_of_step(call.dropout_masks), edit_tensors(call.edits)
    xs = (swap_batch_and_time(call.sequences), *valid_steps, *resets, *dropout_masks, *edits)
    next_carry = _step_function(cell, states, call)
    output = call.initial_output
    initial = Carry(
        zeros_of_size(output_size(cell), states) if output is None else output,
        states,
        _zero_gates(cell, states) if capture_gates else (),
    )

    def step(carry: Carry, current: Any) -> tuple[Carry, Carry]:
        x, *others = current
        valid = None if mask is None else others.pop(0)
        if call.resets is not None:
            carry = _restarted(carry, call.fresh_states, others.pop(0))
        masks = with_masks_of_step(call.dropout_masks, others)
        new = next_carry(x, carry, masks, with_edit_tensors(call.edits, others))
        new = new if valid is None else _masked(new, carry, valid)
        return new, new

    loop = _unrolled if unroll else backend_loop()
    if loop is ops.scan:
        loop = with_variables_in_carry(loop, non_trainable_variables(cell))
    last, steps = loop(step, initial, xs)
    return last, Steps(*tree.map_structure(swap_batch_and_time, steps))


def output_size(cell: Any) -> Any:
    """The width of a cell's output: its `output_size`, else that of its first state."""
    size = getattr(cell, "output_size", None)
    if size is not None:
        return size
    state_size = cell.state_size
    return state_size[0] if isinstance(state_size, list | tuple) else state_size


def exposes_gates(cell: Any) -> bool:
    """Whether calling the cell is `gates`, then `step`, so that the gates can be captured."""
    if isinstance(cell, Zoneout):
        return exposes_gates(cell.cell)
    return isinstance(cell, GatedCell) and type(cell).call is GatedCell.call


def is_of_the_kit(cell: Any) -> bool:
    """Whether a cell is one of the kit's own, whose steps have no effects besides their results."""
    if isinstance(cell, StackedRNNCells):
        return all(map(is_of_the_kit, cell.cells))
    if isinstance(cell, Zoneout):
        return type(cell) is Zoneout and is_of_the_kit(cell.cell)
    return type(cell) in _OF_THE_KIT


_OF_THE_KIT = {getattr(cells, name) for name in cells.__all__ if name.endswith("Cell")}


def recompiles_loops(cell: Any, tensors: Any) -> bool:
    """Whether each loop over tensors, and over the variables of a cell, is compiled anew."""
    values = [variable.value for variable in getattr(cell, "variables", ())]
    return backend_kernels().recompiles_loops(tensors, values)


def _step_function(cell: Any, states: Any, call: Call) -> Callable[..., Carry]:
    """The step of the loop; the carry keeps its structure and dtypes, as a scan requires."""
    training, capture_gates = call.training, call.capture_gates

    def step_of_any_cell(x: Any, carry: Carry, masks: Any, edits: Any) -> Carry:
        output, new_states, gates = _step(cell, x, carry.states, training, masks, edits)
        new_states = tree.pack_sequence_as(states, tree.flatten(new_states))
        new = Carry(output, new_states, gates if capture_gates else ())
        return tree.map_structure(_cast_like, new, carry)

    def step_of_kit_cell(x: Any, carry: Carry, masks: Any, edits: None) -> Carry:
        gates = cell.gates(x, carry.states, training=training, masks=masks)
        output, new_states = cell.step(gates, carry.states, masks=masks)
        return Carry(output, new_states, gates if capture_gates else ())

    is_plain = exposes_gates(cell) and is_of_the_kit(cell) and call.edits is None
    return step_of_kit_cell if is_plain else step_of_any_cell


def _step(
    cell: Any, x: Any, states: Any, training: bool, masks: Any, edits: Any
) -> tuple[Any, Any, Any]:
    """One step of a cell, or of a stack of cells: the output, the new states, the gates."""
    if isinstance(cell, StackedRNNCells):
        new_states, gates = [], []
        none = [None] * len(cell.cells)
        masks, edits = (none if each is None else each for each in (masks, edits))
        parts = zip(cell.cells, states, masks, edits, strict=True)
        for part, part_states, part_masks, part_edits in parts:
            x, new, part_gates = _step(part, x, part_states, training, part_masks, part_edits)
            new_states.append(new)
            gates.append(part_gates)
        return x, new_states, tuple(gates)
    if edits is not None:
        return _edited_step(cell, x, states, training, masks, edits)
    return _cell_step(cell, x, states, training, masks, None)


def _edited_step(
    cell: Any, x: Any, states: Any, training: bool, masks: Any, edits: dict[str, Any]
) -> tuple[Any, Any, Any]:
    """One step of a cell with its edits; a `Replacement` of a state applies after the step."""
    edit = StepEdits(edits, state_names(cell))
    output, new, gates = _cell_step(cell, x, states, training, masks, edit)
    output, flat = edit.after_step(output, tree.flatten(new))
    return output, tree.pack_sequence_as(new, flat), gates


def _cell_step(
    cell: Any, x: Any, states: Any, training: bool, masks: Any, edit: StepEdits | None
) -> tuple[Any, Any, Any]:
    if isinstance(cell, Zoneout):
        inner_masks = None if masks is None else masks.cell
        inner_edit = None if edit is None else edit.of_gates()
        output, new, gates = _cell_step(cell.cell, x, states, training, inner_masks, inner_edit)
        return *cell.zoned(output, new, states, masks), gates
    states = list(states) if isinstance(states, list | tuple) else [states]
    if exposes_gates(cell):
        options = {**masks_for_method(cell, "gates", masks), **edit_for_method(cell, "gates", edit)}
        gates = cell.gates(x, states, training=training, **options)
        if edit is not None:
            gates = edit.rest_of_gates(gates)
        options = {**masks_for_method(cell, "step", masks), **edit_for_method(cell, "step", edit)}
        return *cell.step(gates, states, **options), gates
    call = cell if callable(cell) else cell.call
    options = {"training": training} if takes_training(cell) else {}
    return *call(x, states, **options), ()


def _zero_gates(cell: Any, states: Any) -> Any:
    """Zeros in the structure of the cell's gates, which are the gates of a masked step."""
    if isinstance(cell, StackedRNNCells):
        return tuple(_zero_gates(c, s) for c, s in zip(cell.cells, states, strict=True))
    if not exposes_gates(cell):
        return ()
    zeros = zeros_of_size(cell.units, states)
    return cell.gates_type(*(zeros for _ in cell.gates_type._fields))


def zeros_of_size(size: Any, states: Any) -> Any:
    """Zeros `(batch, *size)` in the dtype of the states, the compute dtype of the cell."""
    first = tree.flatten(states)[0]
    size = tuple(size) if isinstance(size, list | tuple) else (size,)
    return ops.zeros((ops.shape(first)[0], *size), dtype=first.dtype)


def _restarted(old: Carry, fresh_states: Any, resets: Any) -> Carry:
    """The carry before a step: as before the first one where a new sequence starts."""
    choose = functools.partial(_choose, resets)
    states = tree.map_structure(choose, fresh_or_zeros(fresh_states, old.states), old.states)
    return old._replace(output=choose(ops.zeros_like(old.output), old.output), states=states)


def _masked(new: Carry, old: Carry, valid: Any) -> Carry:
    """The new carry at a valid step; at a masked one the old output and states, and zero gates."""
    choose = functools.partial(_choose, valid)
    return Carry(
        choose(new.output, old.output),
        tree.map_structure(choose, new.states, old.states),
        tree.map_structure(lambda gate: choose(gate, ops.zeros_like(gate)), new.gates),
    )


def _choose(condition: Any, value: Any, otherwise: Any) -> Any:
    """One value or the other for each row of the batch."""
    shape = (-1,) + (1,) * (len(value.shape) - 1)
    return ops.where(ops.reshape(condition, shape), value, otherwise)


def backend_loop() -> Callable[..., Any]:
    """The backend's loop. On PyTorch `keras.ops.scan` is a Python loop too, and a slower one."""
    if keras.config.backend() == "tensorflow":
        return backend_kernels().scan
    return _unrolled if keras.config.backend() == "torch" else ops.scan


def _unrolled(step: Callable[..., Any], carry: Carry, xs: Any) -> tuple[Carry, Carry]:
    steps = []
    for current in zip(*map(ops.unstack, xs), strict=True):
        carry, y = step(carry, current)
        steps.append(y)
    return carry, tree.map_structure(lambda *values: ops.stack(values), *steps)


def _cast_like(value: Any, old: Any) -> Any:
    """The value in the dtype of the previous step's, as a scan requires."""
    return value if value.dtype == old.dtype else ops.cast(value, old.dtype)
