"""Writes `docs/background/cells.md` from the saved results.

python benchmarks/cells_page.py           # writes the page
python benchmarks/cells_page.py --check   # fails where the page is not that one
"""

import argparse
from pathlib import Path
from statistics import median
from typing import Any

from _cell_table import CELLS
from _results import every, fullest, load, write_or_check
from _tables import NAMES, NOTHING, table
from adding import CHRONO, LENGTHS, RESULT, ROWS, SEEDS
from min_rnn import FEATURES

PAGE = Path(__file__).parent.parent / "docs" / "background" / "cells.md"

INTRODUCTION = """\
# Cells compared

The table compares the cells of the kit. `Zoneout` wraps any of them. Gates and states have the
names that a trace has; $N$ is layer normalisation. The parameters are counted for {units} units and
{features} features, with a projection of half the units for `ProjectedLSTMCell`. Those of an
`ESNCell` are not trained. The papers are listed in [The maths](maths.md#references); the
[Glossary](glossary.md) has their letters.

{facts}

## What a training step costs

The time of a training step, divided by that of an `LSTM` of the kit with the same number of units.
The two take turns in one process, with (batch, time, features, units) =
({batch}, {steps}, {features}, {units}), in {rounds} rounds on {cores} CPU cores; the table has the
median. `LSTM`, `GRU`,
`SimpleRNN`, `MinLSTM`, `MinGRU` and `RGLRU` have kernels; the other cells run on the portable
path. On TensorFlow, here and below, whole calls of `fit` and `predict` are timed. They include the
delay at the end of a call that [Choose a
backend](../how-to/backend.md#what-else-makes-it-faster) explains.{elsewhere}

{costs}
"""

ELSEWHERE = """

The times of {names} are those of another processor, {other}, against an `LSTM` there; the rest is
of {here}."""

LONG = """\
## Long sequences

The time of an `LSTM`, divided by that of a minimal layer with the same number of units: training /
prediction. The layers take turns in one process, with (batch, features) = ({batch}, {features}), in
{rounds} rounds or more; the table has the medians. On PyTorch, the training of an LSTM slows down
on long sequences: its gradients become subnormal numbers, which processors compute slowly.
[Choose a backend](../how-to/backend.md#what-differs) says how to avoid this.

{table}
"""

ADDING = """\
## A task that needs memory

The adding problem (Hochreiter and Schmidhuber, 1997): two of {steps} random numbers are marked, and
the target is their sum. The table has the mean squared error on 2,000 new sequences after {batches}
batches of {batch} sequences, with {units} units, Adam with a learning rate of {learning_rate:g} and
gradients clipped to norm 1, on {backend}: the median, the best and the worst of {seeds} seeds. A
model that always predicts 1 has an error of 1/6, about 0.1667. An error near this value means that
the model has not learned to find the marked numbers.

{results}
"""

LONG_MEMORY = """\
## Long memories

The same problem over longer sequences, with {units} units and batches of {batch}, on JAX, with and
without `keras_rnnkit.initializers.Chrono(max_steps)` as the `bias_initializer`, where `max_steps`
is the length of the sequences. A run is solved when the error on {test:,} new sequences is below
{solved} in {in_a_row} evaluations in a row, which are {every} training steps apart; it ends there,
or after {most:,} steps. The learning rate is {learning_rate:g}; gradients are clipped to norm 1.
The table has the number of {seeds} seeds that solved the problem, and the median of their steps
until then; where no seed solved it, the median of the last errors.

{results}
"""


def page(
    reports: dict[str, dict[str, Any]],
    minimal: dict[str, dict[str, Any]],
    long_memory: dict[str, Any],
) -> str:
    """The whole page."""
    reports = {backend: with_other_rows(backend, report) for backend, report in reports.items()}
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
        elsewhere=elsewhere(reports),
        costs=table(["", *(NAMES[backend] for backend in reports)], costs),
    )
    if minimal:
        text += "\n" + long_sequences(minimal)
    text += "".join(
        "\n" + adding(backend, report) for backend, report in reports.items() if has_task(report)
    )
    return text + ("\n" + long_memories(long_memory) if long_memory else "")


def with_other_rows(backend: str, report: dict[str, Any]) -> dict[str, Any]:
    """The results of a processor, and the rows that only other processors have."""
    rows = dict(report["rows"])
    for other in every("cells", backend):
        for name, row in other["rows"].items():
            rows.setdefault(name, {**row, "processor": other["machine"]["cpu"]})
    return {**report, "rows": {name: rows[name] for name in CELLS if name in rows}}


def elsewhere(reports: dict[str, dict[str, Any]]) -> str:
    """Which times are of another processor than the rest."""
    of_other = {
        name: row["processor"]
        for report in reports.values()
        for name, row in report["rows"].items()
        if "processor" in row and "cost" in row
    }
    if not of_other:
        return ""
    names = ", ".join(f"`{name}`" for name in of_other)
    here = next(iter(reports.values()))["machine"]["cpu"]
    return ELSEWHERE.format(names=names, other=" and ".join(set(of_other.values())), here=here)


def long_memories(report: dict[str, Any]) -> str:
    """The table of the adding problem over long sequences."""
    rows = []
    for name in ROWS:
        row = report["rows"].get(name, {})
        label = f"`{name.removesuffix(CHRONO)}`" + (CHRONO if name.endswith(CHRONO) else "")
        rows.append(
            [
                label,
                *(
                    outcome(row[str(steps)]["seeds"]) if str(steps) in row else NOTHING
                    for steps in LENGTHS
                ),
            ]
        )
    results = table(["", *(f"{steps:,} steps" for steps in LENGTHS)], rows)
    return LONG_MEMORY.format(**report["task"], seeds=len(SEEDS), results=results)


def outcome(runs: list[dict[str, Any]]) -> str:
    """How many runs solved the problem and after how many steps, or the error that was left."""
    solved = [run["solved_after"] for run in runs if run["solved_after"] is not None]
    if solved:
        return f"{len(solved)} of {len(runs)}, {median(solved):,.0f} steps"
    return f"0 of {len(runs)}, error {median(run['error'] for run in runs):.3f}"


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
    return any(row.get("adding") for row in report["rows"].values())


def adding(backend: str, report: dict[str, Any]) -> str:
    """The table of the adding problem."""
    errors = {
        name: sorted(row["adding"]) for name, row in report["rows"].items() if row.get("adding")
    }
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
    long_memory = load(RESULT) if RESULT.exists() else {}
    whole = page(fullest("cells"), fullest("min_rnn"), long_memory)
    write_or_check({PAGE: whole}, arguments.check)


if __name__ == "__main__":
    main()
