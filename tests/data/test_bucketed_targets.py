"""Targets that `Bucketed` finds in lists and files, and batches by their number."""

import numpy as np
import pytest

from keras_rnnkit.data import Bucketed, open_flat, windows, write_flat

pytestmark = pytest.mark.no_backend
X = [[1, 2, 3], [4], [5, 6], [7, 8, 9, 10]]
ONE_HOT = [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("kind", [list, np.array, tuple], ids=["lists", "arrays", "tuples"])
def test_one_hot_rows_in_a_list_are_an_array(kind):
    y = [kind(row) for row in ONE_HOT]
    data = Bucketed(X, y, batch_size=2, lengths=[5], shuffle=False)
    expected = Bucketed(X, np.array(ONE_HOT), batch_size=2, lengths=[5], shuffle=False)
    for index in range(len(data)):
        assert data[index][1].shape == (2, 3)
        assert np.array_equal(data[index][1], expected[index][1])
    assert Bucketed([[1], [2]], [[0, 1, 0], [1, 0, 0]], batch_size=1).lengths == (1,)


def test_one_hot_rows_in_a_list_have_classes_with_weights():
    data = Bucketed(X, ONE_HOT, batch_size=4, class_weight={1: 3.0}, shuffle=False)
    assert sorted(data[0][2].tolist()) == [1, 1, 3, 3]


def test_one_hot_rows_in_a_dict_or_tuple_of_outputs():
    y = {"class": ONE_HOT, "tags": [row[::-1] for row in X]}
    targets = Bucketed(X, y, batch_size=4, lengths=[6], shuffle=False)[0][1]
    assert targets["class"].shape == (4, 3) and targets["tags"].shape == (4, 6)
    targets = Bucketed(X, tuple(y.values()), batch_size=4, lengths=[6], shuffle=False)[0][1]
    assert [one.shape for one in targets] == [(4, 3), (4, 6)]


def test_targets_beside_the_steps_are_sequences_also_of_one_length():
    x = [[1, 2], [3, 4], [5, 6]]
    data = Bucketed(x, [row[::-1] for row in x], batch_size=3, lengths=[4], shuffle=False)
    assert data[0][1].shape == (3, 4)


def test_value_is_the_padding_of_the_inputs_and_the_targets_of_padding_are_zero():
    x = [[1, 2], [3]]
    weights = [np.array(row, "float32") for row in x]
    data = Bucketed(x, x, sample_weight=weights, batch_size=2, lengths=[3], shuffle=False, value=9)
    inputs, targets, weights = data[0]
    assert sorted(inputs.tolist()) == [[1, 2, 9], [3, 9, 9]]
    for part in (targets, weights):
        assert sorted(part.tolist()) == [[1, 2, 0], [3, 0, 0]]


@pytest.mark.parametrize(
    "y", [[[1, [2]], [1, [2, 3]]], [["a", "b"], ["c", "d"]], [[None], [1]]], ids=repr
)
def test_lists_that_are_no_targets_are_refused(y):
    with pytest.raises(TypeError, match=r"`y\[0\]` must be a sequence of integers"):
        Bucketed([[1], [2, 3]], y, batch_size=2)


def test_the_targets_in_the_file_of_one_of_several_inputs_are_used(tmp_path):
    write_flat(tmp_path / "a.flat", X, targets=np.arange(4))
    write_flat(tmp_path / "b.flat", X)
    labelled, plain = open_flat(tmp_path / "a.flat"), open_flat(tmp_path / "b.flat")
    for x in ({"a": labelled, "b": plain}, (plain, labelled)):
        data = Bucketed(x, batch_size=4, shuffle=False)
        assert sorted(data[0][1].tolist()) == [0, 1, 2, 3]
    assert len(Bucketed((plain, plain), batch_size=4)[0]) == 1
    given = Bucketed((plain, labelled), np.ones(4), batch_size=4)
    assert given[0][1].tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="`y` must be passed, because 2 inputs in `x`"):
        Bucketed({"a": labelled, "b": labelled}, batch_size=4)


def test_batches_are_counted_from_the_end_too():
    parts = windows(np.arange(40.0), length=3, batch_size=4, seed=None)
    for data in (parts.train, Bucketed(X, batch_size=2, shuffle=False)):
        assert np.array_equal(data[-1][0], data[len(data) - 1][0])
        for index in (len(data), -len(data) - 1):
            message = rf"`index` must be from 0 to {len(data) - 1}, or.*Received: index={index}$"
            with pytest.raises(IndexError, match=message):
                data[index]
        with pytest.raises(TypeError, match="`index` must be an integer"):
            data["1"]
