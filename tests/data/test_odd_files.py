"""Odd things in the place of a file, odd words in an index, odd paths: all told in words."""

import json
import os

import pytest

from keras_rnnkit.data import Vocabulary, load_imdb, word_index
from keras_rnnkit.data.caching import cache_file

from .bounds import assert_refused, bounded, load_or_refuse
from .conftest import write_imdb

pytestmark = pytest.mark.no_backend

SPECIAL = {
    "a pipe": os.mkfifo,
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a folder": os.mkdir,
    "a link to itself": lambda path: path.symlink_to(path),
    "a sparse file of a TiB": lambda path: (path.touch(), os.truncate(path, 2**40)),
}


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_what_is_no_file_is_refused_or_passed_over(tmp_path, make):
    good = write_imdb(tmp_path / "imdb.npz")
    make(tmp_path / "odd")
    assert_refused(lambda: load_imdb(path=tmp_path / "odd", cache=False), tmp_path / "odd")
    assert_refused(lambda: Vocabulary.imdb(path=tmp_path / "odd"), tmp_path / "odd")
    make(cache_file(good, tmp_path))
    data = load_or_refuse(lambda: load_imdb(path=good, cache_dir=tmp_path))
    assert len(data.test.x) == 50


@pytest.mark.parametrize("name", ["imdb.npz", "imdb_word_index.json"])
def test_what_is_no_file_in_the_place_of_a_download_is_told(own_keras_home, name):
    (own_keras_home / "datasets").mkdir()
    os.mkfifo(own_keras_home / "datasets" / name)
    load = load_imdb if name == "imdb.npz" else Vocabulary.imdb
    with bounded(), pytest.raises(OSError, match=rf"{name}.*not a file"):
        load()


INDEXES = {
    "a word twice": ('{"a": 1, "b": 2, "a": 3}', "the word 'a' twice"),
    "a rank twice": ('{"a": 1, "b": 1}', "word_index['a']=1, word_index['b']=1"),
    "half a pair": ('{"a": 1, "b\\ud800": 2}', "lone surrogates"),
    "the other half": ('{"\\udfff": 1}', "lone surrogates"),
    "a long number": ('{"a": ' + "9" * 100_000 + "}", "`path` must lead to"),
    "a huge number": ('{"a": 1e999}', "inf"),
    "not a number": ('{"a": NaN}', "nan"),
    "true": ('{"a": true}', "True"),
    "nested lists": ('{"a": ' + "[" * 10**6, "RecursionError"),
    "nested objects": ('{"a": ' * 10**5, "RecursionError"),
    "a wide list": ("[" + "[]," * 10**6 + "[]]", "must map words to ranks"),
    "a wide rank": ('{"a": [' + "1," * 10**6 + "1]}", "must map words to ranks"),
    "a long word": ('{"' + "a" * 10**6 + '": 0}', "ranks from 1"),
    "too long": (" " * word_index.LARGEST_INDEX + "{}", "more than"),
}


@pytest.mark.parametrize(("content", "found"), INDEXES.values(), ids=INDEXES)
def test_a_word_index_that_is_none_is_refused_briefly(tmp_path, content, found):
    file = tmp_path / "index.json"
    file.write_text(content)
    assert_refused(lambda: Vocabulary.imdb(path=file), file, found, "imdb_word_index.json")
    assert len(load_or_refuse(lambda: Vocabulary.imdb(path=file))) < 1000


def test_a_pair_of_surrogates_is_a_letter(tmp_path):
    file = tmp_path / "index.json"
    file.write_text(json.dumps({"\U0001f600": 1}))
    assert "\\ud83d" in file.read_text()
    assert Vocabulary.imdb(None, file).words == ("\U0001f600",)


def test_half_a_pair_in_a_text_is_a_word_that_no_index_knows():
    vocabulary = Vocabulary({"film": 1})
    assert vocabulary.encode("film \ud800 film\udfff film").tolist() == [1, 4, 4]
    with pytest.raises(ValueError, match="lone surrogates"):
        Vocabulary({"film\ud800": 1})


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", "~/keras")
    write_imdb(tmp_path / "imdb.npz")
    (tmp_path / "index.json").write_text('{"film": 1}')
    assert len(load_imdb(path="~/imdb.npz", cache_dir="~/cache").test.x) == 50
    assert len(list((tmp_path / "cache").iterdir())) == 1
    load_imdb(path="~/imdb.npz")
    assert len(list((tmp_path / "keras" / "datasets" / "keras_rnnkit").iterdir())) == 1
    assert "film" in Vocabulary.imdb(path="~/index.json")


@pytest.mark.parametrize("load", [load_imdb, Vocabulary.imdb])
def test_what_is_no_path_is_told(load):
    for wrong in (3, b"imdb.npz", ""):
        with pytest.raises(TypeError, match=r"`path` must be a path"):
            load(path=wrong)
    with pytest.raises(TypeError, match=r"`cache_dir` must be a path"):
        load_imdb(path="a.npz", cache_dir=3)
