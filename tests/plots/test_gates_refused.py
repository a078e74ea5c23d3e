"""What `plots.gates` refuses."""

import sys

import keras
import numpy as np
import pytest

from keras_rnnkit import plots
from tests.plots.traces import TIME, UNITS, WORDS, array, lstm, simple

pytestmark = pytest.mark.no_backend


@pytest.mark.parametrize(
    ("trace", "error", "message"),
    [
        (array(0, 1), TypeError, r"`trace` must be a trace.*type\(trace\)=ndarray$"),
        (
            (array(0, 1), None),
            TypeError,
            r"type\(trace\)=tuple, len\(trace\)=2$",
        ),
        (lstm(cell=np.zeros((2, TIME))), ValueError, r"`trace.cell`.*trace.cell.shape=\(2, 6\)$"),
        (lstm(hidden=np.zeros((2, 9, 3))), ValueError, r"`trace.hidden`.*\(2, 9, 3\)"),
        (
            lstm(mask=np.ones((2, 9), bool)),
            ValueError,
            r"`trace.mask`.*\(2, 6\).*shape=\(2, 9\)$",
        ),
        (simple(np.zeros((0, 2, 3))), ValueError, "none of them 0"),
        (lstm(np.zeros((2, TIME), bool)), ValueError, "a step that is not masked.*sample=0$"),
        (simple(np.full((2, TIME, UNITS), np.inf)), ValueError, "NaN or infinity.*sample=0$"),
        (simple(keras.KerasTensor((2, 3, 4))), TypeError, "symbolic.*=<KerasTensor"),
    ],
    ids=range(9),
)
def test_wrong_traces_are_refused(trace, error, message):
    with pytest.raises(error, match=message):
        plots.gates(trace)


@pytest.mark.parametrize("tokens", [WORDS[:-1], [*WORDS, "x"], "a film"], ids=["5", "7", "text"])
def test_wrong_tokens_are_refused(tokens):
    with pytest.raises(ValueError, match=r"`tokens` must be a list of 6 str.*len\(tokens\)=\d$"):
        plots.gates(lstm(), tokens)


@pytest.mark.parametrize("sample", [1.5, "0", None])
def test_a_sample_that_is_no_integer_is_refused(sample):
    with pytest.raises(
        TypeError, match=f"`sample` must be an integer. Received: sample={sample!r}"
    ):
        plots.gates(lstm(), sample=sample)


@pytest.mark.parametrize("sample", [2, -3])
def test_a_sample_out_of_range_is_refused(sample):
    with pytest.raises(IndexError, match=f"between 0 and 1.*sample={sample}"):
        plots.gates(lstm(), sample=sample)


def test_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "keras-rnnkit\[plot\]"'):
        plots.gates(lstm())
