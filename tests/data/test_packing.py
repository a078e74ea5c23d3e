"""`kit.data.pack`: every sequence comes back from its row, and little of the rows is unused."""

import pickle
import time

import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.data.bins import into_rows

pytestmark = pytest.mark.no_backend

pack = kit.data.pack


def sequences(count=60, seed=0, longest=30, features=None):
    rng = np.random.default_rng(seed)
    lengths = np.minimum(rng.geometric(0.1, count), longest).tolist()
    if features is not None:
        return [rng.normal(size=(n, features)).astype("float32") for n in lengths]
    return [rng.integers(1, 50, n) for n in lengths]


def unpacked(packed, rows=None):
    """The sequences in their order, read back from the rows."""
    rows = packed.rows if rows is None else rows
    found = {}
    for row, starts, ends, index in zip(
        rows, packed.starts, packed.ends, packed.index, strict=True
    ):
        for start, end, number in zip(starts, ends, index, strict=True):
            if number >= 0:
                found[int(number)] = row[start : end + 1]
            else:
                assert start == end == -1
    assert sorted(found) == list(range(len(found)))
    return [found[i] for i in range(len(found))]


def check(packed, x, length):
    rows, resets, ends, _, weights = packed
    assert rows.shape[:2] == resets.shape == (len(ends), length)
    assert ends.shape == weights.shape == packed.index.shape == packed.starts.shape
    assert (resets.dtype, ends.dtype, weights.dtype) == (bool, np.int32, np.float32)
    for found, wanted in zip(unpacked(packed), x, strict=True):
        np.testing.assert_array_equal(found, np.asarray(wanted, rows.dtype))
    np.testing.assert_array_equal(weights, (ends >= 0).astype("float32"))
    assert weights.sum() == len(x)
    for row, starts, last, mask in zip(resets, packed.starts, ends, packed.mask, strict=True):
        used = last.max() + 1
        tail = [used] if used < length else []
        assert np.flatnonzero(row).tolist() == [*starts[starts >= 0].tolist(), *tail]
        assert (
            starts[0] == 0 and (starts[1:][starts[1:] >= 0] == last[:-1][last[1:] >= 0] + 1).all()
        )
        np.testing.assert_array_equal(mask, np.arange(length) < used)
    assert not rows[~packed.mask].any()
    assert packed.padding == pytest.approx(1 - sum(map(len, x)) / resets.size)


@pytest.mark.parametrize("features", [None, 1, 3])
@pytest.mark.parametrize("length", [30, 31, 64, 10_000])
@pytest.mark.parametrize("count", [1, 2, 60])
def test_every_sequence_is_in_one_row_with_its_start_and_its_end(count, length, features):
    x = sequences(count, features=features)
    packed = pack(x, length)
    check(packed, x, length)
    assert packed.targets is None
    assert packed.rows.dtype == (np.int32 if features is None else np.float32)


def test_lists_float_sequences_object_arrays_and_equal_lengths():
    lists = [row.tolist() for row in sequences()]
    check(pack(lists, 40), lists, 40)
    floats = [[0.5] * len(row) for row in lists]
    packed = pack(floats, 40)
    check(packed, floats, 40)
    assert packed.rows.dtype == np.float32 and packed.rows.ndim == 2
    ragged = np.empty(len(lists), object)
    ragged[:] = lists
    check(pack(ragged, 40), lists, 40)
    equal = np.arange(1, 13).reshape(4, 3)
    check(pack(equal, 6), equal, 6)
    assert pack(equal, 6).ends.tolist() == [[2, 5], [2, 5]]


def test_a_file_and_its_targets(tmp_path):
    x = sequences()
    kit.data.write_flat(tmp_path / "some.flat", x, targets=range(60))
    stored = kit.data.open_flat(tmp_path / "some.flat")
    packed = pack(stored, 32)
    check(packed, x, 32)
    np.testing.assert_array_equal(packed.restore(packed.targets), np.arange(60))
    assert pack(stored, 32, np.zeros(60)).targets.dtype == np.float32


@pytest.mark.parametrize(
    "targets",
    [
        np.arange(1, 61),
        np.arange(60) % 2 == 0,
        np.arange(60).astype("uint8"),
        np.arange(60.0).tolist(),
        np.arange(120.0).reshape(60, 2),
        [np.full((2, 3), i) for i in range(60)],
    ],
    ids=["ints", "bools", "uint8", "list", "rows", "matrices"],
)
def test_targets_are_beside_their_sequences(targets):
    packed = pack(sequences(), 32, targets)
    wanted = np.asarray(targets)
    if wanted.dtype.kind == "f":
        wanted = wanted.astype("float32")
    assert packed.targets.dtype == wanted.dtype
    assert packed.targets.shape == (*packed.ends.shape, *wanted.shape[1:])
    np.testing.assert_array_equal(packed.restore(packed.targets), wanted)
    assert not packed.targets[packed.weights == 0].any()
    assert packed.targets.flags.writeable


def test_restore_takes_structures_and_refuses_other_shapes():
    packed = pack(sequences(), 32)
    restored = packed.restore({"a": packed.index, "b": [packed.index[..., None] * 2.0]})
    np.testing.assert_array_equal(restored["a"], np.arange(60))
    np.testing.assert_array_equal(restored["b"][0][:, 0], 2.0 * np.arange(60))
    with pytest.raises(ValueError, match=r"`predictions` must.*Received: predictions.shape=\(60,"):
        packed.restore(np.zeros((60, 1)))


