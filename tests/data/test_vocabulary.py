"""Words to ids and back, against the real reviews where they are."""

import json
import tarfile

import numpy as np
import pytest

from keras_rnnkit.data import DataFileError, Vocabulary, load_imdb_sequences, tokenize

pytestmark = pytest.mark.no_backend

INDEX = {"the": 1, "and": 2, "film": 3, "good": 4, "d'or": 5, "Ángel": 6, "rare": 7}


@pytest.fixture
def vocabulary():
    return Vocabulary(INDEX, num_words=10)  # `rare` is the only one cut off


def read_raw_reviews(archive_path):
    """Yields split, and texts in the data set's order: positive by name, then negative by name."""
    with tarfile.open(archive_path) as archive:
        raw = {m.name: archive.extractfile(m).read().decode() for m in archive if m.isfile()}
    for split in ("train", "test"):
        folders = [f"{split}/{label}/" for label in ("pos", "neg")]
        yield [raw[n] for folder in folders for n in sorted(raw) if n.startswith(folder)]


def assert_encoded_as_the_data_set(real_file, step):
    from keras_rnnkit.data.corpus import load_corpus

    vocabulary = Vocabulary.imdb(None, path=real_file("imdb_word_index.json"))
    corpus = load_corpus(real_file("imdb.npz"), cache=False, cache_dir=None)
    archive = real_file("aclImdb_labelled.tar.gz")
    for texts, reviews in zip(read_raw_reviews(archive), corpus, strict=True):
        assert len(texts) == len(reviews.labels) == 25_000
        rows = range(0, len(texts), step)
        encoded = vocabulary.encode_many(texts[row] for row in rows)
        for row, ids in zip(rows, encoded, strict=True):
            ranks = reviews.tokens[reviews.offsets[row] + 1 : reviews.offsets[row + 1]]
            assert ids[0] == 1
            np.testing.assert_array_equal(ids[1:] - 3, ranks)
            np.testing.assert_array_equal(ids, vocabulary.encode(texts[row]))


def test_a_sample_of_the_raw_reviews_encodes_to_the_data_set(real_file):
    assert_encoded_as_the_data_set(real_file, step=97)


@pytest.mark.slow
def test_all_raw_reviews_encode_to_the_data_set(real_file):
    assert_encoded_as_the_data_set(real_file, step=1)


@pytest.mark.parametrize("num_words", [500, None])
def test_decoded_real_reviews_encode_to_themselves(real_file, num_words):
    vocabulary = Vocabulary.imdb(num_words, path=real_file("imdb_word_index.json"))
    assert len(vocabulary) == (num_words or 88_588)
    (x, _), _ = load_imdb_sequences(
        real_file("imdb.npz"), num_words=num_words or 10**6, cache=False
    )
    for ids in x[:200]:
        known = [id_ for id_ in ids if id_ != 2]
        words = vocabulary.decode(ids).replace("[UNK] ", "").replace(" [UNK]", "")
        assert vocabulary.encode(words).tolist()[: len(known)] == known


def test_the_rule_of_the_words():
    assert tokenize("A 'Don't'_miss/it!<br /><br />d'Or\tÁngel\nÉTÉ x\x85y\xa0z  10/10\r") == [
        *["a", "'don't'", "miss", "it", "br", "br", "d'or", "Ángel", "ÉtÉ"],
        *["x\x85y\xa0z", "10", "10\r"],
    ]
    assert tokenize(" .,\n") == []


def test_start_too_rare_and_unseen_words(vocabulary):
    ids = vocabulary.encode("The rare film, unseen and Good!")
    assert ids.tolist() == [1, 4, 2, 6, 5, 7]
    assert ids.dtype == np.int32


def test_options_of_the_marks():
    plain = Vocabulary(INDEX, 10, start_char=None, oov_char=None, index_from=0)
    assert plain.encode("the rare film").tolist() == [1, 7, 3]
    assert plain.decode([1, 7, 3, 0]) == "the rare film"
    assert Vocabulary(INDEX, 10, oov_char=None).encode("the rare film").tolist() == [1, 4, 6]


