"""What the page about batches says of the time that buckets save is true of every result."""

import sys
from statistics import median

import pytest

from tests.docs.test_pages import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import _accuracies
import _results
import buckets

sys.path.remove(str(ROOT / "benchmarks"))

pytestmark = pytest.mark.no_backend

LEAST = {"buckets_500": 1.7, "buckets_longest": 6.0}  # times faster than padding to one length


@pytest.mark.parametrize("backend", _results.BACKENDS)
def test_an_epoch_in_buckets_is_faster_by_far(backend):
    reports = _results.every("buckets", backend)
    if not reports:
        pytest.skip(f"benchmarks/buckets.py has not measured {backend} yet")
    for report in reports:
        times = report["cells"]["times"]
        for kind, least in LEAST.items():
            assert median(times["ratios"][kind]) >= least
            # Fewer reviews fill the lengths less evenly.
            assert times["padding"][kind] <= (0.1 if times["rows"] == 25_000 else 0.105)


@pytest.mark.parametrize("kind", ["buckets_500", "buckets_longest"])
def test_buckets_lead_to_the_accuracy_of_padding(kind):
    """Of all backends together: the three seeds of one are up to four hundredths apart."""
    every = [_accuracies.accuracies(backend) for backend in _results.BACKENDS]
    padded, found = (
        median(score for scores in every for score in scores[name]) for name in ("padded_500", kind)
    )
    assert found > padded - 0.01


def test_the_table_has_the_ratios_and_the_accuracies(monkeypatch):
    scores = {"padded_500": [0.86, 0.88]}
    monkeypatch.setattr(buckets, "accuracies", lambda backend: scores)
    kinds = buckets.KINDS
    report = {
        "machine": {"cpu": "some", "cores": 2},
        "cells": {
            "times": {
                "rows": 8000,
                "seconds": {kind: [1.0, 3.0, 2.0] for kind in kinds},
                "ratios": {"buckets_500": [2.0, 2.5], "buckets_longest": [7.0]},
                "padding": dict.fromkeys(kinds, 0.5),
            },
        },
    }
    table = buckets.part({"jax": report})
    assert table.startswith("JAX, 8,000 reviews, some, 2 cores:")
    assert "| padded to 500 | 50.0% | 2.0 | - | 0.870 (0.860 to 0.880) |" in table
    assert "truncated to 500 | 50.0% | 2.0 | 2.25 (2.00 to 2.50) | - |" in table
