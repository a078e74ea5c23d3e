"""What `trace` returns: traces by layer, and how they are stored in a file."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import numpy as np

from keras_rnnkit._checks import PathLike, check_file
from keras_rnnkit.layers import BidirectionalTrace
from keras_rnnkit.models._keys import part_key
from keras_rnnkit.models._npz import load_archive, write_archive
from keras_rnnkit.models._traces_layout import restore, restore_outputs, store, store_outputs
from keras_rnnkit.models.origins import at_outer_step

_VERSION = 1


class Traces(Mapping[str, Any]):
    """The traces of a model's recurrent layers by key, in the order of the calls; read-only.

    `keras_rnnkit.trace` makes them. `outputs` is what the model returned, as arrays; `not_called`
    names the recurrent layers that the model has but did not call.
    """

    def __init__(self, traces: Mapping[str, Any], outputs: Any, not_called: Any = ()) -> None:
        self._traces = dict(traces)
        self.outputs = outputs
        self.not_called = tuple(not_called)

    def __getitem__(self, key: str) -> Any:
        if key not in self._traces:
            reason = ""
            if key in self.not_called:
                reason = "; the model has this layer, but did not call it"
            raise KeyError(
                f"the traced layers are {', '.join(map(repr, self))}{reason}. Received: key={key!r}"
            )
        return self._traces[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._traces)

    def __len__(self) -> int:
        return len(self._traces)

    def __repr__(self) -> str:
        lines = [f"Traces of {len(self)} layer{'s' * (len(self) != 1)}:"]
        for name, trace in _named_traces(self._traces):
            fields = ", ".join(trace._fields)
            lines.append(f"  {name}: {type(trace).__name__} {_shape(trace)}: {fields}")
        lines += [f"  {name}: not called" for name in self.not_called]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("layer", "trace", "shape", "mean by field"))
        rows = []
        for name, trace in _named_traces(self._traces):
            means = ", ".join(f"{field} {mean:.3g}" for field, mean in _means(trace))
            parts = (name, type(trace).__name__, _shape(trace), means)
            rows.append("".join(f"<td>{escape(str(part))}</td>" for part in parts))
        rows += [f"<td>{escape(name)}</td><td>not called</td>" for name in self.not_called]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`: a row for each example and step, a column for each unit.

        Its index is `(row, step)`, with an outer step between for a `TimeDistributed`; its columns
        are `(layer, field, unit)`, and `(layer, "mask", 0)` is true at valid steps.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
            ValueError: If the layers do not have the same axes of time; trace them one at a time.
        """
        import pandas

        traces = flat_traces(self._traces)
        shapes = {name: trace.mask.shape for name, trace in traces}
        if len(set(shapes.values())) > 1:
            raise ValueError(
                "`to_pandas` needs layers with the same number of steps, as a row of its table is "
                "one step of all of them. Trace the layers one at a time, by `layers=`. "
                f"Received: shapes={shapes}"
            )
        shape = next(iter(shapes.values()))
        names = ["row", "step"] if len(shape) == 2 else ["row", "outer_step", "step"]
        index = pandas.MultiIndex.from_product([range(n) for n in shape], names=names)
        columns = {
            (name, field, unit): values[:, unit]
            for name, trace in traces
            for field in trace._fields
            for values in [getattr(trace, field).reshape(len(index), -1)]
            for unit in range(values.shape[1])
        }
        frame = pandas.DataFrame(columns, index=index)
        frame.columns.names = ["layer", "field", "unit"]
        return frame

    def outer_step(self, step: int) -> "Traces":
        """The traces of the layers in `TimeDistributed` at one outer step, such as one sentence.

        Their fields are `(batch, time, units)` then, as plots take them. Other layers are left out.

        Args:
            step: The number of the outer step; a negative one counts from the end.

        Raises:
            ValueError: If no layer is in `TimeDistributed`, or one has no such step.
        """
        traces = {key: at_outer_step(trace, key, step) for key, trace in self.items()}
        kept = {key: trace for key, trace in traces.items() if trace is not None}
        if not kept:
            raise ValueError(
                "`outer_step` is for layers in `TimeDistributed`, whose fields are (batch, outer "
                f"time, time, units), and no layer is. Received: layers={list(self)}"
            )
        return Traces(kept, self.outputs)

    def save(self, path: PathLike, overwrite: bool = False) -> None:
        """Save the traces and outputs as one `.npz` file, without pickle.

        Other programs can read it: the array of a field is `"lstm.forget"`.

        Args:
            path: The file, which ends in `.npz`.
            overwrite: Whether to replace a file that is there.

        Raises:
            FileExistsError: If there is a file, and not `overwrite`.
            ValueError: If `path` does not end in `.npz`.
            OSError: If the file cannot be written; an old one is then unchanged.
        """
        target = check_file(path, "path", ".npz", overwrite)
        flat_traces(self)  # refuses names under which two arrays would be one
        arrays: dict[str, np.ndarray] = {}
        layout = {
            "version": _VERSION,
            "records": {key: store(trace, key, arrays) for key, trace in self.items()},
            "outputs": store_outputs(self.outputs, "outputs", arrays),
            "not_called": list(self.not_called),
        }
        write_archive(target, "layout", layout, arrays, overwrite=overwrite)

    @classmethod
    def load(cls, path: PathLike) -> "Traces":
        """The traces in a file that `save` wrote.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is not one of `save`, or incomplete, or changed.
        """
        advice = "trace the model again"
        return load_archive(path, "layout", _VERSION, cls._restored, "Traces.save", advice)

    @classmethod
    def _restored(cls, layout: Any, arrays: dict[str, np.ndarray]) -> "Traces":
        traces = {key: restore(part, arrays) for key, part in layout["records"].items()}
        outputs = restore_outputs(layout["outputs"], arrays)
        return cls(traces, outputs, layout["not_called"])


def flat_traces(traces: Any) -> list[tuple[str, Any]]:
    """The traces of single directions and layers, each with a name such as `"stack.rnn_0"`.

    Raises:
        ValueError: If two of them have one name.
    """
    named = _named_traces(traces)
    names = [one for one, _ in named]
    if len(set(names)) < len(names):
        twice = next(one for one in names if names.count(one) > 1)
        raise ValueError(
            "The parts of traces must have unique names, such as 'bidirectional.forward'; rename "
            f"a layer whose name has a '.'. Received: two parts with the name={twice!r}"
        )
    return named


def _named_traces(traces: Any, name: str = "") -> list[tuple[str, Any]]:
    """The same, where names need not be unique."""
    if isinstance(traces, Mapping):
        parts = list(traces.items())
    elif isinstance(traces, BidirectionalTrace):
        parts = list(zip(traces._fields, traces, strict=True))
    elif isinstance(traces, tuple) and not hasattr(traces, "_fields"):
        parts = [(str(i), part) for i, part in enumerate(traces)]
    else:
        return [(name, traces)]
    return [one for key, part in parts for one in _named_traces(part, part_key(name, key))]


def _shape(trace: Any) -> tuple[int, ...]:
    return tuple(trace[0].shape)


def _means(trace: Any) -> list[tuple[str, float]]:
    """The mean of each field over the valid steps."""
    fields = [field for field in trace._fields if field != "mask"]
    return [(field, float(getattr(trace, field)[trace.mask].mean())) for field in fields]
