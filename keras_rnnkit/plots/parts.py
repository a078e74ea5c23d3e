"""Splits a trace of any form that the layers return into the traces of single layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

# The trace types by the number of their fields, for the error about a trace without field names.
_NAMED = {
    3: "kit.SimpleRNNTrace(*trace) for a SimpleRNN",
    4: "kit.MinGRUTrace(*trace) for a MinGRU",
    5: "kit.GRUTrace(*trace) for a GRU, kit.MinLSTMTrace(*trace) for a MinLSTM",
    6: "kit.NASTrace(*trace) for a NASCell",
    7: "kit.LSTMTrace(*trace) for an LSTM, kit.RGLRUTrace(*trace) for an RGLRU",
}


class Part(NamedTuple):
    """The trace of one layer in one direction."""

    title: str  # names it in a picture; empty if there is only one
    key: str  # the expression that takes it out of the trace: `["rnn_0"].forward`
    trace: Any


def split_parts(trace: Any, title: str = "", key: str = "", argument: str = "trace") -> list[Part]:
    """The traces of single layers in this one.

    A `BidirectionalTrace` has two, the dictionary of a `StackedRNN` and the tuple of an `RNN`
    around several cells those of their layers.
    """
    if is_single(trace):
        return [Part(title, key, trace)]
    inner: dict[str, tuple[str, Any]]
    if is_bidirectional(trace):
        inner = {f".{name}": (name, part) for name, part in trace._asdict().items()}
    elif isinstance(trace, Mapping) and trace:
        inner = {f'["{name}"]': (str(name), part) for name, part in trace.items()}
    elif type(trace) is tuple and trace and all(map(is_single, trace)):
        inner = {f"[{index}]": (f"cell {index}", part) for index, part in enumerate(trace)}
    else:
        raise TypeError(_complaint(trace, f"{argument}{key}"))
    return [
        found
        for inner_key, (name, part) in inner.items()
        for found in split_parts(part, f"{title} {name}".strip(), key + inner_key, argument)
    ]


def is_single(trace: Any) -> bool:
    """Whether this is the trace of one layer in one direction."""
    names: tuple[str, ...] = getattr(trace, "_fields", ())
    return len(names) >= 2 and names[-1] == "mask"


def is_bidirectional(trace: Any) -> bool:
    """Whether this is a `BidirectionalTrace`."""
    return getattr(trace, "_fields", ()) == ("forward", "backward")


def _complaint(trace: Any, name: str) -> str:
    """The error: what is expected, and how to get it from what was received."""
    expected = (
        f"`{name}` must be a trace of a recurrent layer: a NamedTuple of arrays "
        "(batch, time, units) whose last field is `mask`. The traces of both directions or of a "
        "stack, as their layers return them, are taken too."
    )
    if not isinstance(trace, list | tuple) or not trace:
        return f"{expected} Received: type({name})={type(trace).__name__}"
    received = f"Received: type({name})={type(trace).__name__}, len({name})={len(trace)}"
    if is_single(trace[-1]) or is_bidirectional(trace[-1]) or isinstance(trace[-1], Mapping):
        return f"{expected} Take it out of what the layer returned: {name}[-1]. {received}"
    nested = all(isinstance(part, list | tuple) for part in trace)
    if nested and len(trace) == 2:
        named = f"kit.BidirectionalTrace(kit.LSTMTrace(*{name}[0]), kit.LSTMTrace(*{name}[1]))"
    elif nested:
        named = f"tuple(kit.LSTMTrace(*part) for part in {name})"
    else:
        named = _NAMED.get(len(trace), "the `trace_type` of the cell, called with *trace")
        named = named.replace("*trace", f"*{name}")
    return (
        f"{expected} A reloaded model returns a list, which lacks the names of the fields. "
        f"Give them back: {named}. {received}"
    )
