"""The section of the performance page about prediction compared with onnxruntime."""

from typing import Any

import _performance_prose as prose
from _tables import NAMES, NOTHING, table
from prediction import ROWS, WAYS

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
    head = ["", "", "onnxruntime", *TITLES.values(), *(f"Keras, {t}" for t in TITLES.values())]
    rows = [
        [NAMES[report["backend"]], key.replace("/", ", "), *_cells(figures)]
        for report in reports
        for key, figures in report["cells"].items()
    ]
    return text + "\n" + table(head, rows)


def _cells(figures: dict[str, Any]) -> list[str]:
    baseline = [figures[way]["median_ms"]["onnxruntime"] for way in WAYS if way in figures]
    return [f"{min(baseline):.3g}"] + [
        _milliseconds(figures[way]["median_ms"], library) if way in figures else NOTHING
        for library in ("kit", "keras")
        for way in WAYS
    ]


def _milliseconds(medians: dict[str, float], library: str) -> str:
    return f"{medians[library]:.3g} ({medians[library] / medians['onnxruntime']:.2f})"
