"""Edits of the gates and states of a cell: values are replaced, or added to, in the loop.

A layer passes a `StepEdits` to the methods of a cell that have the argument `edit`, and the cell
calls it where other equations use a value: `r = edit("reset", r)`. What the cell does not pass to
it is edited after `gates`, and states are replaced after the step. So a user's cell needs no such
argument, unless its `gates` computes one gate from another.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops


def unedited(name: str, value: Any) -> Any:
    """The value as it is: what `edit` is in an ordinary call."""
    return value


class Replacement(NamedTuple):
    """New values of a gate or state.

    Attributes:
        where: Booleans that broadcast to `(time, batch, size)`, true where a value is replaced;
            in a step without the time axis.
        value: The new values, likewise; the indices of the steps for a function.
        function: `None`, or `function(old value, index of the step)`, which returns the new value.
    """

    where: Any
    value: Any
    function: Callable[[Any, Any], Any] | None = None

    def tensors(self) -> list[Any]:
        """What differs between steps."""
        return [self.where, self.value]

    def with_tensors(self, current: list[Any]) -> "Replacement":
        """The same with other tensors, which are taken from the front of a list."""
        return self._replace(where=current.pop(0), value=current.pop(0))

    def apply(self, old: Any) -> Any:
        """The old value of one step, replaced."""
        new = self.value if self.function is None else self.function(old, self.value)
        return ops.where(self.where, ops.cast(new, old.dtype), old)


class Addition(NamedTuple):
    """What is added to a gate or state: zeros, for the gradients with respect to it.

    A state is changed where the equations compute it, so that all that follows from it in the same
    step changes too, such as an LSTM's hidden state with its cell state.

    Attributes:
        value: `(time, batch, size)`; in a step without the time axis.
    """

    value: Any

    def tensors(self) -> list[Any]:
        """What differs between steps."""
        return [self.value]

    def with_tensors(self, current: list[Any]) -> "Addition":
        """The same with another tensor, which is taken from the front of a list."""
        return self._replace(value=current.pop(0))

    def apply(self, old: Any) -> Any:
        """The old value of one step, with the addition."""
        return old + ops.cast(self.value, old.dtype)


class StepEdits:
    """The edits of one cell in one step.

    Args:
        edits: By the name of a gate or state, a list of `Replacement` or `Addition` of the step.
        states: The names of the cell's states.
    """

    def __init__(self, edits: dict[str, list[Any]], states: tuple[str, ...]) -> None:
        self._edits = edits
        self._states = states
        self._seen: set[str] = set()

    def __call__(self, name: str, value: Any) -> Any:
        """The value where the equations compute it; a state is only added to here."""
        self._seen.add(name)
        return self._applied(name, value, Addition if name in self._states else object)

    def of_gates(self) -> "StepEdits":
        """The same without states, for a cell whose states another one changes after the step."""
        gates = {name: some for name, some in self._edits.items() if name not in self._states}
        return StepEdits(gates, self._states)

    def rest_of_gates(self, gates: Any) -> Any:
        """The gates, with the edits of those that the cell has not edited itself."""
        named = {name: value for name, value in gates._asdict().items() if name not in self._seen}
        return gates._replace(**{name: self(name, value) for name, value in named.items()})

    def after_step(self, output: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """Output and states after the step; the output follows the first state if it is that."""
        new = []
        for name, value in zip(self._states, states, strict=True):
            value = value if name in self._seen else self._applied(name, value, Addition)
            new.append(self._applied(name, value, Replacement))
        return (new[0] if output is states[0] else output), new

    def _applied(self, name: str, value: Any, kind: Any) -> Any:
        for edit in self._edits.get(name, []):
            value = edit.apply(value) if isinstance(edit, kind) else value
        return value


def edit_tensors(edits: Any) -> list[Any]:
    """The tensors that differ between steps, of edits in any structure of dicts and sequences."""
    if edits is None:
        return []
    if isinstance(edits, Replacement | Addition):
        return edits.tensors()
    parts = edits.values() if isinstance(edits, dict) else edits
    return [tensor for part in parts for tensor in edit_tensors(part)]


def with_edit_tensors(edits: Any, current: list[Any]) -> Any:
    """The same structure, whose tensors are taken from the front of `current`."""
    if edits is None:
        return None
    if isinstance(edits, Replacement | Addition):
        return edits.with_tensors(current)
    if isinstance(edits, dict):
        return {name: with_edit_tensors(part, current) for name, part in edits.items()}
    return type(edits)(with_edit_tensors(part, current) for part in edits)
