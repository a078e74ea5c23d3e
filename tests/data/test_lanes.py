"""One long series as rows side by side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_rnnkit as kit

pytestmark = pytest.mark.no_backend


@given(st.integers(1, 9), st.integers(0, 40))
def test_the_rows_one_after_the_other_are_the_series(lanes, more):
    series = np.arange((lanes + more) * 2).reshape(-1, 2)
    x, y = kit.data.lanes(series, lanes, targets=list(series[:, 0]))
    assert x.shape == (lanes, len(series) // lanes, 2)
    kept = lanes * x.shape[1]
    assert len(series) - kept < lanes
    np.testing.assert_array_equal(x.reshape(-1, 2), series[:kept])
    np.testing.assert_array_equal(y.reshape(-1), series[:kept, 0])


def test_the_rows_of_a_mapped_file_are_a_view(tmp_path):
    np.save(tmp_path / "series.npy", np.arange(10))
    series = np.load(tmp_path / "series.npy", mmap_mode="r")
    assert np.shares_memory(kit.data.lanes(series, 3), series)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"`lanes` must be.*Received: lanes=0"):
        kit.data.lanes([1, 2], 0)
    with pytest.raises(ValueError, match=r"`series` must.*at least 3 steps.*series.shape=\(2,\)"):
        kit.data.lanes([1, 2], 3)
    with pytest.raises(ValueError, match=r"`targets` must.*series`, 2.*len\(targets\)=1"):
        kit.data.lanes([1, 2], 2, targets=[1])
    with pytest.raises(ValueError, match=r"`series` must.*dtype=object"):
        kit.data.lanes(np.array([None, None]), 2)
    with pytest.raises(ValueError, match=r"`targets` must.*Received: targets.shape=\(\)"):
        kit.data.lanes([1, 2], 2, targets=3)
    different = r"`series` must be one array.*np.concatenate.*kit.data.pack.*\(series\)=list"
    with pytest.raises(ValueError, match=different):
        kit.data.lanes([[1], [2, 3]], 2)
