"""Writes `docs/background/performance.md` from the saved results.

    python benchmarks/performance_page.py           # writes the page
    python benchmarks/performance_page.py --check   # fails where the page is not that one

It also writes the chart of that page, and the sentence that sums it up, which the home page shows
too. All numbers come from the files in `benchmarks/results`.
"""

import argparse
import sys
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import _gpu_table
import _headline
import _performance_prose as prose
import _prediction_table as _prediction
import _tables
from _grid import MODES
from _results import BACKENDS, KEPT_MEMORY, RESULTS, every, fullest, peaks, write_or_check

DOCS = Path(__file__).parent.parent / "docs"
Reports = list[dict[str, Any]]
TRACES = ("tracing", "gate_monitor")  # scripts about what `trace` costs


class Results(NamedTuple):
    """All that the page is made of."""

    reports: Reports
    peaks: dict[str, Any]  # by processor
    memory: Reports
    kept: Reports
    prediction: Reports
    streams: Reports
    chains: Reports
    traces: Reports
    monitors: Reports
    others: Reports  # of `layers.py`, all processors
    gpus: Reports


def page(results: Results) -> str:
    """The whole page."""
    reports, peaks = results.reports, results.peaks
    parts = [
        prose.INTRODUCTION.format(line=_headline.line(reports)),
        environments(reports, peaks),
        prose.COMMANDS,
        *(
            section(
                report,
                peaks[report["machine"]["cpu"]],
                of_backend(results.memory, report["backend"]),
            )
            for report in reports
        ),
        *([others(results.others)] if results.others else []),
        *([_prediction.section(results.prediction)] if results.prediction else []),
        *([keeping(reports, results.kept)] if results.kept else []),
        *([stacks(results.chains)] if results.chains else []),
        *([streaming(results.streams)] if results.streams else []),
        *([tracing(results.traces)] if results.traces else []),
        *([monitor(results.monitors)] if results.monitors else []),
        *([_gpu_table.section(results.gpus)] if results.gpus else []),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def environments(reports: Reports, peaks: dict[str, Any]) -> str:
    """A table of where each backend was measured."""
    columns = [facts(report, peaks[report["machine"]["cpu"]]) for report in reports]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return _tables.table(["", *(_tables.NAMES[report["backend"]] for report in reports)], rows)


def facts(report: dict[str, Any], peak: dict[str, Any]) -> dict[str, str]:
    """Where and when a file's results were measured."""
    versions, machine = report["versions"], report["machine"]
    cells = report["cells"].values()
    dates = sorted({figures["date"] for figures in cells})
    rounds = sorted(
        {
            len(figure["rounds_ms"]["kit"])
            for figures in cells
            for figure in figures.values()
            if "rounds_ms" in figure
        }
    )
    threads = [f"`{name}={value}`" for name, value in report["threads"].items()]
    return {
        "version": versions[report["backend"]],
        "Keras": versions["keras"],
        "keras-rnnkit": versions["keras-rnnkit"],
        "NumPy": versions["numpy"],
        "Python": versions["python"],
        "processor": f"{machine['cpu']}, {machine['cores']} cores",
        "GEMM peak": f"{peak['gflops']:g} GFLOP/s",
        "device": report["device"],
        "threads": ", ".join(threads) or "default",
        "rounds": " to ".join(str(count) for count in dict.fromkeys((*rounds[:1], *rounds[-1:]))),
        "measured": " to ".join(dict.fromkeys((*dates[:1], *dates[-1:]))),
    }


def section(report: dict[str, Any], peak: dict[str, Any], memory: Reports) -> str:
    """All about one backend."""
    cells = report["cells"]
    name = _tables.NAMES[report["backend"]]
    slower = _tables.slower(cells)
    limit = f"{_tables.SLOWER:g}"
    parts = [
        (f"## {name}\n\n{prose.RATIOS}", _tables.ratios(cells, "keras")),
        (prose.TORCH_RATIOS, _tables.ratios(cells, "torch_nn")),
        (prose.MILLISECONDS, _tables.milliseconds(cells, peak["gflops"])),
        *((memory_text(of_memory), _tables.memory(of_memory["cells"])) for of_memory in memory),
        (prose.SLOWER.format(limit=limit), slower or "There are none."),
    ]
    return "\n\n".join(f"{text}\n\n{figures}" for text, figures in parts if figures)


def memory_text(report: dict[str, Any]) -> str:
    """What the values of memory are."""
    text = prose.MEMORY.format(where=where([report]))
    if report["backend"] == "jax":
        return f"{text}\n{prose.PLANNED}"
    off = report["threads"].get("TF_ENABLE_ONEDNN_OPTS") == "0"
    return f"{text}\n{prose.WITHOUT_ONEDNN}" if off else text


def of_backend(reports: Reports, backend: str) -> Reports:
    """Those of one backend."""
    return [report for report in reports if report["backend"] == backend]


def keeping(reports: Reports, kept: Reports) -> str:
    """What keeping freed memory changes, a column for each backend."""
    plain = {
        report["backend"]: report["cells"]
        for report, other in product(reports, kept)
        if all(report[fact] == other[fact] for fact in ("backend", "machine", "versions"))
    }
    head = ["", *(_tables.NAMES[report["backend"]] for report in kept)]
    keys = list(dict.fromkeys(key for report in kept for key in report["cells"]))
    rows = [
        [
            key.replace("/", ", ").replace("_", " "),
            *(
                _tables.kept(
                    report["cells"].get(key, {}), plain.get(report["backend"], {}).get(key, {})
                )
                for report in kept
            ),
        ]
        for key in keys
    ]
    variables = " ".join(f"{name}={value}" for name, value in KEPT_MEMORY.items())
    return prose.KEPT.format(variables=variables) + "\n" + _tables.table(head, rows)


def streaming(streams: Reports) -> str:
    """What a step costs in a stream."""
    head = ["", "", "a step", "a step, ten at a time", "the whole model"]
    rows = [
        [_tables.NAMES[report["backend"]], name]
        + [f"{cell['median_us'][way]:.0f}" for way in ("step", "chunk", "whole")]
        for report in streams
        for name, cell in report["cells"].items()
    ]
    text = prose.STREAMING.format(steps=streams[0]["steps"], where=where(streams))
    return text + "\n" + _tables.table(head, rows)


def tracing(reports: Reports) -> str:
    """What tracing a model costs, in time beside `predict` and in memory."""
    head = ["", "model of the kit", "model of `keras.layers`", "memory", "seconds"]
    rows = []
    for report in reports:
        ratios = [report["cells"][library]["trace_over_predict"] for library in ("kit", "keras")]
        texts = [f"{r['median']:.2f} ({r['min']:.2f} to {r['max']:.2f})" for r in ratios]
        many = report["cells"]["25000 rows"]
        grown = [f"{many['growth_mib']:.0f} MiB", f"{many['seconds']:.0f}"]
        rows.append([_tables.NAMES[report["backend"]], *texts, *grown])
    text = prose.TRACING.format(steps=reports[0]["steps"], units=reports[0]["units"])
    return f"{text.strip()} {where(reports)}\n\n{_tables.table(head, rows)}"


def monitor(reports: Reports) -> str:
    """What `GateMonitor` adds to an epoch."""
    cells = [report["cells"]["epoch"] for report in reports]
    rounds = min(len(cell["rounds_s"]["with"]) for cell in cells)
    text = prose.MONITOR.format(steps=reports[0]["steps"], rounds=rounds).strip()
    head = ["", "added to an epoch", "seconds of an epoch without it"]
    rows = []
    for report, cell in zip(reports, cells, strict=True):
        added = cell["added"]
        spread = f"{added['median']:.1%} ({added['min']:.1%} to {added['max']:.1%})"
        name = _tables.NAMES[report["backend"]]
        rows.append([name, spread, f"{cell['seconds']['without']:.1f}"])
    return f"{text}\n\n{_tables.table(head, rows)}\n\n{where(reports)}"


def stacks(reports: Reports) -> str:
    """A stack beside the chain."""
    head = ["", *(_tables.NAMES[report["backend"]] for report in reports)]
    rows = [
        [name, *(f"{r['cells'][name]['chain_over_stack']['median']:.2f}" for r in reports)]
        for name in reports[0]["cells"]
    ]
    return prose.STACKS.format(where=where(reports)) + "\n" + _tables.table(head, rows)


def others(reports: Reports) -> str:
    """The speed relative to Keras on every processor."""
    rows = []
    for report in reports:
        cells = [
            f"{median(ratios):.2f} ({min(ratios):.2f})" if ratios else _tables.NOTHING
            for ratios in (_headline.found(report, mode) for mode in MODES)
        ]
        machine = f"{report['machine']['cpu']}, {report['machine']['cores']} cores"
        name = _tables.NAMES[report["backend"]]
        rows.append([name, machine, str(len(report["cells"])), " / ".join(cells)])
    return prose.PROCESSORS + "\n" + _tables.table(["", "Processor", "Rows", ""], rows)


def where(reports: Reports) -> str:
    """The machines that some reports come from."""
    machines = dict.fromkeys(
        f"{report['machine']['cpu']}, {report['machine']['cores']} cores" for report in reports
    )
    return f"Measured on {' and '.join(machines)}."


def read(folder: Path) -> Results:
    """The results of all backends that have some."""
    reports = list(fullest("layers", folder).values())
    if not reports:
        sys.exit(f"No results in {folder}: run python benchmarks/layers.py --backend ... first.")
    found = peaks(folder)
    missing = {report["machine"]["cpu"] for report in reports} - set(found)
    if missing:
        sys.exit(f"No peak of {', '.join(missing)}: run python benchmarks/roofline.py there first.")
    others = (
        list(fullest(name, folder).values())
        for name in ("memory", "layers_kept", "prediction", "streaming", "stack", *TRACES)
    )
    elsewhere = [report for backend in BACKENDS for report in every("layers", backend, folder)]
    gpus = [report for backend in BACKENDS for report in every("gpu", backend, folder)]
    return Results(reports, found, *others, elsewhere if elsewhere != reports else [], gpus)


def files(results: Results, docs: Path) -> dict[Path, str]:
    """Everything that is written, by where it goes."""
    return {
        docs / "background" / "performance.md": page(results),
        docs / "assets" / "performance" / "speed.svg": _headline.chart(results.reports),
        **{
            docs / "results" / f"speed.{language}.md": _headline.line(results.reports, language)
            + "\n"
            for language in _headline.LINES
        },
    }


def main() -> None:
    """Writes or checks the page and what goes with it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder to write to")
    arguments = parser.parse_args()
    write_or_check(files(read(arguments.results), arguments.docs), arguments.check)


if __name__ == "__main__":
    main()
