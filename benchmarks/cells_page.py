"""Writes `docs/background/cells.md` from the saved results.

python benchmarks/cells_page.py           # writes the page
python benchmarks/cells_page.py --check   # fails where the page is not that one
"""

import argparse
import sys
from pathlib import Path
from statistics import median
from typing import Any

from _cell_table import CELLS
from _results import fullest
from _tables import NAMES, NOTHING, table
from min_rnn import FEATURES

PAGE = Path(__file__).parent.parent / "docs" / "background" / "cells.md"

INTRODUCTION = """\
# Cells compared

The cells of the kit beside the LSTM; `Zoneout` goes around any of them. The names of the gates and
states are those of a trace; $N$ is layer normalisation. Parameters are those of {units} units on
{features} features; `ProjectedLSTMCell` projects to half its units, and an `ESNCell` trains none.
The papers are listed in [The maths](maths.md#references).

{facts}

## What a training step costs

Times an LSTM of the kit of the same width, in turns with it: (batch, time, features, units) =
({batch}, {steps}, {features}, {units}), median of {rounds} rounds, {cores} CPU cores. `LSTM`,
`GRU`, `SimpleRNN`, `MinLSTM` and `MinGRU` have kernels; the other cells run in the portable loop.
Times on TensorFlow, here and below, are those of whole calls of `fit` and `predict`, with the
waits at their ends of which [Choose a backend](../how-to/backend.md#what-else-makes-it-faster)
tells.

{costs}
"""

LONG = """\
## Long sequences

The time of an `LSTM` of the same width by that of the minimal layers, training / prediction, in
turns: (batch, features) = ({batch}, {features}), medians of {rounds} rounds or more. On PyTorch an
LSTM's training slows down over long sequences, as its gradients fade into subnormal floats, which
processors handle slowly; [Choose a backend](../how-to/backend.md#what-differs) has a remedy.

{table}
"""

ADDING = """\
## A task that needs memory

The adding problem (Hochreiter and Schmidhuber, 1997): of {steps} random numbers two are marked, and
their sum is asked for at the end. The mean squared error on 2,000 new sequences after {batches}
batches of {batch}, with {units} units, Adam at {learning_rate:g} and gradients clipped at norm 1,
on {backend}: the median of {seeds} seeds, the best and the worst. Always answering 1 has an error
of 1/6, 0.1667; a cell that is still there has not found the marks yet.

{results}
"""


def page(reports: dict[str, dict[str, Any]], minimal: dict[str, dict[str, Any]]) -> str:
    """The whole page."""
    first = next(iter(reports.values()))
    rows = first["rows"]
    facts = [facts_of(name, row) for name, row in rows.items()]
    head = ["", "What sets it apart", "Gates", "States", "Parameters", "Paper"]
    costs = [
        [f"`{n}`", *(cost_of(report["rows"].get(n, {})) for report in reports.values())]
        for n in rows
        if n != "LSTM"
    ]
    text = INTRODUCTION.format(
        **first,
        rounds=len(rows["LSTM"]["cost"]["rounds_ms"]["it"]),
        cores=first["machine"]["cores"],
        facts=table(head, facts),
        costs=table(["", *(NAMES[backend] for backend in reports)], costs),
    )
    if minimal:
        text += "\n" + long_sequences(minimal)
    return text + "".join(
        "\n" + adding(backend, report) for backend, report in reports.items() if has_task(report)
    )


def long_sequences(reports: dict[str, dict[str, Any]]) -> str:
    """The minimal layers' times beside those of an LSTM."""
    layers = ("MinLSTM", "MinGRU")
    columns = [(report["cells"], layer) for report in reports.values() for layer in layers]
    names = [key.removeprefix("train/") for key in columns[0][0] if key.startswith("train/")]

    def ratio(cells: dict[str, Any], layer: str, mode: str, name: str) -> str:
        return f"{cells[f'{mode}/{name}'][f'LSTM_over_{layer}']['median']:.2f}"

    rows = []
    for name in names:
        sizes = dict(part.split("=") for part in name.split("/"))
        ratios = [
            " / ".join(ratio(*c, mode, name) for mode in ("train", "predict")) for c in columns
        ]
        rows.append([f"{int(sizes['time']):,} steps, {sizes['units']} units", *ratios])
    head = ["", *(f"{NAMES[backend]}, `{layer}`" for backend in reports for layer in layers)]
    rounds = len(next(iter(columns[0][0].values()))["rounds_ms"]["LSTM"])
    return LONG.format(
        batch=sizes["batch"], features=FEATURES, rounds=rounds, table=table(head, rows)
    )


def has_task(report: dict[str, Any]) -> bool:
    """Whether the adding problem was run there."""
    return all(row.get("adding") for row in report["rows"].values())


def adding(backend: str, report: dict[str, Any]) -> str:
    """The table of the adding problem."""
    errors = {name: sorted(row["adding"]) for name, row in report["rows"].items()}
    ordered = sorted(errors.items(), key=lambda item: median(item[1]))
    rows = [
        [f"`{name}`", *(f"{error:.4f}" for error in (median(found), found[0], found[-1]))]
        for name, found in ordered
    ]
    results = table(["", "median", "best", "worst"], rows)
    seeds = len(ordered[0][1])
    return ADDING.format(**report["task"], backend=NAMES[backend], seeds=seeds, results=results)


def facts_of(name: str, row: dict[str, Any]) -> list[str]:
    """What there is to say of a cell."""
    equation, paper = CELLS[name]
    equation = f"${equation}$" if "=" in equation else equation
    names = (", ".join(row[part]) for part in ("gates", "states"))
    return [f"`{name}`", equation, *names, f"{row['parameters']:,}", paper]


def cost_of(row: dict[str, Any]) -> str:
    """The cost of a cell beside an LSTM."""
    return f"{row['cost']['times_lstm']:.2f}" if "cost" in row else NOTHING


def main() -> None:
    """Writes or checks the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    arguments = parser.parse_args()
    text = page(fullest("cells"), fullest("min_rnn"))
    if not arguments.check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE} is not what the results say: run {Path(__file__).name}.")


if __name__ == "__main__":
    main()
