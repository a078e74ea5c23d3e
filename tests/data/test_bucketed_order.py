"""The order of the batches of `Bucketed`, in each epoch and with workers."""

import pickle

import numpy as np
import pytest

import keras_rnnkit as kit
from tests.data.bucketing import sequences

pytestmark = pytest.mark.no_backend


Bucketed = kit.data.Bucketed


def test_batches_of_the_longest_and_the_shortest_come_first():
    for shuffle in (True, False):
        data = Bucketed(sequences(), batch_size=4, lengths=5, shuffle=shuffle)
        for epoch in range(4):
            data.set_epoch(epoch)
            assert [data[i][0].shape[1] for i in (0, 1)] == [data.lengths[-1], data.lengths[0]]


def test_the_order_is_a_pure_function_of_seed_and_epoch():
    x = sequences()
    one, other = (Bucketed(x, batch_size=4, lengths=4, seed=3) for _ in range(2))
    other.set_epoch(7)
    again = [np.concatenate(data.order(5)).tolist() for data in (one, other)]
    assert again[0] == again[1]
    orders = [np.concatenate(one.order(epoch)).tolist() for epoch in range(5)]
    assert len({tuple(order) for order in orders}) == 5
    assert np.concatenate(Bucketed(x, batch_size=8, seed=4).order()).tolist() != orders[0]
    composition = {frozenset(rows.tolist()) for rows in one.order(0)}
    assert composition != {frozenset(rows.tolist()) for rows in one.order(1)}
    later = Bucketed(x, batch_size=4, lengths=4, seed=4)
    assert np.concatenate(later.order(0)).tolist() != orders[1]  # seed + epoch is the same


def test_without_shuffling_every_epoch_is_the_same_and_lengths_ascend_after_the_first():
    data = Bucketed(sequences(), batch_size=4, lengths=4, shuffle=False)
    first = [rows.tolist() for rows in data.order(0)]
    assert first == [rows.tolist() for rows in data.order(9)]
    widths = [batch[0].shape[1] for batch in data]
    assert widths[0] == max(widths) and widths[1:] == sorted(widths[1:])


def test_in_the_first_two_batches_every_dimension_that_changes_is_different():
    """Also where the longest and the shortest rows have other inputs of the same length."""
    x = tuple([np.ones(n, int) for n in np.repeat(steps, 4)] for steps in ((10, 20, 30), (1, 2, 1)))
    data = Bucketed(x, batch_size=1, lengths=3)
    shapes = [[part.shape[1] for part in batch[0]] for batch in data]
    assert shapes[:2] == [[30, 2], [10, 1]]
    assert {tuple(shape) for shape in shapes} == {(10, 1), (20, 2), (30, 2)}


def test_restore():
    x = sequences()
    data = Bucketed(x, batch_size=4, lengths=4)
    for epoch in range(3):
        rows = np.concatenate(data.order())
        found = data.restore({"a": rows, "b": [rows[:, None] * 2]}, epoch)
        assert found["a"].tolist() == list(range(103))
        assert (found["b"][0][:, 0] == 2 * np.arange(103)).all()
        data.set_epoch(epoch + 1)
    with pytest.raises(ValueError, match=r"103 rows.*Received: predictions.shape=\(5, 1\)"):
        data.restore(np.zeros((5, 1)))


def test_restore_knows_the_last_loop():
    data = Bucketed(sequences(), np.arange(103), batch_size=4, lengths=4)
    for _ in range(3):
        targets = np.concatenate([y for _, y in data])
        assert data.restore(targets).tolist() == list(range(103))
        data.on_epoch_end()
        assert data.restore(targets).tolist() == list(range(103))
    assert data.epoch == 3


def test_an_epoch_ends_when_all_batches_were_used():
    data = Bucketed(sequences(), batch_size=4, lengths=4)
    data.on_epoch_end()
    data[0]
    data.on_epoch_end()
    assert data.epoch == 0
    for index in range(len(data) - 1):
        data[index]
    data.on_epoch_end()
    assert data.epoch == 0
    list(data)
    data.on_epoch_end()
    assert data.epoch == 1


def equal(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        for part, same in zip(a, b, strict=True):
            np.testing.assert_array_equal(part, same)


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
def test_workers_make_the_same_batches_in_the_same_order(processes):
    options = {"batch_size": 4, "lengths": 4}
    alone = Bucketed(sequences(), np.arange(103), **options)
    data = Bucketed(
        sequences(),
        np.arange(103),
        **options,
        workers=2,
        use_multiprocessing=processes,
        max_queue_size=3,
    )
    data[0], data[1]  # as Keras on TensorFlow asks for batches before an epoch begins
    for _ in range(2):
        equal(list(data), list(alone))
        for each in (data, alone):
            each.on_epoch_end()
    for i in (5, 2, 3, 11, 0, -1):  # as Keras shuffles
        equal([data[i]], [alone[i]])
    copy = pickle.loads(pickle.dumps(data))
    equal(list(copy), list(alone))
