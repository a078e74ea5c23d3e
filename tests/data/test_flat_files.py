"""Flat files: what is written comes back, and whatever else is there is refused."""

import json
import mmap
import os
import pickle
import zlib

import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.data.flat_headers import HEADER, decode_header, encode_header, places

pytestmark = pytest.mark.no_backend

DataFileError, open_flat, write_flat = (
    kit.data.DataFileError,
    kit.data.open_flat,
    kit.data.write_flat,
)


def ids(count=40, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 1000, n).astype("int32") for n in rng.integers(0, 9, count)]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "some.flat"
    write_flat(path, ids(), range(40))
    return path


@pytest.mark.parametrize("targets", [None, "numbers", "rows"])
@pytest.mark.parametrize("kind", ["ids", "floats", "features", "empty"])
def test_what_is_written_comes_back(kind, targets, tmp_path):
    rng = np.random.default_rng(1)
    rows = {
        "ids": [row.tolist() for row in ids()],
        "floats": [rng.normal(size=len(row)) for row in ids()],
        "features": [rng.normal(size=(len(row), 3)).astype("float32") for row in ids()],
        "empty": [[]] * 40,
    }[kind]
    labels = {
        None: None,
        "numbers": rng.integers(0, 5, 40),
        "rows": rng.normal(size=(40, 2)).astype("float32"),
    }[targets]
    path = tmp_path / "some.flat"
    write_flat(path, iter(rows), None if labels is None else iter(labels))
    found = open_flat(path)
    assert len(found) == 40 and found.path == path
    assert found.lengths.tolist() == [len(row) for row in rows]
    for i in (0, 17, 39, -1):
        np.testing.assert_array_equal(found[i], np.asarray(rows[i], found.values.dtype))
    if labels is None:
        assert found.targets is None
    else:
        np.testing.assert_array_equal(found.targets, labels)
    assert found.values.dtype == ("int32" if kind in ("ids", "empty") else "float32")
    assert os.listdir(tmp_path) == ["some.flat"]


def test_one_sequence_at_a_time_by_its_number(file):
    stored = open_flat(file)
    assert stored[np.int64(-1)].tolist() == stored[len(stored) - 1].tolist()
    for several in (slice(0, 2), [0, 1], 1.0):
        with pytest.raises(TypeError, match=r"`index` must be an integer.*Received: index="):
            stored[several]
    with pytest.raises(IndexError):
        stored[len(stored)]


def test_bucketed_takes_a_file_and_its_targets(file):
    there, here = (
        kit.data.Bucketed(x, y, batch_size=8, lengths=3)
        for x, y in ((open_flat(file), None), (ids(), np.arange(40)))
    )
    for found, wanted in zip(there, here, strict=True):
        for part, same in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(part, same)


def test_in_another_process_the_file_is_opened_again(file):
    content = pickle.dumps(open_flat(file))
    assert len(content) < 500
    np.testing.assert_array_equal(pickle.loads(content).values, open_flat(file).values)
    memory = kit.data.FlatSequences(np.arange(3), np.array([0, 1, 3]))
    assert pickle.loads(pickle.dumps(memory))[1].tolist() == [1, 2]


def test_the_arrays_are_mapped_and_read_only(file):
    found = open_flat(file)
    assert isinstance(found.values.base.base.obj, mmap.mmap)
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 1


def test_an_iterator_is_taken_one_sequence_after_the_other(tmp_path, monkeypatch):
    """So the sequences together may be larger than the memory."""
    alive = 0

    class Row(list):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def rows():
        nonlocal alive
        for i in range(50):
            alive += 1
            assert alive <= 3
            yield Row([i])

    write_flat(tmp_path / "some.flat", rows(), iter(range(50)))
    assert open_flat(tmp_path / "some.flat").values.tolist() == list(range(50))


@pytest.mark.parametrize("where", range(0, 41))
def test_a_file_that_is_cut_off_is_refused(where, file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * where // 41])
    with pytest.raises(DataFileError, match=r"write it again. Found: .*Received: path='"):
        open_flat(file)


def test_a_file_with_more_bytes_is_refused(file):
    file.write_bytes(file.read_bytes() + bytes(8))
    with pytest.raises(DataFileError, match="bytes, where the header says"):
        open_flat(file)


def test_every_changed_byte_is_found(file):
    content = file.read_bytes()
    arrays = decode_header(content[:HEADER])
    start = places(arrays)
    used = [*range(0, len(content[:HEADER].rstrip()), 7)]
    for name, header in arrays.items():
        used += range(start[name], start[name] + header.nbytes, 13)
    for position in used:
        file.write_bytes(
            content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]
        )
        with pytest.raises(DataFileError):
            open_flat(file)


