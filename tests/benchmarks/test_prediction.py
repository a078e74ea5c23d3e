"""`explain` names ONNX Runtime for what the committed rows say it predicts faster."""

import sys
from pathlib import Path
from statistics import median

import pytest

from keras_rnnkit.models._onnx_advice import JAX_LSTM_FROM_UNITS

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import _results  # noqa: E402
import prediction  # noqa: E402

sys.path.remove(str(BENCHMARKS))

pytestmark = pytest.mark.no_backend

WAYS = ("predict", "predict_on_batch")
ABOUT = 1.05  # what turns of the two differ by on a quiet machine


def times_of_kit(report, shapes):
    """The kit's time for each ms of ONNX Runtime, the median of the ways, by layer and units."""
    for key, cell in report["cells"].items():
        layer, shape = key.split("/")
        if shape in shapes:
            times = [1 / cell[way]["onnxruntime_over_kit"]["median"] for way in WAYS]
            yield layer, prediction.ROWS[shape].units, median(times)


@pytest.mark.parametrize("backend", _results.BACKENDS)
def test_one_row_is_faster_in_onnx_runtime(backend):
    for report in _results.every("prediction", backend):
        rows = list(times_of_kit(report, ["one row"]))
        assert len(rows) == 2
        assert all(times > 1 for *_, times in rows)


@pytest.mark.parametrize("backend", _results.BACKENDS)
def test_batches_are_faster_in_onnx_runtime_where_explain_says_so(backend):
    batches = [shape for shape in prediction.ROWS if shape != "one row"]
    for report in _results.every("prediction", backend):
        rows = list(times_of_kit(report, batches))
        assert len(rows) >= 6
        for layer, units, times in rows:
            if backend == "jax" and layer == "LSTM" and units < JAX_LSTM_FROM_UNITS:
                assert times < ABOUT, (layer, units)
            elif backend != "jax" or layer == "LSTM":
                assert times > 1 / ABOUT, (layer, units)
