"""The face of `keras_rnnkit.data`."""

import pytest

from keras_rnnkit import data

pytestmark = pytest.mark.no_backend


def test_names_are_sorted_there_and_described():
    assert data.__all__ == sorted(data.__all__)
    assert all(getattr(data, name).__doc__ for name in data.__all__)
