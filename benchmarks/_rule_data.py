"""What the measured rows say of the rule: for each case, how far each method is from the best.

A case stands for the rows of all batch sizes and of all processors. Only on TensorFlow, for wide
layers, does the rule take a method for single sequences and another one for more.
"""

import importlib.util
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from _method_rows import DROPPED, METHODS, Row, all_rows, rows_of
from _results import RESULTS, every

RULE = Path(__file__).parent.parent / "keras_rnnkit" / "running" / "rule.py"

# A method that takes at most so much of the best one's time is good enough.
GOOD = 1.10
# The standard error of a median over the 7 rounds of a row, by the distance of its quartiles:
# 1.253 / sqrt(7) standard deviations, each of which is 1 / 1.349 of that distance.
ERROR = 0.351


class Case(NamedTuple):
    """What the rows vary, but for the batch size."""

    layer: str
    variant: str
    units: int
    mode: str


Ratios = dict[str, dict[int, float]]  # by method, by batch size
Quartiles = tuple[float, ...]


def cases(backend: str, folder: Path = RESULTS, certain: bool = False) -> dict[Case, Ratios]:
    """Each method's time divided by the best one's in the same row, the worst over processors.

    With `certain`, each ratio is divided by one plus its standard error: a method is surely slower
    than the best one by so much.
    """
    found: dict[Case, Ratios] = defaultdict(lambda: defaultdict(dict))
    for row, times in _rows(backend, folder):
        best = min(times.values(), key=lambda quartiles: quartiles[1])
        of_case = found[case_of(row)]
        for method, quartiles in times.items():
            of_method, value = of_case[method], ratio(quartiles, best, certain)
            of_method[row.batch] = max(of_method.get(row.batch, 0.0), value)
    return found


def ratio(quartiles: Quartiles, best: Quartiles, certain: bool) -> float:
    """The ratio of two medians; with `certain`, less its standard error."""
    of_medians = quartiles[1] / best[1]
    if not certain or quartiles == best:
        return of_medians
    errors = (ERROR * (high - low) / median for low, median, high in (quartiles, best))
    return of_medians / (1 + math.hypot(*errors))


def judged(backend: str, folder: Path = RESULTS) -> dict[Case, tuple[Ratios, Ratios]]:
    """The cases of the table, with all ratios and the certain ones; others have one batch size."""
    table = {case_of(row) for row in all_rows(backend) if row.compared == "methods"}
    certain = cases(backend, folder, certain=True)
    found = cases(backend, folder)
    return {case: (ratios, certain[case]) for case, ratios in found.items() if case in table}


def case_of(row: Row) -> Case:
    """The case that a row belongs to."""
    return Case(row.layer, row.variant, row.units, row.mode)


def _rows(backend: str, folder: Path) -> Iterator[tuple[Row, dict[str, Quartiles]]]:
    """The rows that compare methods, with the quartiles of the milliseconds of each."""
    for report in every("methods", backend, folder):
        for row, entry in rows_of(report).items():
            # In prediction it is a plain row that lacks some methods.
            dropped = row.variant == DROPPED and row.mode == "predict"
            if row.compared == "methods" and not dropped:
                yield row, {m: tuple(ms) for m, ms in entry["ms"].items() if m in METHODS[backend]}


def worst(ratios: Ratios) -> dict[str, float]:
    """The worst ratio of each method that was measured for every batch size."""
    batches = set().union(*ratios.values())
    return {
        method: max(by_batch.values())
        for method, by_batch in ratios.items()
        if set(by_batch) == batches
    }


def is_accepted(taken: dict[int, str], ratios: Ratios, certain: Ratios) -> bool:
    """Whether the rule may take these methods by batch size: the least bad one, or good enough.

    It may not where the worst of their certain ratios is above both `GOOD` and the least worst
    ratio of a single method.
    """
    limit = max(GOOD, min(worst(ratios).values()))
    return worst_of(taken, certain) <= limit


def worst_of(taken: dict[int, str], ratios: Ratios) -> float:
    """The worst ratio of these methods by batch size."""
    return max(ratios[method][batch] for batch, method in taken.items())


def rule() -> Any:
    """The module of the rule, by itself: it needs neither Keras nor a backend."""
    spec = importlib.util.spec_from_file_location("rule", RULE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def methods_of_rule(backend: str, case: Case, ratios: Ratios) -> dict[int, str]:
    """What the rule takes on a CPU, for every batch size that was measured."""
    batches = sorted(set().union(*ratios.values()))
    return {batch: method_of_rule(backend, case, batch) for batch in batches}


def method_of_rule(backend: str, case: Case, batch: int) -> str:
    """What the rule takes on a CPU for batches of this size."""
    of_rule = rule()
    return of_rule.choose(
        of_rule.Request(
            backend=backend,
            cell=case.layer,
            units=case.units,
            batch=batch,
            masked=case.variant.startswith("masked"),
            capture_gates=case.variant == "gates",
            recurrent_dropout=case.variant == "recurrent_dropout",
            training=case.mode == "train",
        )
    ).method
