"""The runs of `ablate`: a model without a unit, or with a gate fixed."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops, tree

from keras_rnnkit.cells._edits import Replacement, edit_tensors, with_edit_tensors
from keras_rnnkit.models._changes import parts_of_trace
from keras_rnnkit.models._keys import part_key
from keras_rnnkit.models._losses import loss_of
from keras_rnnkit.models.editing import for_target, run_edited
from keras_rnnkit.models.traces import Traces, flat_traces

# The layer, the gate or state, and the unit or `None`.
Variant = tuple[str, str, int | None]


class Runs:
    """A model, its input in batches, and what a variant does to its layers.

    Attributes:
        variants: One for each gate and each unit.
    """

    def __init__(self, runner: Any, batches: list[Any], before: Traces, gate_value: Any) -> None:
        """Find the variants.

        Args:
            runner: The runner of the model.
            batches: The input.
            before: The traces of all batches, without a variant.
            gate_value: At which value gates are fixed: `"mean"`, or a number.
        """
        self._runner, self._batches, self._before = runner, batches, before
        self._gate_value = gate_value
        self._rows = [len(tree.flatten(batch)[0]) for batch in batches]
        self.variants = _variants(before)

    def outputs(self, group: list[Variant]) -> list[Any]:
        """The outputs of the model for each variant of a group, which run as one batch."""
        size = self.at_a_time
        padded = [*group, *[None] * (size - len(group))]  # of one size, for one compiled function
        parts = [
            self._outputs(batch, rows, padded)
            for batch, rows in zip(self._batches, self._rows, strict=True)
        ]
        return [
            tree.map_structure(lambda *of: np.concatenate([one[i] for one in of]), *parts)  # noqa: B023
            for i in range(len(group))
        ]

    @property
    def at_a_time(self) -> int:
        """How many variants run as one batch."""
        return int(self._runner.copies_at_a_time(self._batches[0]))

    def _outputs(self, batch: Any, rows: int, group: list[Variant | None]) -> Any:
        """The outputs `(variant, row, ...)` of one batch, whose rows are repeated."""
        count = len(group)
        copies = tree.map_structure(lambda a: np.concatenate([a] * count), batch)
        edits = self._edits(group, rows)
        outputs = run_edited(self._runner, copies, edits, self._before, outputs_only=True)
        return tree.map_structure(lambda a: a.reshape(count, rows, *a.shape[1:]), outputs)

    def loss_within(self, y: Any) -> Callable[[Variant | None], float]:
        """The loss of the model as a function of a variant, with the losses that layers add.

        These exist only within a call of the model. So a variant runs by itself.
        """
        loss = loss_of(self._runner.model, None, "metric")
        template = self._for_targets([None], self._rows[0])

        def run(inputs: Any, targets: Any, tensors: Any) -> Any:
            edits = with_edit_tensors(template, list(tensors))
            of_outputs = lambda outputs: loss(inputs, targets, outputs)  # noqa: E731
            return self._runner.captured(inputs, edits, of_outputs)[0]

        compiled = self._runner.compiled(run)
        stops = np.cumsum(self._rows)

        def evaluate(variant: Variant | None) -> float:
            total = 0.0
            for batch, rows, stop in zip(self._batches, self._rows, stops, strict=True):
                targets = tree.map_structure(lambda a: a[stop - rows : stop], y)  # noqa: B023
                edits = edit_tensors(self._for_targets([variant], rows))
                given = tree.map_structure(ops.convert_to_tensor, [batch, targets, edits])
                total += rows * float(ops.convert_to_numpy(compiled(*given)))
            return total / sum(self._rows)

        return evaluate

    def _edits(self, group: list[Variant | None], rows: int) -> dict[str, Any]:
        return {key: self._of_trace(trace, key, group, rows) for key, trace in self._before.items()}

    def _for_targets(self, group: list[Variant | None], rows: int) -> dict[str, Any]:
        return {
            key: for_target(self._runner.target_of(key), edits, self._before[key])
            for key, edits in self._edits(group, rows).items()
        }

    def _of_trace(self, trace: Any, name: str, group: list[Variant | None], rows: int) -> Any:
        """The edits of a layer, in the structure of its trace: all gates, and the first state."""
        parts = parts_of_trace(trace)
        if parts is not None:
            return {
                key: self._of_trace(part, part_key(name, key), group, rows)
                for key, part in parts.items()
            }
        gates, state = _gates_and_state(trace)
        made = {}
        for field in (*gates, state):
            values = getattr(trace, field)
            size, steps = values.shape[-1], values.shape[-2]
            chosen = np.zeros((len(group), size), bool)
            for i, variant in enumerate(group):
                if variant is not None and variant[:2] == (name, field):
                    chosen[i, slice(None) if variant[2] is None else variant[2]] = True
            value = np.zeros(size) if field == state else self._fixed(values, trace.mask)
            value = value.astype("float64" if values.dtype == "float64" else "float32")
            where = np.repeat(chosen, rows * int(np.prod(values.shape[1:-2])), axis=0)
            new = np.broadcast_to(value, (steps, 1, size))
            made[field] = [Replacement(np.broadcast_to(where, (steps, *where.shape)), new)]
        return made

    def _fixed(self, values: Any, mask: Any) -> np.ndarray:
        """The value of each unit at which a gate is fixed."""
        if self._gate_value != "mean":
            return np.full(values.shape[-1], float(self._gate_value))
        return values[mask].astype("float64").mean(0) if mask.any() else np.zeros(values.shape[-1])


def _variants(before: Traces) -> list[Variant]:
    found: list[Variant] = []
    for name, trace in flat_traces(before):
        gates, state = _gates_and_state(trace)
        units = getattr(trace, state).shape[-1]
        found += [(name, gate, None) for gate in gates]
        found += [(name, state, unit) for unit in range(units)]
    return found


def _gates_and_state(trace: Any) -> tuple[list[str], str]:
    """The names of the gates of a trace, and of its first state."""
    names = [name for name in trace._fields if name != "mask"]
    first = len(names) - len(trace.origin.initial_states)
    return names[:first], names[first]
