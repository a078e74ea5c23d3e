"""The flat cache: used when it fits, made anew when it does not, never in the way."""

import json
import os
import shutil

import numpy as np
import pytest

from keras_rnnkit.data import corpus, load_imdb

from .conftest import write_imdb

pytestmark = pytest.mark.no_backend


@pytest.fixture
def parsed(monkeypatch):
    """Counts how often a source file is parsed."""
    calls = []
    parse = corpus.parse_corpus
    monkeypatch.setattr(corpus, "parse_corpus", lambda *a: calls.append(a) or parse(*a))
    return calls


def load(file, folder=None, **options):
    return load_imdb(path=file, cache_dir=folder, maxlen=12, **options)


def assert_same(one, other):
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left.x, right.x, strict=True)
        np.testing.assert_array_equal(left.y, right.y, strict=True)


def only_file(folder):
    (file,) = folder.iterdir()
    return file


def test_a_second_load_uses_the_cache_whatever_the_options(small_file, tmp_path, parsed):
    first = load(small_file, tmp_path / "cache")
    assert_same(load(small_file, tmp_path / "cache"), first)
    options = {"num_words": None, "oov_char": None, "start_char": None}
    assert_same(
        load(small_file, tmp_path / "cache", **options), load(small_file, cache=False, **options)
    )
    assert len(parsed) == 2  # the first load, and the one without a cache


def test_the_cache_lies_beside_that_of_keras(small_file, own_keras_home):
    load(small_file)
    assert only_file(own_keras_home / "datasets" / "keras_rnnkit").suffix == ".flat"


def test_without_a_cache_nothing_is_written(small_file, own_keras_home):
    load(small_file, cache=False)
    assert list(own_keras_home.iterdir()) == []


def test_a_replaced_source_of_the_same_size_and_time_is_noticed(tmp_path, parsed):
    file = tmp_path / "imdb.npz"
    labels = np.arange(50) % 2
    np.savez(
        file, **dict(np.load(write_imdb(tmp_path / "a.npz"), allow_pickle=True), y_test=labels)
    )
    before, status = load(file, tmp_path / "cache"), file.stat()
    np.savez(file, **dict(np.load(tmp_path / "a.npz", allow_pickle=True), y_test=1 - labels))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.stat().st_size == status.st_size
    assert file.stat().st_mtime_ns == status.st_mtime_ns
    after = load(file, tmp_path / "cache")
    np.testing.assert_array_equal(after.test.y, 1 - before.test.y)
    assert len(parsed) == 2
    only_file(tmp_path / "cache")


def edit_header(content, **changes):
    line, payload = content.split(b"\n", 1)
    header = {k: v for k, v in (json.loads(line) | changes).items() if v is not ...}
    return json.dumps(header).encode() + b"\n" + payload


def scratch(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGES = {
    "empty": lambda content: b"",
    "torn": lambda content: content[: len(content) // 2],
    "one byte short": lambda content: content[:-1],
    "one byte more": lambda content: content + b"\0",
    "a bit of the words": lambda content: scratch(content, len(content) // 2),
    "a bit of the labels": lambda content: scratch(content, len(content) - 8),
    "a bit of the header": lambda content: scratch(content, 5),
    "another version": lambda content: edit_header(content, version=0),
    "another source": lambda content: edit_header(content, source_sha256="0" * 64),
    "another format": lambda content: edit_header(content, format="else"),
    "other counts": lambda content: edit_header(content, counts=[1, 2, 3, 4, 5, 6]),
    "negative counts": lambda content: edit_header(content, counts=[-1] * 6),
    "few counts": lambda content: edit_header(content, counts=[]),
    "no counts": lambda content: edit_header(content, counts=...),
    "null counts": lambda content: edit_header(content, counts=None),
    "json but no object": lambda content: b"[1, 2]\n",
    "text": lambda content: b"the film was good\n" * 100,
    "a pickle": lambda content: b"\x80\x04N.",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_cache_is_made_anew(small_file, tmp_path, parsed, damage):
    folder = tmp_path / "cache"
    expected = load(small_file, folder)
    file = only_file(folder)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert_same(load(small_file, folder), expected)
    assert len(parsed) == 2
    assert only_file(folder).read_bytes() == whole


def test_arrays_that_contradict_each_other_are_no_cache(small_file, tmp_path, parsed):
    """A cache whose checksum is right may still have been written by somebody else."""
    from keras_rnnkit.data.caching import load_cache, save_cache

    expected = load(small_file, tmp_path / "cache")
    file = only_file(tmp_path / "cache")
    digest = json.loads(file.read_bytes().split(b"\n", 1)[0])["source_sha256"]
    whole = load_cache(file, digest)
    for wrong in (
        whole.train._replace(offsets=whole.train.offsets[:0]),
        whole.train._replace(offsets=whole.train.offsets[::-1]),
        whole.train._replace(offsets=whole.train.offsets[[0, 2, 1, *range(3, 51)]]),
        whole.train._replace(tokens=whole.train.tokens[:-1]),
        whole.train._replace(tokens=np.abs(whole.train.tokens)),
        whole.train._replace(labels=whole.train.labels[1:]),
    ):
        save_cache(file, digest, whole._replace(train=wrong))
        parsed.clear()
        assert_same(load(small_file, tmp_path / "cache"), expected)
        assert len(parsed) == 1


def test_a_folder_in_place_of_the_cache_file_is_no_harm(small_file, tmp_path):
    expected = load(small_file, tmp_path / "cache")
    file = only_file(tmp_path / "cache")
    file.unlink()
    file.mkdir()
    assert_same(load(small_file, tmp_path / "cache"), expected)
    assert only_file(tmp_path / "cache").is_dir()  # and no temporary file is left


def test_a_cache_folder_that_cannot_be_made_is_no_harm(small_file, tmp_path):
    (tmp_path / "taken").write_text("a file, so no folder can be made here")
    assert_same(load(small_file, tmp_path / "taken"), load(small_file, cache=False))


def test_a_write_that_fails_leaves_the_old_cache_and_no_rest(small_file, tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    expected = load(small_file, folder)
    file = only_file(folder)
    file.write_bytes(b"old")

    def fail(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    assert_same(load(small_file, folder), expected)
    assert only_file(folder).read_bytes() == b"old"


def test_the_arrays_belong_to_the_caller(small_file, tmp_path):
    first = load(small_file, tmp_path / "cache")
    again = load(small_file, tmp_path / "cache")
    for split in again:
        split.x[:] = 0
        split.y[:] = 0
    assert_same(load(small_file, tmp_path / "cache"), first)


def test_two_sources_have_two_caches(small_file, tmp_path, parsed):
    copy = shutil.copy(small_file, tmp_path / "copy.npz")
    assert_same(load(small_file, tmp_path / "cache"), load(copy, tmp_path / "cache"))
    assert len(list((tmp_path / "cache").iterdir())) == 2
