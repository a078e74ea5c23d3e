"""`pad` against `keras.utils.pad_sequences`."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_rnnkit.data import pad

pytestmark = pytest.mark.no_backend

ids = st.integers(-(2**31), 2**31 - 1)
sides = st.sampled_from(["pre", "post"])


@given(
    sequences=st.lists(st.lists(ids, max_size=8), min_size=1, max_size=6),
    maxlen=st.none() | st.integers(1, 10),
    padding=sides,
    truncating=sides,
    value=st.integers(-5, 5),
)
def test_equal_to_keras(sequences, maxlen, padding, truncating, value):
    options = {"maxlen": maxlen, "padding": padding, "truncating": truncating, "value": value}
    expected = keras.utils.pad_sequences(sequences, **options)
    np.testing.assert_array_equal(pad(sequences, **options), expected, strict=True)


def test_arrays_tuples_and_nothing():
    assert pad([np.array([1, 2], np.uint8), (3,)]).tolist() == [[1, 2], [0, 3]]
    assert pad(np.array([[1, 2], [3, 4]]), 1).tolist() == [[2], [4]]
    assert pad([]).shape == (0, 0)
    assert pad([], 3).shape == (0, 3)
    assert pad([[], []], 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("row", [[1.5], ["a"], [[1, 2]], [[1], [1, 2]], 3, "text", [None]])
def test_rows_that_are_not_ids_are_told(row):
    with pytest.raises(TypeError, match=r"`sequences\[1\]`"):
        pad([[1], row])


@pytest.mark.parametrize("id_", [2**31, -(2**31) - 1, 2**63, 2**64 - 1])
def test_ids_past_int32_are_told(id_):
    with pytest.raises(ValueError, match="int32"):
        pad([[id_]])


@pytest.mark.parametrize(
    "wrong",
    [{"maxlen": 0}, {"padding": "left"}, {"truncating": "right"}, {"value": 0.5}, {"value": 2**31}],
)
def test_wrong_options_are_told(wrong):
    with pytest.raises(ValueError, match=f"`{next(iter(wrong))}`"):
        pad([[1]], **wrong)


@given(
    sequences=st.lists(st.lists(st.integers(-3, 3), max_size=8), max_size=6),
    maxlen=st.none() | st.integers(1, 10),
    padding=sides,
    truncating=sides,
)
def test_the_mask_and_the_lengths_are_those_of_the_sequences(
    sequences, maxlen, padding, truncating
):
    options = {"maxlen": maxlen, "padding": padding, "truncating": truncating}
    padded = pad(sequences, **options, return_mask=True)
    np.testing.assert_array_equal(padded.ids, pad(sequences, **options), strict=True)
    assert padded.mask.dtype == bool
    assert padded.mask.shape == padded.ids.shape
    assert padded.lengths.dtype == np.int32
    most = 8 if maxlen is None else maxlen
    kept = [s[-most:] if truncating == "pre" else s[:most] for s in sequences]
    assert padded.lengths.tolist() == list(map(len, kept))
    for row, valid, sequence in zip(padded.ids, padded.mask, kept, strict=True):
        assert row[valid].tolist() == sequence  # also where an id equals the padding value
        side = valid if padding == "post" else valid[::-1]
        assert side[: len(sequence)].all()
