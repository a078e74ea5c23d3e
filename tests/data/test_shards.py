"""`Bucketed` with `shard`: every process its own rows, in the same number of batches."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit

pytestmark = pytest.mark.no_backend

Bucketed = kit.data.Bucketed


def sequences(count, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(1, 50, length) for length in np.minimum(rng.geometric(0.06, count), 60)]


def shards(count, rows, **options):
    x, y = sequences(rows), np.arange(rows)
    return [Bucketed(x, y, shard=(i, count), **options) for i in range(count)]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 4, 32])
@pytest.mark.parametrize("rows", [5, 64, 65, 66, 97, 130])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_row_comes_once_in_one_process_in_as_many_batches(count, rows, batch_size, shuffle):
    data = shards(count, rows, batch_size=batch_size, lengths=4, shuffle=shuffle)
    x = sequences(rows)
    for epoch in range(2):
        for one in data:
            one.set_epoch(epoch)
        assert len({len(one) for one in data}) == 1
        found = [row for one in data for batch in one.order() for row in batch.tolist()]
        assert sorted(found) == list(range(rows))
        for batches in zip(*data, strict=True):
            assert len({ids.shape[1] for ids, _ in batches}) == 1
            sizes = [len(labels) for _, labels in batches]
            assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1 and max(sizes) <= batch_size + 1
            for ids, labels in batches:
                for row, label in zip(ids, labels, strict=True):
                    assert row[row != 0].tolist() == x[label].tolist()
        uneven = [len({len(part[1]) for part in step}) for step in zip(*data, strict=True)]
        assert uneven.count(2) <= 1


@pytest.mark.parametrize("count", [2, 3])
def test_with_drop_last_all_batches_of_all_processes_have_one_size(count):
    data = shards(count, 100, batch_size=8, lengths=3, drop_last=True)
    found = [batch for one in data for batch in one.order()]
    assert {len(batch) for batch in found} == {8}
    assert len(np.unique(np.concatenate(found))) == 100 // (8 * count) * 8 * count
    with pytest.raises(ValueError, match=r"100 for each of 13 processes.*batch_size=8"):
        shards(13, 100, batch_size=8, drop_last=True)


def test_batches_of_all_processes_together_are_those_of_one_with_larger_batches():
    parts = shards(2, 103, batch_size=8, lengths=3, seed=5)
    whole = Bucketed(sequences(103), np.arange(103), batch_size=16, lengths=3, seed=5)
    for epoch in (0, 3):
        for one, first, second in zip(
            whole.order(epoch), *(part.order(epoch) for part in parts), strict=True
        ):
            assert sorted(one) == sorted([*first, *second])


def test_a_run_that_goes_on_has_the_batches_of_one_that_never_stopped(tmp_path):
    """Each process opens the file by itself; the order is that of the seed and the epoch."""
    path = tmp_path / "some.flat"
    kit.data.write_flat(path, sequences(90), targets=range(90))
    options = {"batch_size": 8, "lengths": 3, "seed": 2}

    def opened(index):
        return Bucketed(kit.data.open_flat(path), shard=(index, 2), **options)

    for index in (0, 1):
        first = opened(index)
        epochs = []
        for _ in range(4):
            epochs.append(list(first))
            first.on_epoch_end()
        again = opened(index)
        again.set_epoch(2)
        for epoch in epochs[2:]:
            for batch, same in zip(again, epoch, strict=True):
                for part, wanted in zip(batch, same, strict=True):
                    np.testing.assert_array_equal(part, wanted)
            again.on_epoch_end()
        orders = [tuple(np.concatenate(first.order(epoch))) for epoch in range(4)]
        assert len(set(orders)) == 4


def test_a_process_reads_its_own_rows_only(tmp_path, monkeypatch):
    path = tmp_path / "some.flat"
    kit.data.write_flat(path, sequences(90), targets=range(90))
    read = []
    padded = kit.data.FlatSequences.padded
    monkeypatch.setattr(
        kit.data.FlatSequences,
        "padded",
        lambda self, rows, *rest: read.extend(rows.tolist()) or padded(self, rows, *rest),
    )
    data = Bucketed(kit.data.open_flat(path), batch_size=8, shard=(1, 3))
    list(data)
    assert sorted(read) == sorted(np.concatenate(data.order())) and len(read) == 30


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
def test_workers_make_the_batches_of_the_shard(processes):
    options = {"batch_size": 4, "lengths": 4, "shard": (1, 2)}
    alone = Bucketed(sequences(60), np.arange(60), **options)
    ahead = Bucketed(
        sequences(60), np.arange(60), **options, workers=2, use_multiprocessing=processes
    )
    for batch, same in zip(ahead, alone, strict=True):
        for part, wanted in zip(batch, same, strict=True):
            np.testing.assert_array_equal(part, wanted)


def test_padding_is_that_of_the_rows_of_the_shard():
    for data in shards(3, 97, batch_size=4, lengths=4):
        real = sum((ids != 0).sum() for ids, _ in data)
        assert data.padding == pytest.approx(1 - real / sum(ids.size for ids, _ in data))


def test_a_part_of_the_predictions_is_not_restored():
    data = shards(2, 20, batch_size=4)[0]
    with pytest.raises(ValueError, match=r"without `shard`.*predictions.shape=\(10, 1\)"):
        data.restore(np.zeros((10, 1)))


@pytest.mark.parametrize(
    "shard", [None, 1, (0,), (2, 2), (-1, 2), (0, 0), (0.0, 2), (True, 2), "01", (0, 2, 1)]
)
def test_a_wrong_shard_is_refused(shard):
    with pytest.raises(ValueError, match=r"`shard` must be \(index, count\).*Received: shard="):
        Bucketed(sequences(20), shard=shard)


def test_more_processes_than_sequences_are_refused():
    with pytest.raises(
        ValueError, match=r"`shard` must have at most.*, 3. Received: shard=\(0, 4\)"
    ):
        Bucketed(sequences(3), shard=(0, 4))


def test_under_a_distribution_all_processes_need_as_many_rows(monkeypatch):
    monkeypatch.setattr(keras.distribution, "distribution", object)
    with pytest.raises(ValueError, match=r"`drop_last` must.*leave 1 out.*shard=\(0, 2\).*=33"):
        shards(2, 33, batch_size=8)
    shards(2, 33, batch_size=8, drop_last=True)
    data = shards(2, 36, batch_size=8)  # the smaller batch has 2 rows in each process
    assert sorted(len(rows) for one in data for rows in one.order()) == [2, 2, 8, 8, 8, 8]
    shards(1, 33, batch_size=8)
