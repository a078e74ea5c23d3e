"""What `windows` refuses, and that its errors name the series and the argument."""

import numpy as np
import pytest

from keras_rnnkit.data import windows

pytestmark = pytest.mark.no_backend

STEPS = np.arange(40.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 0}, "`length` must be an integer from 1.*Received: length=0"),
        ({"length": 2.0}, "`length`.*Received: length=2.0"),
        ({"horizon": 0}, "`horizon`.*Received: horizon=0"),
        ({"stride": -1}, "`stride`.*Received: stride=-1"),
        ({"batch_size": 0}, "`batch_size`.*Received: batch_size=0"),
        ({"seed": -1}, "`seed`.*Received: seed=-1"),
        ({"targets": 1}, "`targets` must be a feature from 0 to 0.*Received: targets=1"),
        ({"targets": []}, r"`targets`.*Received: targets=\[\]"),
        ({"targets": "co2"}, "`targets`.*Received: targets='co2'"),
        ({"targets": [0.0]}, r"`targets`.*Received: targets=\[0.0\]"),
        ({"split": (0.7, 0.3)}, r"`split`.*Received: split=\(0.7, 0.3\)"),
        ({"split": (0.7, 0.3, 0.3)}, "`split` must be three fractions that add up to 1"),
        ({"split": (0, 0.5, 0.5)}, "`split`.*training .more than 0"),
        ({"split": (0.7, 0.6, -0.3)}, "`split`"),
        ({"split": 0.7}, "`split`.*Received: split=0.7"),
        ({"scale": "standard"}, "`scale` must be True or False.*Received: scale='standard'"),
        ({"indicators": 2}, "`indicators`.*Received: indicators=2"),
        ({"dtype": "int32"}, "`dtype`.*Received: dtype='int32'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        windows(STEPS, **{"length": 4, **arguments})


@pytest.mark.parametrize(
    ("series", "error", "message"),
    [
        (["a", "b"], TypeError, r"`series` must have integers or.*dtype=<U1, shape=\(2,\)"),
        ([[1, 2], [[1], [2]]], ValueError, r"`series\[1\]`.*features of `series\[0\]`"),
        ([STEPS, STEPS[:, None]], ValueError, r"`series\[1\]`.*shape=\(40, 1\)"),
        ([STEPS, [True, False]], TypeError, r"`series\[1\]`.*dtype=bool"),
        (STEPS.astype(complex), TypeError, "dtype=complex128"),
        (STEPS.astype(object), TypeError, "dtype=object"),
        ([[1, 2], [[1], 2]], TypeError, r"`series\[1\]`.*dtype=object"),
        (np.zeros((4, 5, 6)), ValueError, r"pass several series as a list.*shape=\(4, 5, 6\)"),
        ([1.0, None, 2.0], TypeError, "`series` must have.*NaN where a value is missing"),
        (np.zeros((40, 0)), ValueError, r"shape=\(40, 0\)"),
        (3.0, ValueError, r"`series` must have the shape.*shape=\(\)"),
        ([], ValueError, r"`series` is too short.*len\(series\)=0"),
        (np.r_[STEPS, np.inf], ValueError, r"finite values.*Received: series\[40\]=\[inf\]"),
    ],
)
def test_series_that_are_none(series, error, message):
    with pytest.raises(error, match=message):
        windows(series, 4)


def test_a_series_that_is_too_short_is_named_with_its_part():
    with pytest.raises(
        ValueError,
        match=r"`series\[1\]` is too short: its training part has 7 steps, and a window needs "
        r"length \+ horizon = 9\..*Received: len\(series\[1\]\)=10",
    ):
        windows([STEPS, STEPS[:10]], 8)
    with pytest.raises(
        ValueError, match=r"its test part has 3 steps, and a window needs horizon = 4\."
    ):
        windows(STEPS[:20], 4, horizon=4, split=(0.5, 0.35, 0.15))


def test_missing_values_that_leave_nothing():
    series = np.stack([STEPS, STEPS], axis=1)
    with pytest.raises(ValueError, match="and not False where values are missing"):
        windows(np.r_[STEPS, np.nan], 4, indicators=False)
    series[:28, 1] = np.nan
    with pytest.raises(
        ValueError, match=r"`series` must have a value of every.*Received: series\[..., 1\]=NaN"
    ):
        windows(series, 4)
    series[:, 1] = STEPS
    series[34:, 1] = np.nan
    with pytest.raises(ValueError, match=r"in the test part.*Received: targets=\[1\] with NaN"):
        windows(series, 4, targets=[1])


@pytest.mark.parametrize("ends", [(-1e300, 1e300), (1e-200, 2e-200)])
def test_values_that_cannot_be_scaled(ends):
    with pytest.raises(ValueError, match=r"float64 can represent\. Rescale.*minimum=\["):
        windows(np.linspace(*ends, 40), 4)


def test_a_batch_that_does_not_exist():
    data = windows(STEPS, 4)
    with pytest.raises(IndexError, match=r"from 0 to 0, or from -1 to -1.*Received: index=1"):
        data.train[1]
    with pytest.raises(ValueError, match=r"`epoch`.*Received: epoch=-1"):
        data.train.set_epoch(-1)
