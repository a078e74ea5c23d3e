"""What the page says of the cost of resets is true of every result."""

import sys

import pytest

from keras_rnnkit.running.rule import RESETS_TAKE_UP_TO
from tests.docs.test_pages import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import _results
import resets

sys.path.remove(str(ROOT / "benchmarks"))

pytestmark = pytest.mark.no_backend

MOST = 1.10  # times as long as the same method without resets
# One operation more is a larger part of a prediction with 32 units, of which a step takes 10 to 50
# microseconds, and of a step on a GPU, where the time is that of starting the operations.
MOST_OF_A_SHORT_STEP, MOST_ON_A_GPU = 1.20, 1.25


def most(key, device):
    """The limit for a row."""
    if device != "cpu":
        return MOST_ON_A_GPU
    return MOST_OF_A_SHORT_STEP if "units=32/" in key and key.endswith("predict") else MOST


@pytest.mark.parametrize("backend", _results.BACKENDS)
def test_resets_cost_a_tenth_at_most_or_a_fifth_of_a_short_step(backend):
    reports = _results.every("resets", backend)
    if not reports:
        pytest.skip(f"benchmarks/resets.py has not measured {backend} yet")
    for report in reports:
        costs = {key: cell["resets_over_plain"]["median"] for key, cell in report["cells"].items()}
        assert {k: cost for k, cost in costs.items() if cost > most(k, report["device"])} == {}


@pytest.mark.parametrize("library", RESETS_TAKE_UP_TO)
def test_explain_names_what_resets_cost_beside_a_library(library):
    reports = _results.every("resets", "torch")
    if not reports:
        pytest.skip("benchmarks/resets.py has not measured PyTorch yet")
    for mode, named in RESETS_TAKE_UP_TO[library].items():
        ratios = [
            cell["resets_over_library"]["median"]
            for report in reports
            for key, cell in report["cells"].items()
            if cell.get("library") == library and key.endswith(mode)
        ]
        assert 0.9 * named < max(ratios) <= named, mode


def test_the_table_has_what_resets_add_and_the_times_of_the_library():
    cell = {"resets_over_plain": {"q1": 1.01, "median": 1.034, "q3": 1.05}}
    beside = {"library": "oneDNN", "resets_over_library": {"median": 1.42}}
    key = resets.key_of("LSTM", "32", "64", "train")
    machine = {"cpu": "some", "cores": 2}
    report = {
        "backend": "torch",
        "device": "cpu",
        "machine": machine,
        "cells": {key: {**cell, **beside}},
    }
    parts = [resets.part([report], text) for text in (resets.ENGLISH, resets.KOREAN)]
    assert parts[0].startswith("PyTorch, some, 2 cores:")
    assert "| layer | training | prediction | training beside oneDNN |" in parts[0]
    row = "| LSTM, 32 units, batches of 64 | +3 % (+1 % to +5 %) | - | 1.42 times | - |"
    assert row in parts[0] and "1.42배" in parts[1]
    report["cells"] = {key: cell}
    assert "beside" not in resets.part([report], resets.ENGLISH)
    on_gpu = resets.part([{**report, "device": "NVIDIA"}], resets.ENGLISH)
    assert on_gpu.startswith("PyTorch, NVIDIA:")