def test_one_text_and_several(vocabulary):
    assert vocabulary.encode("the film", maxlen=4).tolist() == [0, 1, 4, 6]
    assert vocabulary.encode("the film", 4, padding="post").tolist() == [1, 4, 6, 0]
    assert vocabulary.encode("the good film", 2).tolist() == [7, 6]
    assert vocabulary.encode("the good film", 2, truncating="post").tolist() == [1, 4]
    several = vocabulary.encode(["film", "good film"])
    assert several.tolist() == [[0, 1, 6], [1, 7, 6]]
    assert several.dtype == np.int32
    assert vocabulary.encode(text for text in ["", "film"]).tolist() == [[0, 1], [1, 6]]
    assert vocabulary.encode([], maxlen=3).shape == (0, 3)
    assert vocabulary.encode("").tolist() == [1]


def test_decode_with_and_without_the_marks(vocabulary):
    ids = np.array([0, 0, 1, 4, 2, 6], np.int32)
    assert vocabulary.decode(ids) == "the [UNK] film"
    assert vocabulary.decode(ids, special=True) == "[PAD] [PAD] [START] the [UNK] film"
    assert vocabulary.decode([]) == ""
    assert vocabulary.decode([3]) == "[UNK]"


def test_sizes_and_words(vocabulary):
    assert len(vocabulary) == 10
    assert vocabulary.words == tuple(INDEX)[:-1]
    assert "film" in vocabulary
    assert "rare" not in vocabulary
    assert "unseen" not in vocabulary
    assert 3 not in vocabulary
    assert repr(vocabulary) == "<Vocabulary of 6 words, 10 ids>"
    assert len(Vocabulary(INDEX, num_words=1)) == 3  # the marks stay
    assert len(Vocabulary({})) == 3
    assert len(Vocabulary(INDEX)) == 11


@pytest.mark.parametrize("ids", [[10], [-1], [0, 500]])
def test_ids_out_of_range_are_told(vocabulary, ids):
    with pytest.raises(ValueError, match=rf"from 0 to 9.*Received: min\(ids\)=.*{ids[-1]}"):
        vocabulary.decode(ids)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda v: v.encode(3), TypeError, "`text`.*text=3 of type int$"),
        (lambda v: v.encode(b"film"), TypeError, "`text`.*text=b'film' of type bytes$"),
        (lambda v: v.encode(["film", 3]), TypeError, r"`text\[1\]`.*=3 of type int$"),
        (lambda v: v.encode("film", maxlen=0), ValueError, "maxlen=0"),
        (lambda v: v.encode("film", padding="left"), ValueError, "padding='left'"),
        (lambda v: v.encode("film", truncating="x"), ValueError, "truncating='x'"),
        (lambda v: v.decode("film"), TypeError, "ids.dtype=<U4$"),
        (lambda v: v.decode([1.5]), TypeError, "ids.dtype=float64$"),
        (lambda v: v.decode([[1, 2]]), ValueError, r"ids.shape=\(1, 2\)$"),
        (lambda v: Vocabulary(["film"]), TypeError, "`word_index`"),
        (lambda v: Vocabulary({"film": "1"}), TypeError, r"word_index\['film'\]='1'$"),
        (lambda v: Vocabulary({"film": 0}), ValueError, r"word_index\['film'\]=0$"),
        (lambda v: Vocabulary({"a": 1, "b": 1}), ValueError, "twice"),
        (lambda v: Vocabulary({}, num_words=-1), ValueError, "num_words=-1"),
    ],
)
def test_wrong_arguments_are_told(vocabulary, call, error, match):
    with pytest.raises(error, match=match):
        call(vocabulary)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[1]", '"text"', '{"film": "1"}', '{"a": 1, "b": 1}', '{"a": -1}', "[" * 100_000],
    ids=lambda content: content[:20] or "empty",
)
def test_a_foreign_word_index_is_refused(tmp_path, content):
    file = tmp_path / "index.json"
    file.write_text(content)
    with pytest.raises(DataFileError, match=r"as an `imdb_word_index\.json`.*Found:") as caught:
        Vocabulary.imdb(path=file)
    assert str(file) in str(caught.value)


def test_other_paths_are_refused(tmp_path):
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "missing.json", tmp_path / "bytes.json"):
        with pytest.raises(DataFileError):
            Vocabulary.imdb(path=path)


def test_an_index_is_read_as_utf8(tmp_path):
    file = tmp_path / "index.json"
    file.write_text(json.dumps(INDEX, ensure_ascii=False), encoding="utf-8")
    assert Vocabulary.imdb(None, file).encode("Ángel").tolist() == [1, 9]
