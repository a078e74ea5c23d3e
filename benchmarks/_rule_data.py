"""What the measured rows say of the rule: for each case, how far each method is from the best.

A case is what the rule can tell apart. It does not know the batch size, which many graphs leave
open, so a case stands for the rows of all batch sizes and of all processors.
"""

import importlib.util
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from _method_rows import DROPPED, METHODS, Row, all_rows, rows_of
from _results import RESULTS, every

RULE = Path(__file__).parent.parent / "keras_rnnkit" / "running" / "rule.py"

# A method that takes at most so much of the best one's time is good enough.
GOOD = 1.10
# Where a row was measured twice, the ratio of a method changed by 5% in the median, and by 14% or
# more in one of ten. So each of two ratios that are compared may be off by this factor.
NOISE = 1.05


class Case(NamedTuple):
    """What the rule looks at, of all that the rows vary."""

    layer: str
    variant: str
    units: int
    mode: str


Ratios = dict[str, dict[int, float]]  # by method, by batch size


def cases(
    backend: str, folder: Path = RESULTS, without_single_training: bool = False
) -> dict[Case, Ratios]:
    """Each method's time divided by the best one's in the same row, the worst over processors."""
    found: dict[Case, Ratios] = defaultdict(lambda: defaultdict(dict))
    for row, times in _rows(backend, folder):
        if without_single_training and (row.mode, row.batch) == ("train", 1):
            continue
        best = min(times.values())
        of_case = found[case_of(row)]
        for method, ms in times.items():
            of_method = of_case[method]
            of_method[row.batch] = max(of_method.get(row.batch, 0.0), ms / best)
    return found


def judged(backend: str, folder: Path = RESULTS) -> dict[Case, Ratios]:
    """What the rule is compared with: the cases of the table, without training on one sequence.

    Other cases were measured with one batch size only. Training takes batches, and the rule does
    not know their size: what suits a single sequence would slow down all others.
    """
    table = {case_of(row) for row in all_rows(backend) if row.compared == "methods"}
    return {
        case: ratios
        for case, ratios in cases(backend, folder, without_single_training=True).items()
        if case in table
    }


def case_of(row: Row) -> Case:
    """The case that a row belongs to."""
    return Case(row.layer, row.variant, row.units, row.mode)


def _rows(backend: str, folder: Path) -> Iterator[tuple[Row, dict[str, float]]]:
    """The rows that compare methods, with the median milliseconds of each."""
    for report in every("methods", backend, folder):
        for row, entry in rows_of(report).items():
            # In prediction it is a plain row that lacks some methods.
            dropped = row.variant == DROPPED and row.mode == "predict"
            if row.compared == "methods" and not dropped:
                times = {m: ms[1] for m, ms in entry["ms"].items() if m in METHODS[backend]}
                yield row, times


def worst(ratios: Ratios) -> dict[str, float]:
    """The worst ratio of each method that was measured for every batch size."""
    batches = set().union(*ratios.values())
    return {
        method: max(by_batch.values())
        for method, by_batch in ratios.items()
        if set(by_batch) == batches
    }


def accepted(ratios: Ratios) -> set[str]:
    """The methods that the rule may take: good enough, or tied with the least bad one."""
    of_methods = worst(ratios)
    limit = NOISE * max(GOOD, NOISE * min(of_methods.values()))
    return {method for method, ratio in of_methods.items() if ratio <= limit}


def rule() -> Any:
    """The module of the rule, by itself: it needs neither Keras nor a backend."""
    spec = importlib.util.spec_from_file_location("rule", RULE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def method_of_rule(backend: str, case: Case) -> str:
    """What the rule takes on a CPU."""
    of_rule = rule()
    return of_rule.choose(
        of_rule.Request(
            backend=backend,
            cell=case.layer,
            units=case.units,
            masked=case.variant.startswith("masked"),
            capture_gates=case.variant == "gates",
            recurrent_dropout=case.variant == "recurrent_dropout",
            training=case.mode == "train",
        )
    ).method
