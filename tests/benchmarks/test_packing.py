"""What the page about packing says of unused steps and times is true of every result."""

import sys
from statistics import median

import pytest

from tests.docs.test_pages import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import _accuracies
import _results
import packing

sys.path.remove(str(ROOT / "benchmarks"))

pytestmark = pytest.mark.no_backend

PACKED = ("packed_8", "packed_32")  # timed everywhere


@pytest.mark.parametrize("backend", _results.BACKENDS)
def test_at_most_a_fiftieth_is_unused_and_an_epoch_is_faster_than_padded(backend):
    reports = _results.every("packing", backend)
    if not reports:
        pytest.skip(f"benchmarks/packing.py has not measured {backend} yet")
    for report in reports:
        times = report["cells"]["times"]
        assert all(times["padding"][kind] <= 0.02 for kind in PACKED)
        assert all(median(times["ratios"][kind]) > 1 for kind in PACKED)


@pytest.mark.parametrize("backend", _results.BACKENDS)
def test_packed_rows_lead_to_the_accuracy_of_buckets(backend):
    scores = _accuracies.accuracies(backend)
    if not {"buckets_longest", "packed_3"} <= set(scores):
        pytest.skip(f"benchmarks/batch_accuracy.py has not measured {backend} yet")
    assert median(scores["packed_3"]) > median(scores["buckets_longest"]) - 0.01


def test_the_table_has_the_unused_steps_the_ratios_and_the_accuracies(monkeypatch):
    scores = {"buckets_longest": [0.86, 0.88]}
    monkeypatch.setattr(packing, "accuracies", lambda backend: scores)
    kinds = packing.KINDS
    report = {
        "machine": {"cpu": "some", "cores": 2},
        "cells": {
            "times": {
                "rows": 8000,
                "packed_rows": 800,
                "seconds": {kind: [1.0, 3.0, 2.0] for kind in kinds},
                "ratios": {"buckets": [7.0, 9.0], "packed_32": [8.0]},
                "padding": dict.fromkeys(kinds, 0.01),
            },
        },
    }
    table = packing.part({"jax": report})
    assert table.startswith("JAX, 8,000 reviews, some, 2 cores:")
    assert (
        "| in buckets | 1.0% | 32 | 2.0 | 8.00 (7.00 to 9.00) | 0.870 (0.860 to 0.880) |" in table
    )
    assert "| packed, 8 rows in a batch | 1.0% | 80 | 2.0 | - | - |" in table
