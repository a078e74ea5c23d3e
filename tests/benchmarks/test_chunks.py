"""The thresholds of the chunked backward pass agree with the measured rows."""

import importlib
import sys
from collections import defaultdict
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_rnnkit.kernels import _cells
from keras_rnnkit.kernels._arguments import Arguments, Plan

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import _method_rows  # noqa: E402
import _results  # noqa: E402
import _rule_data  # noqa: E402

sys.path.remove(str(BENCHMARKS))

BACKEND = keras.config.backend()
WHOLE, CHUNKED = _method_rows.BACKWARD

if BACKEND not in _method_rows.BACKWARD_FROM_UNITS:
    pytest.skip("PyTorch's backward pass has no chunks", allow_module_level=True)


def taken(kernels, row):
    """What the kernels take for the shape of a row."""
    method = _rule_data.method_of_rule(BACKEND, _rule_data.case_of(row), row.batch)
    inputs = np.zeros((_method_rows.STEPS, row.batch, row.features), "float32")
    state = np.zeros((row.batch, row.units), "float32")
    args = Arguments([inputs], [state], None, None, None, [], [])
    length = kernels._chunk_length(Plan(getattr(_cells, row.layer), method), args)
    return WHOLE if length is None else CHUNKED


def measured():
    """The ratios of both ways in each row, the worst over processors."""
    found = defaultdict(lambda: defaultdict(float))
    for report in _results.every("methods", BACKEND):
        for row, entry in _method_rows.rows_of(report).items():
            if row.compared == "backward pass":
                best = min(median for _, median, _ in entry["ms"].values())
                for way, (_, median, _) in entry["ms"].items():
                    found[row][way] = max(found[row][way], median / best)
    return found


def test_the_backward_pass_is_chunked_where_the_rows_say_so():
    """The worst ratio over processors is the least, or within 1.10."""
    kernels = importlib.import_module(f"keras_rnnkit.kernels.{BACKEND}")
    wrong = {}
    for row, ratios in measured().items():
        way = taken(kernels, row)
        if ratios[way] > max(_rule_data.GOOD, min(ratios.values())):
            wrong[row] = way, dict(ratios)
    assert measured() and not wrong
