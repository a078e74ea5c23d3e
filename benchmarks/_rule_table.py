"""The table of the methods that the rule takes, asked of the rule itself."""

from itertools import groupby, product
from typing import Any

from _results import BACKENDS
from _rule_data import rule
from _tables import MODE_NAMES, NAMES, table

WIDEST = 2048  # no threshold is above it
WIDTHS = (8, 32, 128, 512)
KINDS: dict[str, dict[str, Any]] = {
    "LSTM": {},
    "LSTM, masked": {"masked": True},
    "LSTM with gates": {"capture_gates": True},
    "LSTM with recurrent dropout": {"recurrent_dropout": True},
    "GRU": {"cell": "GRU"},
    "GRU, masked": {"cell": "GRU", "masked": True},
    "GRU with gates": {"cell": "GRU", "capture_gates": True},
    "GRU with recurrent dropout": {"cell": "GRU", "recurrent_dropout": True},
    "GRU(reset_after=False)": {"cell": "GRU, reset before"},
    "SimpleRNN": {"cell": "SimpleRNN"},
}


def rule_table() -> str:
    """The methods on a CPU by layer, with the widths from which each is taken."""
    rows = []
    for backend in BACKENDS:
        for name, options in KINDS.items():
            texts = [
                widths(backend=backend, training=mode == "train", **options) for mode in MODE_NAMES
            ]
            rows.append([NAMES[backend], name, *texts])
    return table(["", "Layer", *(name.capitalize() for name in MODE_NAMES.values())], _merged(rows))


def widths(**options: Any) -> str:
    """The methods of one kind of layer, from narrow to wide."""
    of_rule = rule()

    def method(units: int) -> str:
        return of_rule.choose(of_rule.Request(**options, units=units)).method

    runs = [(name, list(units)) for name, units in groupby(range(1, WIDEST), key=method)]
    texts = [runs[0][0]]
    texts += [f"{name} from {units[0]} units" for name, units in runs[1:]]
    return ", ".join(texts)


def in_explain(backend: str, method: str) -> str:
    """What `kit.explain` prints for a method, on a CPU and on a GPU."""
    of_rule, found = rule(), []
    for gpu, of, training, units in product((False, True), KINDS.values(), (True, False), WIDTHS):
        request = of_rule.Request(backend=backend, gpu=gpu, training=training, units=units, **of)
        choice = of_rule.choose(request)
        if choice.method == method and choice.reason not in found:
            found.append(choice.reason)
    return "; ".join(found)


def _merged(rows: list[list[str]]) -> list[list[str]]:
    """The rows, with layers of one backend that have the same methods in one row."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for backend, name, *texts in rows:
        merged.setdefault((backend, *texts), []).append(name)
    return [[backend, "; ".join(names), *texts] for (backend, *texts), names in merged.items()]
