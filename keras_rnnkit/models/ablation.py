"""The loss of a model without each unit, and without each gate, of its recurrent layers."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import tree

from keras_rnnkit.cells._edits import Replacement
from keras_rnnkit.models._changes import parts_of_record
from keras_rnnkit.models._losses import metric_of, targets_like
from keras_rnnkit.models.editing import run_edited
from keras_rnnkit.models.traces import Traces, flat_records
from keras_rnnkit.models.tracing import runner_for


class Ablated(NamedTuple):
    """The metric of a model without one unit or one gate.

    Attributes:
        layer: The key of the layer in `keras_rnnkit.trace`, and the part of its record, such as
            `"bidirectional.forward"`.
        part: The name of the gate; for a unit, that of the state which is zero.
        unit: The index of the unit; `None` for a gate, which is fixed in all units.
        value: The metric without it.
        change: `value` less the metric of the whole model.
    """

    layer: str
    part: str
    unit: int | None
    value: float
    change: float


class Ablation(Sequence[Ablated]):
    """What `keras_rnnkit.ablate` returns: `Ablated` records, the most harmful first.

    `metric` is its name, and `base` the metric of the whole model.
    """

    def __init__(self, rows: Sequence[Ablated], metric: str, base: float) -> None:
        sign = -1 if metric == "accuracy" else 1
        self._rows = sorted(rows, key=lambda row: -sign * row.change)
        self.metric = metric
        self.base = base

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Ablated]:
        return iter(self._rows)

    @property
    def units(self) -> list[Ablated]:
        """The units, the most important first."""
        return [row for row in self if row.unit is not None]

    @property
    def gates(self) -> list[Ablated]:
        """The gates, the most important first."""
        return [row for row in self if row.unit is None]

    def __repr__(self) -> str:
        lines = [f"Ablation: {self.metric} {self.base:.4g} of the whole model; without"]
        for row in self._rows[:_SHOWN]:
            what = f"gate {row.part}" if row.unit is None else f"unit {row.unit}"
            lines.append(f"  {row.layer}, {what}: {row.value:.4g} ({row.change:+.4g})")
        if len(self) > _SHOWN:
            lines.append(f"  ... and {len(self) - _SHOWN} more")
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`, with a row for each `Ablated` and its fields as columns.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        import pandas

        return pandas.DataFrame(self._rows, columns=Ablated._fields)


_SHOWN = 20


def ablate(
    model: Any,
    x: Any,
    y: Any,
    metric: Any = "loss",
    gate_value: Any = "mean",
    layers: list[str] | None = None,
    batch_size: int | None = None,
) -> Ablation:
    """The loss or accuracy of a model without each unit, and without each gate.

    Without a unit: its element of the first state, `hidden`, is zero after every step, so that
    neither the output nor the next step sees it. Without a gate: in all units it is fixed, by
    default at the mean of each unit over the valid steps of `x`, so that it no longer depends on
    the input. The model is not changed, runs in inference mode, and is compiled once: several units
    run as rows of one batch.

    Args:
        model: A built model, as in `keras_rnnkit.trace`.
        x: The model's input.
        y: The targets.
        metric: `"loss"`, the loss that the model is compiled with; `"accuracy"`; or a function of
            targets and outputs that returns a loss, or the name of a loss of Keras.
        gate_value: At which value gates are fixed: `"mean"`, or a number, such as 0 or 1.
        layers: As in `keras_rnnkit.trace`; the others stay whole.
        batch_size: Rows that run at a time; `None` chooses.

    Returns:
        An `Ablation`, a sequence of `Ablated` records, the most harmful first: the highest loss, or
        the lowest accuracy.

    Raises:
        TypeError: If `metric` or `gate_value` is of no known kind.
        ValueError: If the model is not compiled with a loss and none is given; and as
            `keras_rnnkit.trace`.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([keras.Input((5, 3)), kit.LSTM(4), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> x, y = np.ones((8, 5, 3), "float32"), np.ones((8, 1), "float32")
    >>> ablation = kit.ablate(model, x, y)
    >>> len(ablation.units), [row.part for row in sorted(ablation.gates)]
    (4, ['candidate', 'forget', 'input', 'output'])
    """
    fixed = _checked_value(gate_value)
    runner = runner_for(model, layers)
    batches = list(runner.batches(x, batch_size))
    before = runner.traces([runner.run(batch) for batch in batches])
    whole = tree.map_structure(lambda *arrays: np.concatenate(arrays), *batches)
    evaluate = metric_of(model, metric, whole, targets_like(y, before.outputs))
    base = evaluate(before.outputs)
    variants = _variants(before)
    at_a_time = runner.copies_at_a_time(batches[0])
    rows = []
    for start in range(0, len(variants), at_a_time):
        group = variants[start : start + at_a_time]
        group += [None] * (at_a_time - len(group))  # of one size, for one compiled function
        outputs = [_run(runner, batch, group, before, fixed) for batch in batches]
        for i, variant in enumerate(group):
            if variant is None:
                continue
            own = tree.map_structure(lambda *parts: np.concatenate([p[i] for p in parts]), *outputs)  # noqa: B023
            value = evaluate(own)
            rows.append(Ablated(*variant, value, value - base))
    name = metric if isinstance(metric, str) else getattr(metric, "__name__", None)
    return Ablation(rows, name or type(metric).__name__, base)


# The layer, the gate or state, and the unit or `None`.
Variant = tuple[str, str, int | None]


def _checked_value(value: Any) -> Any:
    if isinstance(value, bool) or not (value == "mean" or isinstance(value, int | float)):
        raise TypeError(f'`gate_value` must be "mean" or a number. Received: gate_value={value!r}')
    return value


def _variants(before: Traces) -> list[Variant | None]:
    found: list[Variant | None] = []
    for name, record in flat_records(before):
        gates, state = _gates_and_state(record)
        units = getattr(record, state).shape[-1]
        found += [(name, gate, None) for gate in gates]
        found += [(name, state, unit) for unit in range(units)]
    return found


def _gates_and_state(record: Any) -> tuple[list[str], str]:
    """The names of the gates of a record, and of its first state."""
    names = [name for name in record._fields if name != "mask"]
    first = len(names) - len(record.origin.initial_states)
    return names[:first], names[first]


def _run(runner: Any, batch: Any, group: list[Variant | None], before: Traces, fixed: Any) -> Any:
    """The outputs `(variant, row, ...)` of one batch, whose rows are repeated for each variant."""
    count = len(group)
    copies = tree.map_structure(lambda a: np.concatenate([a] * count), batch)
    rows = len(tree.flatten(batch)[0])
    edits = {key: _edits(record, key, group, rows, fixed) for key, record in before.items()}
    outputs = run_edited(runner, copies, edits, before, outputs_only=True)
    return tree.map_structure(lambda a: a.reshape(count, rows, *a.shape[1:]), outputs)


def _edits(record: Any, name: str, group: list[Variant | None], rows: int, fixed: Any) -> Any:
    """The edits of a layer, in the structure of its record: all gates, and the first state."""
    parts = parts_of_record(record)
    if parts is not None:
        return {
            key: _edits(part, f"{name}.{key}", group, rows, fixed) for key, part in parts.items()
        }
    gates, state = _gates_and_state(record)
    made = {}
    for field in (*gates, state):
        values = getattr(record, field)
        size, steps = values.shape[-1], values.shape[-2]
        chosen = np.zeros((len(group), size), bool)
        for i, variant in enumerate(group):
            if variant is not None and variant[:2] == (name, field):
                chosen[i, slice(None) if variant[2] is None else variant[2]] = True
        value = np.zeros(size) if field == state else _fixed(values, record.mask, fixed)
        where = np.repeat(chosen, rows * int(np.prod(values.shape[1:-2])), axis=0)
        made[field] = [
            Replacement(
                np.broadcast_to(where, (steps, *where.shape)),
                np.broadcast_to(value.astype("float32"), (steps, 1, size)),
            )
        ]
    return made


def _fixed(values: Any, mask: Any, fixed: Any) -> np.ndarray:
    """The value of each unit at which a gate is fixed."""
    if fixed != "mean":
        return np.full(values.shape[-1], float(fixed))
    return values[mask].astype("float64").mean(0) if mask.any() else np.zeros(values.shape[-1])
