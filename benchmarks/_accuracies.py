"""The test accuracies that `batch_accuracy.py` has measured."""

from pathlib import Path

from _results import RESULTS, load


def accuracy_file(backend: str) -> Path:
    """One for all processors: the accuracy does not depend on them."""
    return RESULTS / f"batch_accuracy_{backend}.json"


def accuracies(backend: str) -> dict[str, list[float]]:
    """By kind of batches, the accuracy of every seed; of what has not been measured, nothing."""
    path = accuracy_file(backend)
    cells = load(path)["cells"] if path.exists() else {}
    return {kind: [one["accuracy"] for one in seeds.values()] for kind, seeds in cells.items()}


def column(backend: str) -> str:
    """The head of a column of these accuracies."""
    path = accuracy_file(backend)
    if not path.exists():
        return "test accuracy"
    report = load(path)
    return f"test accuracy, {report['rows'] * (1 - report['held_out']):,.0f} training reviews"