def forge(file, **changed):
    """Writes a header with other arrays, and right checksums."""
    content = file.read_bytes()
    arrays = decode_header(content[:HEADER]) | changed
    file.write_bytes(encode_header(arrays) + content[HEADER:])


@pytest.mark.parametrize(
    ("name", "dtype", "shape"),
    [
        ("values", "|O", None),
        ("values", "<f8", None),
        ("values", "<i4", (2**40,)),
        ("values", "<i4", (-1,)),
        ("values", "<i4", ()),
        ("values", "<i4", (1, 1, 1, 1)),
        ("values", "<i4", (True,)),
        ("offsets", "<i8", (1,)),
        ("offsets", "<i8", (41, 1)),
        ("targets", "<i8", (39,)),
        ("targets", "|O", (40,)),
    ],
)
def test_a_header_that_does_not_match_is_refused(name, dtype, shape, file):
    header = decode_header(file.read_bytes()[:HEADER])[name]
    forge(
        file, **{name: header._replace(dtype=dtype, shape=header.shape if shape is None else shape)}
    )
    with pytest.raises(DataFileError):
        open_flat(file)


@pytest.mark.parametrize("change", [(0, 1), (40, -1), (5, 10**6), (5, -3)])
def test_offsets_that_do_not_match_are_refused_without_verifying_too(change, file):
    content = bytearray(file.read_bytes())
    arrays = decode_header(bytes(content[:HEADER]))
    start, header = places(arrays)["offsets"], arrays["offsets"]
    offsets = np.frombuffer(content, "<i8", 41, start)
    offsets[change[0]] += change[1]
    arrays["offsets"] = header._replace(crc32=zlib.crc32(offsets.tobytes()))
    content[:HEADER] = encode_header(arrays)
    del offsets
    file.write_bytes(content)
    with pytest.raises(DataFileError, match="offsets that do not match"):
        open_flat(file, verify=False)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * HEADER,
        b"{}".ljust(HEADER),
        json.dumps({"format": "keras_rnnkit.flat", "version": 2}).encode().ljust(HEADER),
        b"PK\x03\x04".ljust(5000, b"\0"),
        b"\x80\x04cos\nsystem\n".ljust(2000, b"."),
    ],
)
def test_another_file_is_refused(content, tmp_path):
    path = tmp_path / "some.flat"
    path.write_bytes(content)
    with pytest.raises(DataFileError):
        open_flat(path)


def test_no_file_a_folder_and_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.flat")
    for path in (tmp_path / "none.flat", tmp_path, tmp_path / "pipe.flat", "/dev/zero"):
        with pytest.raises(DataFileError):
            open_flat(path)


def test_a_file_is_not_overwritten_by_accident_nor_by_a_failure(file):
    content = file.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_flat(file, [[1]])

    def failing():
        yield [1]
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_flat(file, failing(), overwrite=True)
    assert file.read_bytes() == content
    assert os.listdir(file.parent) == [file.name]
    write_flat(file, [[1]], overwrite=True)
    assert len(open_flat(file)) == 1


@pytest.mark.parametrize(
    ("sequences", "targets", "message"),
    [
        ([], None, "at least one sequence"),
        ([[1], [2]], [1], r"Received: len\(targets\)=1, and more sequences"),
        ([[1], [2]], [1, 2, 3], r"Received: len\(sequences\)=2, and more targets"),
        ([[1], [1.5]], None, r"of one kind.*sequences\[1\] of dtype=float64"),
        ([np.ones((1, 2)), np.ones((1, 3))], None, "of one kind"),
        ([[1], ["a"]], None, r"`sequences\[1\]` must be a sequence"),
        ([[2**31]], None, "fit int32"),
        ([[1], [2]], [1, [1]], r"`targets` must be of one kind"),
        ([[1]], ["a"], r"`targets\[0\]` must be numbers"),
        ([[1]], [np.uint64(2**63)], r"`targets\[0\]` must fit int64.*9223372036854775808"),
        ([[1]], [np.ones((2, 2, 2))], r"`targets\[0\]` must have at most 2 axes.*\(2, 2, 2\)"),
    ],
)
def test_what_cannot_be_written(sequences, targets, message, tmp_path):
    with pytest.raises((TypeError, ValueError), match=message):
        write_flat(tmp_path / "some.flat", sequences, targets)
    assert not os.listdir(tmp_path)


def test_the_suffix_is_checked(tmp_path):
    with pytest.raises(ValueError, match=r"must end in '.flat'"):
        write_flat(tmp_path / "some.npz", [[1]])
