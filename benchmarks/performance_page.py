"""Writes `docs/background/performance.md` from the saved results.

    python benchmarks/performance_page.py           # writes the page
    python benchmarks/performance_page.py --check   # fails where the page is not that one

With it go its chart and the line that sums it up, which the home page has, too. Every figure comes
from the files in `benchmarks/results`.
"""

import argparse
import sys
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import _headline
import _tables
from _results import KEPT_MEMORY, RESULTS, fullest, peaks

DOCS = Path(__file__).parent.parent / "docs"
INTRODUCTION = """\
# Performance

**{line}**

![Times as fast as keras.layers: a dot for each case, in training and in prediction, and the \
median, on each backend](../assets/performance/speed.svg)

Each dot is a row of the tables below, which have the same models with the kit's layers and with
those of `keras.layers`. The page is made from the files in `benchmarks/results`, where every
round is kept.

## How it was measured

- A model is one recurrent layer (or what the row says) and a `Dense`, on random float sequences,
  with the defaults of `compile`. The kit's and Keras' models have the same weights, and have to
  predict the same before they are timed.
- They take turns in one process. A time is that of the steps of one epoch of `fit`, or of one
  `predict`, after the first, from its results to those of the last, divided by their number.
  Each step is waited for. Compilation is left out, and so is making the data set and taking it
  down.
- A ratio is Keras' time divided by the kit's in the same round: above 1, the kit is faster. The
  tables have the median of the rounds, ± half the distance between the quartiles.
- Shapes are (batch, time, features, units). In "masked post" the sequences are padded at the
  end, in "masked pre" at the head. Padded rows have a random number of real steps, from 1 to
  all. Dropout has the rate 0.3; it is off in prediction.
- The GEMM floor is the time that a step's matrix products alone would take at the processor's
  peak, the rate at which NumPy multiplies large square float32 matrices. Training counts three
  times the forward products, also for the gradient of the inputs, which an `Embedding` in front
  would ask for. Padded and dropped steps count in full. Less than one floor is possible: the
  models here have no `Embedding`, and the backends' products beat NumPy's on some processors.
- Not all backends were measured on the same processor, as the table says: compare times within a
  backend.
- Taking the data set down can take as long as all steps together on TensorFlow, for both peers
  (see [Choose a backend](../how-to/backend.md#what-else-makes-it-faster)).
- The device is in the table below; memory, stacks and streams say their own. None of the figures
  is from a GPU yet. A dash, or a row that is not there, was not measured.
"""

STREAMING = """\
## Streams

Microseconds for one row: a step fed to `kit.stream(model)`, one by one and ten at a time, beside
one call of the whole model on all {steps} steps (`predict_on_batch`), which is what each new step
costs without a stream. Medians; the models are a `StackedRNN` and a `Dense`. {where}
"""

STACKS = """\
## Stacks

The time of two layers chained by hand by that of the same two in a `StackedRNN`, in turns: batches
of 64, 100 steps of 16 features. Medians of the rounds, whole calls with what `fit` and `predict`
do before and after the steps. {where}
"""

COMMANDS = """\
```sh
python benchmarks/layers.py --backend ...
python benchmarks/memory.py --backend ...
python benchmarks/layers.py --backend ... --keep-memory \\
    --shapes 128,512 --variants plain,masked_post
python benchmarks/roofline.py
python benchmarks/streaming.py --backend ...
python benchmarks/stack.py --backend ...
python benchmarks/performance_page.py
```
"""

KEPT = """\
## With freed memory kept

Large blocks that are freed go back to the system with glibc, and the next step gets fresh ones,
which are filled with zeros page by page. These variables in the environment keep them in the
process, for both peers:

```sh
{variables}
```

Keras' time by the kit's and, in brackets where both runs were on the same machine, the kit's time
without them by its time with them. Training / prediction.
"""

MEMORY = """\
Peak memory in MiB, kit / Keras, each in a process of its own: that of a training step, above what
the process keeps between steps. In brackets that of the whole training, above model and data; it
has the code in it that libraries load or compile once. {where}"""

WITHOUT_ONEDNN = """\
TensorFlow ran without oneDNN here (`TF_ENABLE_ONEDNN_OPTS=0`), which it uses by itself on some
processors: its allocator keeps what it took."""

PLANNED = """\
Steps on JAX find the memory of the last one: that of a step is what XLA plans for its
gradients, beside arguments and results."""

Reports = list[dict[str, Any]]


class Results(NamedTuple):
    """All that the page is made of."""

    reports: Reports
    peaks: dict[str, Any]  # by processor
    memory: Reports
    kept: Reports
    streams: Reports
    chains: Reports


def page(results: Results) -> str:
    """The whole page."""
    reports, peaks, memory, kept, streams, chains = results
    parts = [
        INTRODUCTION.format(line=_headline.line(reports)),
        environments(reports, peaks),
        COMMANDS,
        *(
            section(report, peaks[report["machine"]["cpu"]], of_backend(memory, report["backend"]))
            for report in reports
        ),
        *([keeping(reports, kept)] if kept else []),
        *([stacks(chains)] if chains else []),
        *([streaming(streams)] if streams else []),
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
        "threads": ", ".join(threads) or "as it comes",
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
        (
            f"## {name}\n\nKeras' time by the kit's, training / prediction.",
            _tables.ratios(cells, "keras"),
        ),
        (
            "`torch.nn`'s time by the kit's, training / prediction.",
            _tables.ratios(cells, "torch_nn"),
        ),
        (
            "Milliseconds a step of the plain layers, and in brackets how many GEMM floors.",
            _tables.milliseconds(cells, peak["gflops"]),
        ),
        *((memory_text(of_memory), _tables.memory(of_memory["cells"])) for of_memory in memory),
        (
            f"### Slower than keras.layers here\n\nRatios below {limit}.",
            slower or "There are none.",
        ),
    ]
    return "\n\n".join(f"{text}\n\n{figures}" for text, figures in parts if figures)


def memory_text(report: dict[str, Any]) -> str:
    """What the figures of memory are."""
    text = MEMORY.format(where=where([report]))
    if report["backend"] == "jax":
        return f"{text}\n{PLANNED}"
    off = report["threads"].get("TF_ENABLE_ONEDNN_OPTS") == "0"
    return f"{text}\n{WITHOUT_ONEDNN}" if off else text


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
    return KEPT.format(variables=variables) + "\n" + _tables.table(head, rows)


def streaming(streams: Reports) -> str:
    """What a step costs in a stream."""
    head = ["", "", "a step", "a step, ten at a time", "the whole model"]
    rows = [
        [_tables.NAMES[report["backend"]], name]
        + [f"{cell['median_us'][way]:.0f}" for way in ("step", "chunk", "whole")]
        for report in streams
        for name, cell in report["cells"].items()
    ]
    text = STREAMING.format(steps=streams[0]["steps"], where=where(streams))
    return text + "\n" + _tables.table(head, rows)


def stacks(reports: Reports) -> str:
    """A stack beside the chain."""
    head = ["", *(_tables.NAMES[report["backend"]] for report in reports)]
    rows = [
        [name, *(f"{r['cells'][name]['chain_over_stack']['median']:.2f}" for r in reports)]
        for name in reports[0]["cells"]
    ]
    return STACKS.format(where=where(reports)) + "\n" + _tables.table(head, rows)


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
        for name in ("memory", "layers_kept", "streaming", "stack")
    )
    return Results(reports, found, *others)


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
    for path, text in files(read(arguments.results), arguments.docs).items():
        if not arguments.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not what the results say: run {Path(__file__).name}.")


if __name__ == "__main__":
    main()
