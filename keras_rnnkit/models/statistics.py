"""Statistics of the gates and states of a model over many sequences, in little memory."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from keras_rnnkit._gate_statistics import (
    CLOSED,
    OPEN,
    half_lives,
    log_retention,
    retention,
)
from keras_rnnkit.models.origins import origin_of
from keras_rnnkit.models.traces import Traces, flat_traces

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_HIGHEST = 5  # steps that are kept for each unit


class FieldStatistics(NamedTuple):
    """Statistics of one gate or state over all valid `steps`, for each unit.

    `quantiles` are those of `probabilities`, read from a histogram of fixed bins: each is within
    `quantile_error` of the exact one. `closed` and `open` are the fractions of steps with values
    below 0.1 and above 0.9, `None` for fields that are not between 0 and 1. `highest` are the five
    largest values, or all if there are fewer, and `highest_rows` and `highest_steps` the sequences
    and steps where they are.
    """

    steps: int
    is_state: bool  # a state, and not a gate
    mean: np.ndarray  # (units,)
    low: np.ndarray  # (units,), the least value
    high: np.ndarray  # (units,), the greatest value
    probabilities: np.ndarray  # (quantiles,)
    quantiles: np.ndarray  # (quantiles, units)
    quantile_error: np.ndarray  # (quantiles, units)
    closed: np.ndarray | None  # (units,)
    open: np.ndarray | None  # (units,)
    highest: np.ndarray  # (n, units)
    highest_rows: np.ndarray  # (n, units)
    highest_steps: np.ndarray  # (n, units)


class LayerStatistics(Mapping[str, FieldStatistics]):
    """The statistics of a layer's fields by name, and `half_life`, `(units,)`.

    A half-life is the number of steps after which half of a state's old content is left, from the
    geometric mean of the gate that keeps it; `None` for a cell without such a gate.
    """

    def __init__(self, fields: dict[str, FieldStatistics], half_life: np.ndarray | None) -> None:
        self._fields, self.half_life = fields, half_life

    def __getitem__(self, field: str) -> FieldStatistics:
        return self._fields[field]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class TraceStatistics(Mapping[str, LayerStatistics]):
    """The statistics of a model's recurrent layers, by name.

    A direction of a `Bidirectional` is `"bidirectional.forward"`, a layer of a `StackedRNN`
    `"stacked_rnn.rnn_0"`, a cell of a stack `"rnn.0"`. `rows` is the number of sequences.
    """

    def __init__(self, layers: dict[str, LayerStatistics], rows: int) -> None:
        self._layers, self.rows = layers, rows

    def __getitem__(self, name: str) -> LayerStatistics:
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __repr__(self) -> str:
        lines = [f"TraceStatistics of {self.rows} sequences, mean over units:"]
        for name, layer in self.items():
            lines.append(f"  {name}")
            if layer.half_life is not None:
                lines.append(f"    half-life {np.median(layer.half_life):.3g} steps (median)")
            for field, values in layer.items():
                text = f"    {field:<10} mean {values.mean.mean():.3f}"
                if values.closed is not None and values.open is not None:
                    text += f", below {CLOSED} {values.closed.mean():.0%}"
                    text += f", above {OPEN} {values.open.mean():.0%}"
                lines.append(text)
        return "\n".join(lines)


class Accumulator:
    """Takes traces batch by batch, and keeps their statistics alone."""

    def __init__(self) -> None:
        self._layers: dict[str, _Layer] = {}
        self._rows = 0

    def add(self, traces: Traces) -> None:
        """Add the traces of one batch."""
        rows = 0
        for name, trace in flat_traces(traces):
            layer = self._layers.setdefault(name, _Layer(trace))
            layer.add(trace, self._rows)
            rows = len(trace.mask)
        self._rows += rows

    def result(self) -> TraceStatistics:
        """The statistics of all batches so far."""
        layers = {name: layer.result() for name, layer in self._layers.items()}
        return TraceStatistics(layers, self._rows)


class _Layer:
    """The sums of one layer."""

    def __init__(self, trace: Any) -> None:
        origin = origin_of(trace)
        states = trace._fields[-1 - len(origin.initial_states) : -1]
        self._fields = {
            field: _Field(getattr(trace, field).shape[-1], field in states)
            for field in trace._fields
            if field != "mask"
        }
        self._log: Any = 0.0
        self._count = 0

    def add(self, trace: Any, first_row: int) -> None:
        places = np.nonzero(trace.mask)
        rows, steps = places[0] + first_row, places[-1]
        valid = {field: getattr(trace, field)[places] for field in self._fields}
        for field, values in valid.items():
            self._fields[field].add(values, rows, steps)
        kept = retention(valid, trace.origin)
        if kept is not None:
            self._log = self._log + log_retention(kept[1]).sum(axis=0)
            self._count += len(rows)

    def result(self) -> LayerStatistics:
        fields = {name: field.result() for name, field in self._fields.items()}
        half_life = half_lives(self._log / self._count) if self._count else None
        return LayerStatistics(fields, half_life)


class _Field:
    """The sums, the histogram and the highest values of one gate or state."""

    def __init__(self, units: int, is_state: bool) -> None:
        self._is_state = is_state
        self._count, self._sum = 0, np.zeros(units)
        self._low, self._high = np.full(units, np.inf), np.full(units, -np.inf)
        self._histogram = np.zeros((units, len(_EDGES) - 1), np.int64)
        self._closed, self._open = np.zeros(units, np.int64), np.zeros(units, np.int64)
        size = _HIGHEST if is_state else 0
        self._highest = np.full((size, units), -np.inf)
        self._rows = np.full((size, units), -1)
        self._steps = np.full((size, units), -1)

    def add(self, values: np.ndarray, rows: np.ndarray, steps: np.ndarray) -> None:
        if not len(values):
            return
        if values.dtype.itemsize < 4:  # half precision is too coarse for the bins
            values = values.astype("float32")
        self._count += len(values)
        self._sum += values.sum(axis=0, dtype="float64")
        self._low = np.minimum(self._low, values.min(axis=0))
        self._high = np.maximum(self._high, values.max(axis=0))
        self._closed += (values < CLOSED).sum(axis=0)
        self._open += (values > OPEN).sum(axis=0)
        known = ~np.isnan(values)  # a NaN is in no bin, and makes the mean and the quantiles NaN
        bins = _bins(np.where(known, values, 0)) + np.arange(values.shape[1]) * (len(_EDGES) - 1)
        counts = np.bincount(bins[known], minlength=self._histogram.size)
        self._histogram += counts.reshape(self._histogram.shape)
        if self._is_state:
            self._add_highest(values, rows, steps)

    def _add_highest(self, values: np.ndarray, rows: np.ndarray, steps: np.ndarray) -> None:
        if len(values) > _HIGHEST:  # sort only what can be among the highest
            least = np.partition(-values, _HIGHEST - 1, axis=0)[_HIGHEST - 1]
            if not np.isnan(least).any():
                chosen = (-values <= least).any(axis=1)
                values, rows, steps = values[chosen], rows[chosen], steps[chosen]
        places = np.argsort(-values, axis=0, kind="stable")[:_HIGHEST]
        all_values = np.concatenate([self._highest, np.take_along_axis(values, places, axis=0)])
        best = np.argsort(-all_values, axis=0, kind="stable")[:_HIGHEST]
        self._highest = np.take_along_axis(all_values, best, axis=0)
        self._rows = np.take_along_axis(np.concatenate([self._rows, rows[places]]), best, axis=0)
        self._steps = np.take_along_axis(np.concatenate([self._steps, steps[places]]), best, axis=0)

    def result(self) -> FieldStatistics:
        count = max(self._count, 1)
        between = bool((self._low >= 0).all() and (self._high <= 1).all() and not self._is_state)
        quantiles, error = self._quantiles()
        highest = min(len(self._highest), self._count)
        nowhere = self._rows[:highest] < 0  # in place of a NaN
        return FieldStatistics(
            steps=self._count,
            is_state=self._is_state,
            mean=self._sum / count,
            low=self._low,
            high=self._high,
            probabilities=np.array(QUANTILES),
            quantiles=quantiles,
            quantile_error=error,
            closed=self._closed / count if between else None,
            open=self._open / count if between else None,
            highest=np.where(nowhere, np.nan, self._highest[:highest]),
            highest_rows=self._rows[:highest],
            highest_steps=self._steps[:highest],
        )

    def _quantiles(self) -> tuple[np.ndarray, np.ndarray]:
        """The middles of the bins of the quantiles, and half the widths of these bins."""
        cumulated = self._histogram.cumsum(axis=1)
        found = [
            (cumulated <= p * max(self._count - 1, 0)).sum(axis=1).clip(max=len(_EDGES) - 2)
            for p in QUANTILES
        ]
        low, high = _EDGES[np.array(found)], _EDGES[np.array(found) + 1]
        low, high = (
            np.maximum(low, self._low),
            np.minimum(high, self._high),
        )
        return (low + high) / 2, np.abs(high - low) / 2


# Bins of one width from -1 to 1, where gates and hidden states are; outside, their width grows
# with the value, up to a million.
_BINS = 800
_TAIL = np.geomspace(1, 1e6, 601)
_EDGES = np.concatenate([-_TAIL[:0:-1], np.linspace(-1, 1, _BINS + 1), _TAIL[1:]])


def _bins(values: np.ndarray) -> np.ndarray:
    """The bin of each value; values beyond the last one are in it."""
    middle = len(_TAIL) - 1
    bins = ((values + 1) * (_BINS / 2)).clip(0, _BINS - 1).astype(np.int64) + middle
    outside = np.abs(values) > 1
    if outside.any():
        found = np.searchsorted(_EDGES, values[outside], side="right") - 1
        bins[outside] = found.clip(0, len(_EDGES) - 2)
    return bins
