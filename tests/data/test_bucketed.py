"""`Bucketed` without a model: shapes, order, padding, weights, workers, errors."""

import numpy as np
import pytest

import keras_rnnkit as kit
from tests.data.bucketing import sequences, unpadded

pytestmark = pytest.mark.no_backend

Bucketed = kit.data.Bucketed


def check_every_row_comes_once(data, x, y):
    found = {}
    for batch, rows in zip(data, data.order(), strict=True):
        for row, ids, target in zip(rows.tolist(), unpadded(batch[0]), batch[1], strict=True):
            assert row not in found
            found[row] = ids, target
    assert sorted(found) == list(range(len(x)))
    for row, (ids, target) in found.items():
        assert ids == x[row].tolist() and target == y[row]


@pytest.mark.parametrize("batch_size", [1, 4, 32, 103, 500])
@pytest.mark.parametrize("lengths", [1, 3, 16, [20, 60]])
def test_every_row_comes_once_padded_to_few_lengths(batch_size, lengths):
    x, y = sequences(), np.arange(103)
    data = Bucketed(x, y, batch_size=batch_size, lengths=lengths)
    number = lengths if isinstance(lengths, int) else len(lengths)
    for epoch in range(2):
        data.set_epoch(epoch)
        check_every_row_comes_once(data, x, y)
        shapes = {batch[0].shape for batch in data}
        assert {shape[1] for shape in shapes} <= set(data.lengths)
        assert len(data.lengths) <= number and len(shapes) <= number + 1
        assert sum(shape[0] < batch_size for shape in shapes) <= 1
        for batch in data:
            assert batch[0].dtype == np.int32


def test_padding_is_the_measured_fraction():
    data = Bucketed(sequences(), batch_size=4, lengths=4)
    real = sum((x != 0).sum() for (x,) in data)
    assert data.padding == pytest.approx(1 - real / sum(x.size for (x,) in data))
    assert data.padding < Bucketed(sequences(), batch_size=4, lengths=2).padding


def test_lengths_are_those_with_the_least_padding_for_whole_batches():
    x = [np.ones(n, int) for n in (1, 1, 2, 2, 9, 9, 10, 10, 30, 30)]
    for batch_size, lengths in ((2, (2, 10, 30)), (4, (1, 9, 30))):
        data = Bucketed(x, batch_size=batch_size, lengths=3, shuffle=False)
        assert data.lengths == lengths


def test_few_batches_have_few_lengths_so_that_shuffling_mixes_their_rows():
    x = [np.ones(n, int) for n in range(1, 41)]
    assert len(Bucketed(x, batch_size=2).lengths) == 5
    assert len(Bucketed(x, batch_size=16).lengths) == 1
    assert len(Bucketed(x, batch_size=2, shuffle=False).lengths) == 16
    assert Bucketed(x, batch_size=16, lengths=[10, 20, 40]).lengths == (10, 40)


@pytest.mark.parametrize("truncating", ["pre", "post"])
def test_maxlen_truncates(truncating):
    x = sequences(least=4)
    data = Bucketed(x, batch_size=4, lengths=4, maxlen=10, truncating=truncating)
    assert data.lengths[-1] == 10
    for (batch,), rows in zip(data, data.order(), strict=True):
        for ids, row in zip(unpadded(batch), rows, strict=True):
            wanted = x[row][-10:] if truncating == "pre" else x[row][:10]
            assert ids == wanted.tolist()


def test_drop_last_drops_other_short_rows_in_each_epoch():
    x = sequences(90)
    data = Bucketed(x, np.arange(90), batch_size=32, lengths=2, drop_last=True)
    assert len(data) == 2
    kept = []
    for epoch in range(6):
        data.set_epoch(epoch)
        kept.append(frozenset(np.concatenate([batch[1] for batch in data]).tolist()))
        assert all(batch[0].shape[0] == 32 for batch in data)
    assert {len(rows) for rows in kept} == {64}
    assert len(set(kept)) > 1
    with pytest.raises(ValueError, match="drop_last=False"):
        data.restore(np.zeros(64))


def test_float_sequences_and_fixed_inputs():
    rng = np.random.default_rng(0)
    steps = rng.integers(1, 9, 21)
    x = {
        "audio": [rng.normal(size=(n, 3)) for n in steps],
        "words": [list(range(1, n + 2)) for n in steps[::-1]],
        "age": rng.normal(size=(21, 2)),
    }
    data = Bucketed(x, np.arange(21), batch_size=4, lengths=3, value=-1)
    shapes = set()
    for (inputs, _), rows in zip(data, data.order(), strict=True):
        assert inputs["audio"].dtype == np.float32 and inputs["words"].dtype == np.int32
        shapes.add((inputs["audio"].shape, inputs["words"].shape))
        for i, row in enumerate(rows):
            audio = inputs["audio"][i]
            np.testing.assert_allclose(audio[: steps[row]], x["audio"][row], rtol=1e-6)
            assert (audio[steps[row] :] == -1).all()
            assert [word for word in inputs["words"][i] if word != -1] == x["words"][row]
            np.testing.assert_allclose(inputs["age"][i], x["age"][row], rtol=1e-6)
    assert len(shapes) <= 4


def test_targets_that_are_sequences_are_padded_to_the_length_of_the_inputs():
    x = sequences()
    for lengths in (4, [30, 100]):
        data = Bucketed(x, [2 * row for row in x], batch_size=4, lengths=lengths, maxlen=40)
        for inputs, targets in data:
            np.testing.assert_array_equal(targets, 2 * inputs)


def test_weights():
    x, y = sequences(20), np.arange(20) % 3
    weights = np.linspace(0, 1, 20)
    both = Bucketed(x, y, batch_size=4, sample_weight=weights, class_weight={0: 2.0, 1: 3.0})
    factors = np.array([2, 3, 1])[y]
    for (_, _, found), rows in zip(both, both.order(), strict=True):
        np.testing.assert_allclose(found, (weights * factors)[rows], rtol=1e-6)
    one_hot = Bucketed(x, np.eye(3)[y], batch_size=4, class_weight={0: 2.0, 1: 3.0})
    alone = Bucketed(x, y[:, None], batch_size=4, class_weight={0: 2.0, 1: 3.0})
    for data in (one_hot, alone):
        for (_, _, found), rows in zip(data, data.order(), strict=True):
            np.testing.assert_allclose(found, factors[rows])


def test_empty_sequences_are_rows_of_padding():
    data = Bucketed([[], [1], [], [2, 3]], batch_size=2, lengths=2, shuffle=False)
    assert data.lengths == (1, 2)
    assert sorted(map(tuple, data[1][0].tolist())) == [(0,), (0,)]
    assert Bucketed([[], []]).lengths == (1,)


def test_one_batch():
    data = Bucketed(sequences(5), batch_size=8)
    assert len(data) == 1 and data[0][0].shape[0] == 5


@pytest.mark.slow
@pytest.mark.parametrize(("lengths", "most"), [(16, 0.1), (24, 0.075)])
def test_of_the_whole_imdb_at_most_a_tenth_is_padding(lengths, most, real_file):
    (x, y), _ = kit.data.load_imdb_sequences(real_file("imdb.npz"), cache=False)
    data = Bucketed(list(x), y, lengths=lengths)
    assert max(map(len, x)) == data.lengths[-1] == 2494
    shapes = [batch[0].shape for batch in data]
    real = sum(map(len, x))
    padding = 1 - real / sum(rows * steps for rows, steps in shapes)
    assert padding == pytest.approx(data.padding) and padding < most
    assert len(set(shapes)) <= lengths + 1
