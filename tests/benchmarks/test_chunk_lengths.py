"""What the page about truncated backpropagation says of the lengths of chunks."""

import sys

import pytest

from tests.docs.test_pages import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import _results
import chunks

sys.path.remove(str(ROOT / "benchmarks"))

pytestmark = pytest.mark.no_backend


@pytest.mark.parametrize("backend", _results.BACKENDS)
def test_chunks_need_less_memory_than_whole_rows(backend):
    reports = _results.every("chunks", backend)
    if not reports:
        pytest.skip(f"benchmarks/chunks.py has not measured {backend} yet")
    for report in reports:
        mib = {way: cell["mib"] for way, cell in report["cells"].items()}
        assert mib["50"] < mib["200"] < mib["whole"]


def test_the_table_has_what_was_measured():
    cell = {"updates": 800, "bits": [3.0, 2.414], "seconds": 1.26, "mib": 30.2}
    report = {"machine": {"cpu": "some", "cores": 2}, "cells": {"50": cell, "recompute": cell}}
    report |= {"units": 8, "row": 2000, "lanes": 16, "sets": 20, "epochs": 2}
    text = chunks.part({"jax": report}, "en")
    assert "640,000 characters" in text and "JAX, some, 2 cores:" in text
    assert "| chunks of 50 | 800 | 2.41 | 1.3 | 30 |" in text
    assert "| whole rows, `recompute=True` | 800 |" in text
    assert "| 구간 50 | 800 |" in chunks.part({"jax": report}, "ko")
    assert chunks.part({}, "en") == "No results yet.\n"
