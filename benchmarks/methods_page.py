"""Writes `docs/background/methods.md` from the rows that `methods.py` has saved.

python benchmarks/methods_page.py           # writes the page
python benchmarks/methods_page.py --check   # fails where the page is not that one
"""

import argparse
from pathlib import Path
from typing import Any

from _grid import LAYERS, MODES
from _method_rows import BACKWARD, DROPPED_BATCH, METHODS, STEPS, VARIANTS, rows_of
from _results import BACKENDS, every, write_or_check
from _rule_data import GOOD, Case, case_of, cases, methods_of_rule
from _rule_table import in_explain, rule_table
from _tables import MODE_NAMES, NAMES, NOTHING, table

PAGE = Path(__file__).parent.parent / "docs" / "background" / "methods.md"

COMPUTED = {
    "concatenated": "in each step, one product of [inputs, state] and all weights",
    "fused gates": "in each step, one product of the inputs and one of the state, for all gates",
    "per gate": "in each step, one product of the inputs and one of the state for each gate",
    "hoisted": "before the loop, one product of the inputs of all steps; in each step, one product "
    "of the state",
    "hoisted or per gate": "hoisted for a single sequence, per gate for more: where the batch size "
    "is known only when the graph runs",
    "preallocated": "as hoisted, with a loop that writes into preallocated buffers",
    "native": "the LSTM or GRU of PyTorch, which calls oneDNN or, on a GPU, cuDNN",
}

INTRODUCTION = """\
# Methods of the kernels

A kernel can arrange the matrix products of an LSTM or a GRU in several ways, called methods here.
All methods give the same numbers, up to rounding. Which one is fastest depends on the backend, the
number of units and the processor. This page shows which method the layers use, and the measured
times of all methods.

{methods}

On TensorFlow, `kit.explain` also says when XLA compiles the kernel.

## What the layers use

On a CPU, by number of units:

{rule}

In training with `recurrent_dropout`, or with `dropout` and `implementation=1`, each gate has its
own dropout mask. The products of the gates then have different left operands, so one GEMM cannot
compute them all: on JAX and TensorFlow there is one GEMM for each gate; the preallocated loop on
PyTorch has a batched GEMM.

## How to read the tables

- Each line is a layer: its class, its variant and its number of units. A dash means that the layer
  cannot use the method, or that there is no measurement.
- Each number is the time of a method divided by the time of the fastest method in the same
  measurement, so 1.00 is the fastest. If several processors were measured, it is the largest of
  their ratios.
- Numbers separated by slashes are for batches of {batches} sequences, in this order. Layers of 512
  units have the first two only. A single number is for batches of {dropped}.
- The times of the method that the layers use are **bold**.
- The last column is the time of the fastest method in milliseconds, for one batch of `fit`
  (training) or `predict` (prediction), on the first processor of the list below.

In most lines the layers use one method for all batch sizes, and the largest of its ratios counts.
On TensorFlow, from 64 units, they use one method for a single sequence and another for batches. A
choice is good enough if its largest ratio is at most {good:.2f}, or not larger than that of the
best single method. A ratio that is larger by less than its standard error is accepted too. Among
the choices that are good enough, the layers use the one that keeps the rule simple. A test checks
this for 8, 32, 128 and 512 units. The lines with other numbers of units were measured on one
processor with one batch size, and have no time in the last column.

Sequences have {steps} steps. Layers of 8 units have 16 input features; wider layers have as many
features as units, but at most 128. "Masked": the sequences have random lengths and are padded at
the end. "Gates": the layer returns all gates of all steps, and the model uses them. In each
measurement the methods run in turn in one process, in several rounds; the times are medians over
the rounds.

{processors}
"""

BACKWARD_TEXT = """\
### Backward pass

A *chunked* backward pass processes the sequence from its end in chunks of consecutive steps. For
each chunk it computes the gradients of the pre-activations, and adds their contribution to the
gradients of the weights. A chunk is small enough for the processor's cache. The last column is the
training time with a chunked backward pass, divided by the training time without chunks.
"""


def page() -> str:
    """The whole page."""
    reports = {backend: _newest_last(every("methods", backend)) for backend in BACKENDS}
    batches = sorted({row.batch for report in reports["jax"] for row in rows_of(report)})
    head = INTRODUCTION.format(
        methods=methods_table(),
        batches=f"{', '.join(map(str, batches[:-1]))} and {batches[-1]}",
        dropped=DROPPED_BATCH,
        good=GOOD,
        steps=STEPS,
        rule=rule_table(),
        processors=processors(reports),
    )
    return head + "".join(section(backend, found) for backend, found in reports.items())


def methods_table() -> str:
    """What each method computes, and how `explain` calls it."""
    rows = []
    for method, computed in COMPUTED.items():
        jax, tensorflow, torch = (in_explain(backend, method) for backend in BACKENDS)
        by_xla = jax or tensorflow.partition(", compiled")[0]
        rows.append([method, computed, by_xla or NOTHING, torch or NOTHING])
    explain = [f"`kit.explain` on {names}" for names in ("JAX, TensorFlow", "PyTorch")]
    return table(["Method", "What it computes", *explain], rows)


def _newest_last(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The fullest file last."""
    return sorted(reports, key=lambda report: len(report["rows"]))


def processors(reports: dict[str, list[dict[str, Any]]]) -> str:
    """A table of the number of rows measured on each processor."""
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
        head = ["Layer", *METHODS[backend], "ms"]
        text += f"\n### {NAMES[backend]}, {MODE_NAMES[mode]}\n\n{table(head, rows)}\n"
    return text + backward(backend, reports)


def line(backend: str, case: Case, ratios: Any, report: dict[str, Any]) -> list[str]:
    """The line of one case."""
    taken = methods_of_rule(backend, case, ratios)
    cells = []
    for method in METHODS[backend]:
        by_batch = ratios.get(method, {})
        texts = {batch: f"{by_batch[batch]:.2f}" for batch in sorted(by_batch)}
        used = [batch for batch in texts if taken[batch] == method]
        if len(used) < len(texts):
            texts.update({batch: f"**{texts[batch]}**" for batch in used})
        text = " / ".join(texts.values()) or NOTHING
        cells.append(f"**{text}**" if used == list(taken) else text)
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
    head = ["Layer", "Processor", "Not chunked, ms", "Chunked / not chunked"]
    return f"\n{BACKWARD_TEXT}\n{table(head, rows)}\n" if rows else ""


def main() -> None:
    """Writes or checks the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    arguments = parser.parse_args()
    write_or_check({PAGE: page()}, arguments.check)


if __name__ == "__main__":
    main()
