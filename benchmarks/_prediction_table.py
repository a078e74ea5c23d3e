"""The section of the performance page about prediction compared with onnxruntime."""

from itertools import product
from typing import Any

import _performance_prose as prose
from _tables import NAMES, NOTHING, table
from prediction import LAYERS, ROWS, WAYS

TABLES = {"kit": "With the kit's layers:", "keras": "With `keras.layers`:"}
TITLES = {
    "predict": "`predict`",
    "predict_on_batch": "`predict_on_batch`",
    "call": "`model(x)`",
    "function": "function",
}


def section(reports: list[dict[str, Any]]) -> str:
    """A table of the ways of calling, for each backend."""
    machines = dict.fromkeys(
        f"{report['machine']['cpu']}, {report['machine']['cores']} cores" for report in reports
    )
    measured = any(key.endswith("/one row") for report in reports for key in report["cells"])
    one_row = prose.ONE_ROW.format(shape=tuple(ROWS["one row"])) if measured else ""
    text = prose.PREDICTION.format(where=f"Measured on {' and '.join(machines)}.", one_row=one_row)
    tables = [f"{TABLES[library]}\n\n{_table(reports, library)}\n" for library in TABLES]
    return "\n".join([text, *tables, _reasons(reports)])


def _table(reports: list[dict[str, Any]], library: str) -> str:
    """A row for each backend and model, with the library's times."""
    head = ["", "", "onnxruntime", *TITLES.values()]
    rows = [
        [NAMES[report["backend"]], key.replace("/", ", "), *_cells(figures, library)]
        for report in reports
        for key in map("/".join, product(LAYERS, ROWS))
        if (figures := report["cells"].get(key))
    ]
    return table(head, rows)


def _reasons(reports: list[dict[str, Any]]) -> str:
    """Why prediction takes longer than in onnxruntime."""
    times = {
        key.partition("/")[0]: figures["predict_on_batch"]["median_ms"]
        for report in reports
        for key, figures in report["cells"].items()
        if report["backend"] == "torch" and key.endswith("/one row")
    }
    text = prose.TORCH_NN.format(
        times=" and ".join(f"{ms['torch_nn'] / ms['onnxruntime']:.1f}" for ms in times.values()),
        layers=" and ".join(times),
    )
    return prose.REASONS.format(torch_nn=text if times else "")


def _cells(figures: dict[str, Any], library: str) -> list[str]:
    baseline = [figures[way]["median_ms"]["onnxruntime"] for way in WAYS if way in figures]
    return [f"{min(baseline):.3g}"] + [
        _milliseconds(figures[way]["median_ms"], library) if way in figures else NOTHING
        for way in WAYS
    ]


def _milliseconds(medians: dict[str, float], library: str) -> str:
    return f"{medians[library]:.3g} ({medians[library] / medians['onnxruntime']:.2f})"