def test_a_tag_for_each_item_is_packed_to_its_item():
    x = sequences()
    words, tags = pack(x, 40), pack([row * 2 for row in x], 40)
    np.testing.assert_array_equal(tags.rows, words.rows * 2)


def test_the_packing_is_the_same_in_every_call():
    first, second = pack(sequences(), 64), pack(sequences(), 64)
    np.testing.assert_array_equal(first.index, second.index)
    assert (np.diff(first.index[:, 0]) > 0).all()
    again = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(again.index, first.index)


LENGTHS = {
    "reviews": lambda rng: np.minimum(rng.lognormal(5.2, 0.66, 25_000).astype(int) + 10, 2494),
    "uniform": lambda rng: rng.integers(1, 500, 5_000),
    "of similar length": lambda rng: rng.integers(180, 220, 5_000),
    "few": lambda rng: rng.geometric(0.03, 500)[:400],
    "half and half": lambda rng: np.repeat([600, 400], 2_000),
}


@pytest.mark.parametrize(
    ("kind", "length", "most", "in_a_row"),
    [
        ("reviews", 2500, 0.02, 16),
        ("uniform", 1000, 0.02, 6),
        ("of similar length", 2000, 0.02, 11),
        ("few", 300, 0.021, 16),
        ("half and half", 1000, 0.0, 2),
    ],
)
def test_little_is_unused_and_rows_have_about_equally_many(kind, length, most, in_a_row):
    lengths = LENGTHS[kind](np.random.default_rng(0))
    packed = pack([np.ones(n, np.int32) for n in lengths], length)
    assert packed.padding <= most
    assert packed.ends.shape[1] <= in_a_row


def test_the_fewest_rows_are_found_where_equal_numbers_would_take_many_more():
    """Long sequences with one or two short ones: equally many in a row would waste space."""
    lengths = np.concatenate([np.full(300, 90), np.full(100, 10), np.full(400, 5)])
    packed = pack([np.ones(n, np.int32) for n in lengths], 100)
    assert len(packed.rows) == 300 and packed.padding == 0


def test_of_rows_with_about_equal_numbers_the_fewest_are_taken():
    lengths = np.random.default_rng(6).integers(1, 21, 800)
    assert into_rows(lengths, 20).shape == (433, 3)  # two in a row would take 435
    lengths = np.random.default_rng(54).integers(1, 21, 800)
    assert into_rows(lengths, 20).shape == (411, 3)  # the emptiest row is not always the best


def test_25_000_sequences_are_packed_within_seconds():
    lengths = LENGTHS["reviews"](np.random.default_rng(0))
    values = np.ones(lengths.sum(), np.int32)
    x = kit.data.FlatSequences(values, np.concatenate([[0], np.cumsum(lengths)]))
    start = time.perf_counter()
    pack(x, 2500)
    assert time.perf_counter() - start < 10  # half a second on a machine that does nothing else


def test_the_first_five_are_unpacked_and_the_text_says_how_full_it_is():
    packed = pack([[1, 2], [3], [4, 5, 6]], 3, [1, 2, 3])
    rows, _, _, targets, weights = packed
    assert rows is packed.rows and targets is packed.targets and weights is packed.weights
    assert repr(packed) == (
        "<Packed: 3 sequences in 2 rows of 3 steps, at most 2 in a row, 0.0% unused>"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequences": []}, r"at least one sequence. Received: sequences=\[\]"),
        ({"sequences": 5}, "`sequences` must be a list of sequences.*sequences=5"),
        ({"sequences": "text"}, r"`sequences\[0\]` must be a sequence of integers"),
        ({"sequences": [1, 2]}, r"`sequences\[0\]` must be a sequence of integers"),
        ({"sequences": [[1], [], [2], []]}, r"2 of them.*Received: len\(sequences\[1\]\)=0"),
        ({"sequences": [[1], [1.5]]}, "`sequences` must have sequences of one kind"),
        ({"sequences": [[2**31]]}, r"`sequences\[0\]` must have ids that fit int32"),
        (
            {"sequences": [[1], [1] * 7, [1] * 9]},
            r"of 9 items. 2 of the 3 are longer than 4, the first is sequences\[1\] with 7: "
            r"pass `length=9`.*"
            r"sequence\[:4\].*Received: length=4",
        ),
        ({"length": 0}, "`length` must be an integer.*length=0"),
        ({"length": 4.0}, "length=4.0"),
        ({"targets": [1, 2]}, r"`targets` must have one for each.*len\(targets\)=2"),
        ({"targets": 1}, "`targets` must be numbers"),
        ({"targets": ["a", "b", "c"]}, "`targets` must be numbers"),
        ({"targets": [[1], [1, 2], [3]]}, r"each step.*pack\(targets, length\).rows.*Received:"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        pack(**{"sequences": [[1], [2, 3], [4, 5, 6]], "length": 4} | arguments)


@pytest.mark.slow
def test_of_the_whole_imdb_at_most_a_fiftieth_is_unused(real_file):
    (x, y), _ = kit.data.load_imdb_sequences(real_file("imdb.npz"), cache=False)
    for length in (2494, 2500, 5000):
        packed = pack(x, length, y)
        assert packed.padding < 0.02 and packed.ends.shape[1] <= 12 * length / 2494
        np.testing.assert_array_equal(packed.restore(packed.targets), y)
