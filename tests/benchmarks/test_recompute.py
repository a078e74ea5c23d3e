"""What the page about long sequences says of `recompute` is true of every result."""

import sys

import pytest

from tests.docs.test_pages import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import _results
import recompute

sys.path.remove(str(ROOT / "benchmarks"))

pytestmark = pytest.mark.no_backend

# Of that without. A GRU needs less without than an LSTM. On PyTorch, whose tensors take the same
# memory with each layer, the heap keeps much of what the smaller blocks of a GRU or MinLSTM free.
MOST_MEMORY = {
    "LSTM, last output": 0.25,
    "LSTM, all outputs": 0.4,
    "GRU, last output": 0.25,
    "GRU, all outputs": 0.55,
    "MinLSTM, last output": 0.3,
    "MinLSTM, all outputs": 0.41,
}
MOST_TIME = 1.4


@pytest.mark.parametrize("backend", _results.BACKENDS)
def test_it_saves_memory_and_takes_little_time(backend):
    reports = _results.every("recompute", backend)
    if not reports:
        pytest.skip(f"benchmarks/recompute.py has not measured {backend} yet")
    for report in reports:
        for name, cell in report["cells"].items():
            mib = cell["mib"]
            assert mib["recompute"] <= MOST_MEMORY[name] * mib["without"], name
            assert cell["train"]["recompute_over_without"]["median"] <= MOST_TIME, name


def test_the_table_has_the_ratios():
    ratio = {"min": 1.1, "median": 1.25, "max": 1.3}
    cell = {"mib": {"without": 200.0, "recompute": 10.0}, "train": {}}
    cell["train"]["recompute_over_without"] = ratio
    report = {"machine": {"cpu": "some", "cores": 2}, "cells": {"GRU, last output": cell}}
    text = recompute.part({"torch": report})
    assert text.startswith("PyTorch, some, 2 cores:")
    assert "| GRU, last output | 200 | 10 | 0.05 | 1.25 (1.10 to 1.30) |" in text
