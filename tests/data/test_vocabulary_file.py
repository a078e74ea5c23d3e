"""A vocabulary in a file: what is written is read back, and nothing else is."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnnkit.data import DataFileError, Vocabulary

from .bounds import assert_refused, load_or_refuse
from .test_fuzz import mutated

pytestmark = pytest.mark.no_backend

INDEX = {"the": 1, "film": 2, "Ángel": 5, "정말": 7, "👍": 8}
VOCABULARIES = {
    "fitted": Vocabulary.fit(["A good film", "정말 좋은 film 👍"], 5),
    "imdb": Vocabulary(INDEX, 6),
    "options": Vocabulary(INDEX, start_char=None, oov_char=None, index_from=0, padding="post"),
    "empty": Vocabulary({}),
}
IDS = st.none() | st.integers(0, 2**31 - 1)


@pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=VOCABULARIES)
def test_what_is_saved_is_loaded(tmp_path, vocabulary):
    file = tmp_path / "vocabulary.json"
    vocabulary.save(file)
    loaded = Vocabulary.load(str(file))
    assert loaded == vocabulary
    assert loaded.words == vocabulary.words and len(loaded) == len(vocabulary)
    text = "The good film, 정말 Ángel unheard 👍"
    np.testing.assert_array_equal(loaded.encode(text, 12), vocabulary.encode(text, 12))
    assert loaded.decode(loaded.encode(text)) == vocabulary.decode(vocabulary.encode(text))


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.integers(1, 2**24 - 1),
        max_size=8,
    ),
    *(IDS, IDS, IDS, st.integers(0, 2**30)),
    *(st.sampled_from(pair) for pair in (("imdb", "unicode"), ("removed", "oov"), ("pre", "post"))),
)
def test_any_vocabulary_is_saved_and_loaded(
    tmp_path_factory, index, num_words, start, oov, offset, tokenizer, unseen, padding
):
    distinct = {word: rank for rank, word in {r: w for w, r in index.items()}.items()}
    vocabulary = Vocabulary(
        distinct,
        num_words or None,
        start_char=start,
        oov_char=oov,
        index_from=offset,
        tokenizer=tokenizer,
        unseen=unseen,
        padding=padding,
    )
    file = tmp_path_factory.mktemp("saved") / "vocabulary.json"
    vocabulary.save(file)
    assert Vocabulary.load(file) == vocabulary


def test_the_vocabulary_of_the_data_set_is_saved_and_loaded(tmp_path, real_file):
    vocabulary = Vocabulary.imdb(500, path=real_file("imdb_word_index.json"))
    vocabulary.save(tmp_path / "imdb.json")
    loaded = Vocabulary.load(tmp_path / "imdb.json")
    assert loaded == vocabulary
    text = "The zyzzyva was unseenword, étonnant and great"
    np.testing.assert_array_equal(loaded.encode(text), vocabulary.encode(text))


def test_the_file_is_readable_json_with_its_version(tmp_path):
    file = tmp_path / "vocabulary.json"
    VOCABULARIES["fitted"].save(file)
    assert "정말" in file.read_text("utf-8")
    assert json.loads(file.read_text("utf-8")) == {
        "format": "keras_rnnkit.vocabulary",
        "version": 1,
        "num_words": None,
        "start_char": 1,
        "oov_char": 2,
        "index_from": 2,
        "tokenizer": "unicode",
        "unseen": "oov",
        "padding": "post",
        "word_index": {"film": 1, "a": 2, "good": 3, "정말": 4, "좋은": 5},
    }


def test_a_file_is_replaced_only_on_request(tmp_path):
    file = tmp_path / "new" / "vocabulary.json"
    VOCABULARIES["imdb"].save(file)
    with pytest.raises(FileExistsError, match="`overwrite=True`"):
        VOCABULARIES["fitted"].save(file)
    assert Vocabulary.load(file) == VOCABULARIES["imdb"]
    VOCABULARIES["fitted"].save(file, overwrite=True)
    assert Vocabulary.load(file) == VOCABULARIES["fitted"]
    assert [path.name for path in file.parent.iterdir()] == ["vocabulary.json"]
    with pytest.raises(ValueError, match=r"must end in '\.json'"):
        VOCABULARIES["fitted"].save(tmp_path / "vocabulary.pkl")


def test_a_vocabulary_too_large_to_be_read_is_not_written(tmp_path):
    vocabulary = Vocabulary({"x" * 2**20 + str(rank): rank for rank in range(1, 65)})
    with pytest.raises(ValueError, match=r"smaller `max_words`.*words=64$"):
        vocabulary.save(tmp_path / "large.json")
    assert not list(tmp_path.iterdir())


def saved_with(**changes):
    good = {
        "format": "keras_rnnkit.vocabulary",
        "version": 1,
        "num_words": None,
        "start_char": 1,
        "oov_char": 2,
        "index_from": 2,
        "tokenizer": "unicode",
        "unseen": "oov",
        "padding": "post",
        "word_index": {"film": 1, "good": 2},
    } | changes
    return json.dumps({key: value for key, value in good.items() if value is not ...})


TAMPERED = {
    "an empty file": ("", "JSONDecodeError"),
    "cut off": (saved_with()[:-20], "JSONDecodeError"),
    "another object": ("[1]", "no JSON object"),
    "a word index": (json.dumps(INDEX), "read by `Vocabulary.imdb(path=...)`"),
    "another format": (saved_with(format="pickle"), "no JSON object"),
    "a later version": (saved_with(version=2), "version 2, and this keras-rnnkit reads version 1"),
    "a version that is true": (saved_with(version=True), "version True"),
    "a version of another type": (saved_with(version=1.0), "version 1.0"),
    "no version": (saved_with(version=...), "version None"),
    "no tokenizer": (saved_with(tokenizer=...), "keys missing or unknown: ['tokenizer']"),
    "another key": (saved_with(code="print()"), "keys missing or unknown: ['code']"),
    "a key twice": (saved_with()[:-1] + ', "version": 1}', "'version' twice"),
    "a word twice": (saved_with().replace('"good"', '"film"'), "the word 'film' twice"),
    "a rank twice": (saved_with(word_index={"a": 1, "b": 1}), "not have a rank twice"),
    "rank 0": (saved_with(word_index={"a": 0}), "ranks from 1"),
    "a negative rank": (saved_with(word_index={"a": -1}), "word_index['a']=-1"),
    "a rank too high": (saved_with(word_index={"a": 2**24}), "word_index['a']=16777216"),
    "a rank that is true": (saved_with(word_index={"a": True}), "word_index['a']=True"),
    "a rank that is a text": (saved_with(word_index={"a": "1"}), "word_index['a']='1'"),
    "a rank that is NaN": (saved_with(word_index={"a": float("nan")}), "NaN, which is no number"),
    "a rank without an end": (saved_with(word_index={"a": float("inf")}), "Infinity, which"),
    "a rank of 5,000 digits": (saved_with().replace(": 2}", ": " + "9" * 5000 + "}"), "Error"),
    "a rank of 1e999": (saved_with().replace('"good": 2', '"good": 1e999'), "=inf"),
    "a list for an index": (saved_with(word_index=["film"]), "must map words to ranks"),
    "a lone surrogate": (saved_with(word_index={"\ud800": 1}), "lone surrogates"),
    "a negative id": (saved_with(start_char=-1), "start_char=-1"),
    "an id too high": (saved_with(oov_char=2**31), "oov_char=2147483648"),
    "an offset too high": (saved_with(index_from=2**31 - 1), "index_from=2147483647"),
    "an id that is true": (saved_with(start_char=True), "start_char=True"),
    "an id that is a text": (saved_with(oov_char="2"), "oov_char='2'"),
    "no words at all": (saved_with(num_words=0), "num_words=0"),
    "another tokenizer": (saved_with(tokenizer="os.system"), "tokenizer='os.system'"),
    "a tokenizer that is a list": (saved_with(tokenizer=["unicode"]), "tokenizer=['unicode']"),
    "another rule for unseen words": (saved_with(unseen=None), "unseen=None"),
    "another side": (saved_with(padding="left"), "padding='left'"),
    "deep lists": ("[" * 200_000, "Found: "),
    "deep objects": (saved_with(word_index=...)[:-1] + ', "word_index": ' + '{"a":' * 200_000, ""),
    "a long setting": (saved_with(tokenizer="x" * 10**6), "tokenizer='xxx"),
}


@pytest.mark.parametrize(("content", "found"), TAMPERED.values(), ids=TAMPERED)
def test_a_tampered_file_is_refused(tmp_path, content, found):
    file = tmp_path / "vocabulary.json"
    file.write_text(content)
    assert_refused(lambda: Vocabulary.load(file), "`path` must lead", found, f"path='{file}'")


def test_other_files_are_refused(tmp_path):
    file = tmp_path / "vocabulary.json"
    assert_refused(lambda: Vocabulary.load(file), "FileNotFoundError")
    assert_refused(lambda: Vocabulary.load(tmp_path), "a folder, not a file")
    file.write_bytes(saved_with(format="ä").encode("latin-1").replace(b"\\u00e4", b"\xe4"))
    assert_refused(lambda: Vocabulary.load(file), "UnicodeDecodeError")
    with open(file, "wb") as stream:
        stream.truncate(2**40)
    assert_refused(lambda: Vocabulary.load(file), "more than 67108864 bytes")
    assert_refused(lambda: Vocabulary.load("/dev/zero"), "a device or a pipe")


@pytest.mark.parametrize(("files"), [100, pytest.param(2500, marks=pytest.mark.slow)])
def test_files_with_random_faults_are_loaded_whole_or_refused(tmp_path, files):
    file = tmp_path / "fuzzed.json"
    VOCABULARIES["fitted"].save(file)
    good, generator, refused = file.read_bytes(), np.random.default_rng(3), 0
    for _ in range(files):
        file.write_bytes(mutated(generator, good))
        result = load_or_refuse(lambda: Vocabulary.load(file))
        if isinstance(result, str):
            refused += 1
            assert str(file) in result and len(result) < 1500
        else:
            assert len(result.encode_many(["a good film"])[0]) >= 0
    assert 0.3 * files < refused < files


def test_the_error_is_an_error_of_a_file_and_of_a_value(tmp_path):
    for error in (DataFileError, OSError, ValueError):
        with pytest.raises(error):
            Vocabulary.load(tmp_path / "missing.json")
