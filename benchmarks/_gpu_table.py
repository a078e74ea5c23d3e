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
    others = [name for name in _OTHERS if any(_times(cell, name) for cell in cells.values())]
    head = ["", "", "ms a step", *(LIBRARIES[other] for other in others)]
    rows = []
    for key, cell in cells.items():
        layer, shape, variant = key.split("/")
        name = f"{layer}, {variant.replace('_', ' ')}, {SHAPES[shape].units} units"
        for mode in sorted(cell.keys() & set(MODES), key=MODES.index):
            kit = f"{cell[mode]['median_ms']['kit']:.1f}"
            ratios = [_ratio(cell[mode].get(f"{other}_over_kit")) for other in others]
            rows.append([name, MODE_NAMES[mode], kit, *ratios])
            name = ""
    return table(head, rows)


_OTHERS = ("keras", "torch_nn")


def _times(cell: dict[str, Any], other: str) -> bool:
    return any(f"{other}_over_kit" in cell[mode] for mode in MODES if mode in cell)


def _ratio(ratio: dict[str, float] | None) -> str:
    if ratio is None:
        return NOTHING
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
