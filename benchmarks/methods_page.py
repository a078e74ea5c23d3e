"""Writes `docs/background/methods.md` from the rows that `methods.py` has saved.

python benchmarks/methods_page.py           # writes the page
python benchmarks/methods_page.py --check   # fails where the page is not that one
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from _grid import LAYERS, MODES
from _method_rows import BACKWARD, DROPPED_BATCH, METHODS, STEPS, VARIANTS, rows_of
from _results import BACKENDS, every
from _rule_data import GOOD, Case, case_of, cases, method_of_rule
from _rule_table import rule_table
from _tables import MODE_NAMES, NAMES, NOTHING, table

PAGE = Path(__file__).parent.parent / "docs" / "background" / "methods.md"

INTRODUCTION = """\
# Methods of the kernels

A kernel can arrange the matrix products of an LSTM or a GRU in several ways. All give the same
numbers; which one is the fastest depends on the backend, the width and the processor. This page
has the measured times of each, and the method that the layers use. `kit.explain(model)` names the
method of each layer of a model.

| Method | In `explain` | What it computes |
| --- | --- | --- |
| concatenated | concatenated-input GEMM | in each step, one product of [inputs, state] |
| fused gates | fused-gate GEMM | in each step, one product of the inputs and one of the state |
| per gate | per-gate GEMM | in each step, two products for each gate |
| hoisted | hoisted input projection | the inputs of all steps ahead of the loop |
| preallocated | preallocated loop | the same, in a loop that writes into preallocated buffers |
| native | oneDNN's or cuDNN's layer | PyTorch's own layer |

## What the layers use

On a CPU, by width:

{rule}

Where each gate has its own dropout mask (`recurrent_dropout`, or `implementation=1`, in training),
the gates cannot share a product.

## How to read the tables

A number is the time of a method divided by that of the fastest method in the same row, so 1.00 is
the fastest. The numbers of a cell are for batches of {batches} sequences; layers of 512
units have the first two, and a single number is for batches of {dropped}. Where several processors
were measured, it is the largest ratio. The method that the rule of the layers takes is **bold**.
The last column is the time of the fastest method on the first processor of the list below, in
milliseconds of one batch of `fit` (training) or `predict` (prediction).

The rule does not know the batch size. In each line it takes the method whose largest ratio is the
smallest. Methods within {good:.2f} count as equal, and so do ratios that differ by less than their
standard error. Of those it takes the one that keeps the rule simple. A test compares the rule with
the lines of 8, 32, 128 and 512 units, and has the numbers of the lines where the rule takes another
method. The other lines are from one processor and one batch size.

Sequences have {steps} steps; layers of 8 units have 16 features, wider ones as many as they have
units, at most 128. "Masked" is padding at the end of sequences of random lengths. With "gates",
all gates of all steps are returned and used. Times are medians of rounds in which the methods take
turns in one process.

{processors}
"""

BACKWARD_TEXT = """\
### Backward pass

A *chunked* backward pass computes the gradients of some steps, uses them for the gradients of the
weights, and goes on with the steps before. Its working memory stays in the processor's cache. The
number is its time divided by that of a backward pass over the whole sequence, in training.
"""


def page() -> str:
    """The whole page."""
    reports = {backend: _newest_last(every("methods", backend)) for backend in BACKENDS}
    batches = sorted({row.batch for report in reports["jax"] for row in rows_of(report)})
    head = INTRODUCTION.format(
        batches=f"{', '.join(map(str, batches[:-1]))} and {batches[-1]}",
        dropped=DROPPED_BATCH,
        good=GOOD,
        steps=STEPS,
        rule=rule_table(),
        processors=processors(reports),
    )
    return head + "".join(section(backend, found) for backend, found in reports.items())


def _newest_last(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The fullest file last."""
    return sorted(reports, key=lambda report: len(report["rows"]))


def processors(reports: dict[str, list[dict[str, Any]]]) -> str:
    """A table of how many rows each processor has."""
    counts: dict[str, dict[str, int]] = {}
    for backend, found in reports.items():
        for report in found:
            machine = report["machine"]
            name = f"{machine['cpu']}, {machine['cores']} cores"
            counts.setdefault(name, {})[backend] = len(report["rows"])
    rows = [
        [name, *(str(of_backend.get(backend, NOTHING)) for backend in BACKENDS)]
        for name, of_backend in sorted(counts.items(), key=lambda item: -sum(item[1].values()))
    ]
    return table(["Rows measured on", *(NAMES[backend] for backend in BACKENDS)], rows)


def section(backend: str, reports: list[dict[str, Any]]) -> str:
    """All tables of one backend."""
    found = cases(backend)
    text = f"\n## {NAMES[backend]}\n"
    for mode in MODES:
        lines = [case for case in found if case.mode == mode and case.variant in VARIANTS]
        lines.sort(key=lambda c: (LAYERS.index(c.layer), VARIANTS.index(c.variant), c.units))
        rows = [line(backend, case, found[case], reports[-1]) for case in lines]
        head = ["", *METHODS[backend], "ms"]
        text += f"\n### {NAMES[backend]}, {MODE_NAMES[mode]}\n\n{table(head, rows)}\n"
    return text + backward(backend, reports)


def line(backend: str, case: Case, ratios: Any, report: dict[str, Any]) -> list[str]:
    """The line of one case."""
    taken = method_of_rule(backend, case)
    cells = []
    for method in METHODS[backend]:
        by_batch = ratios.get(method, {})
        text = " / ".join(f"{by_batch[batch]:.2f}" for batch in sorted(by_batch)) or NOTHING
        cells.append(f"**{text}**" if method == taken else text)
    variant = case.variant.replace("_post", "").replace("_", " ")
    return [f"{case.layer}, {variant}, {case.units}", *cells, _fastest(case, report)]


def _fastest(case: Case, report: dict[str, Any]) -> str:
    """The milliseconds of the fastest method, by batch size."""
    best = {
        row.batch: min(ms[1] for ms in entry["ms"].values())
        for row, entry in rows_of(report).items()
        if row.compared == "methods" and case_of(row) == case
    }
    return " / ".join(f"{best[batch]:.3g}" for batch in sorted(best)) or NOTHING


def backward(backend: str, reports: list[dict[str, Any]]) -> str:
    """The table of the two backward passes."""
    rows = []
    for report in reports:
        measured = {
            row: entry["ms"]
            for row, entry in rows_of(report).items()
            if row.compared == "backward pass"
        }
        for row, ms in sorted(measured.items()):
            whole, chunked = (ms[name][1] for name in BACKWARD)
            name = f"{row.layer}, {row.units} units, batch {row.batch}"
            rows.append([name, report["machine"]["cpu"], f"{whole:.3g}", f"{chunked / whole:.2f}"])
    head = ["", "Processor", "Whole sequence, ms", "Chunked / whole"]
    return f"\n{BACKWARD_TEXT}\n{table(head, rows)}\n" if rows else ""


def main() -> None:
    """Writes or checks the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    arguments = parser.parse_args()
    text = page()
    if not arguments.check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE} is not what the results say: run {Path(__file__).name}.")


if __name__ == "__main__":
    main()
