"""The part of the performance page about GPUs, from the results of `gpu.py`."""

from typing import Any

import _performance_prose as prose
from _grid import MODES, SHAPES
from _tables import LIBRARIES, MODE_NAMES, NAMES, NOTHING, table


def section(reports: list[dict[str, Any]]) -> str:
    """A table for each GPU and backend."""
    tables = [f"{_where(report)}:\n\n{_table(report['cells'])}" for report in reports]
    return "\n\n".join([prose.GPU.strip(), *tables])


def _where(report: dict[str, Any]) -> str:
    backend = report["backend"]
    version = f"{NAMES[backend]} {report['versions'][backend]}"
    return f"{version}, {report['device']}, host {report['machine']['cpu']}"


def _table(cells: dict[str, Any]) -> str:
    rows, head = [], [""]
    for mode in MODES:
        name = MODE_NAMES[mode]
        head += [f"{name}, ms a step", *(f"{name}, {LIBRARIES[other]}" for other in _OTHERS)]
    for key, cell in cells.items():
        layer, shape, variant = key.split("/")
        row = [f"{layer}, {variant.replace('_', ' ')}, {tuple(SHAPES[shape])}"]
        for mode in MODES:
            if mode in cell:
                row += [f"{cell[mode]['median_ms']['kit']:.2g}"]
                row += [_ratio(cell[mode].get(f"{other}_over_kit")) for other in _OTHERS]
        rows.append(row)
    return table(head, rows)


_OTHERS = ("keras", "torch_nn")


def _ratio(ratio: dict[str, float] | None) -> str:
    if ratio is None:
        return NOTHING
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
