"""The loss of a model without each unit, and without each gate, of its recurrent layers."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import tree

from keras_rnnkit.models._ablation_runs import Runs
from keras_rnnkit.models._losses import metric_of, targets_like
from keras_rnnkit.models._runner import runner_for


class Ablated(NamedTuple):
    """The metric of a model without one unit or one gate.

    Attributes:
        layer: The key of the layer in `keras_rnnkit.trace`, and the part of its trace, such as
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
    """What `keras_rnnkit.ablate` returns: `Ablated` tuples, the most harmful first.

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
        metric: `"loss"`, the loss that the model is compiled with, including what layers add to it,
            such as that of an `activity_regularizer` (then each unit runs by itself); `"accuracy"`;
            or a function of targets and outputs that returns a loss, or the name of a loss of
            Keras.
        gate_value: At which value gates are fixed: `"mean"`, or a number, such as 0 or 1.
        layers: As in `keras_rnnkit.trace`; the others stay whole.
        batch_size: Rows that run at a time; `None` chooses.

    Returns:
        An `Ablation`, a sequence of `Ablated` tuples, the most harmful first: the highest loss, or
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
    gate_value = _checked_value(gate_value)
    runner = runner_for(model, layers)
    batches = list(runner.batches(x, batch_size))
    before = runner.traces([runner.run(batch) for batch in batches])
    y = targets_like(y, before.outputs)
    runs = Runs(runner, batches, before, gate_value)
    if metric == "loss" and runner.adds_losses:
        loss = runs.loss_within(y)
        base, values = loss(None), map(loss, runs.variants)
    else:
        whole = tree.map_structure(lambda *arrays: np.concatenate(arrays), *batches)
        evaluate = metric_of(model, metric, whole, y)
        base, values = evaluate(before.outputs), map(evaluate, _outputs(runs))
    rows = [
        Ablated(*variant, value, value - base)
        for variant, value in zip(runs.variants, values, strict=True)
    ]
    name = metric if isinstance(metric, str) else getattr(metric, "__name__", None)
    return Ablation(rows, name or type(metric).__name__, base)


def _outputs(runs: Runs) -> Iterator[Any]:
    """The outputs of each variant, several of which run as one batch."""
    for start in range(0, len(runs.variants), runs.at_a_time):
        yield from runs.outputs(runs.variants[start : start + runs.at_a_time])


def _checked_value(value: Any) -> Any:
    if isinstance(value, bool) or not (value == "mean" or isinstance(value, int | float)):
        raise TypeError(f'`gate_value` must be "mean" or a number. Received: gate_value={value!r}')
    return value
