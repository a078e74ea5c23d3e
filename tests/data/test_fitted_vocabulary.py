"""A vocabulary from one's own texts: its ids, unknown words, and many texts at once."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnnkit.data import Vocabulary, tokenize

pytestmark = pytest.mark.no_backend


class Table:
    """Like a table of pandas, whose iterator yields the names of its columns."""

    shape = (1, 2)

    def __iter__(self):
        return iter(["text", "label"])


TEXTS = ["The film was good.", "The film was dull, DULL!", "정말 좋은 film 👍"]


def test_ids_go_by_frequency_then_by_the_alphabet():
    vocabulary = Vocabulary.fit(TEXTS)
    assert vocabulary.words == ("film", "dull", "the", "was", "good", "정말", "좋은", "👍")
    assert vocabulary.encode("film dull the was good").tolist() == [1, 3, 4, 5, 6, 7]
    assert len(vocabulary) == 11
    assert "👍" in vocabulary
    assert vocabulary.decode([1, 3, 10, 2, 0], special=True) == "[START] film 👍 [UNK] [PAD]"


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)), st.randoms())
def test_ids_do_not_depend_on_the_order_of_the_texts(texts, order):
    texts.append("one word")
    shuffled = order.sample(texts, len(texts))
    vocabulary = Vocabulary.fit(texts)
    assert vocabulary == Vocabulary.fit(shuffled) == Vocabulary.fit(text for text in texts)
    for text, ids in zip(texts, vocabulary.encode_many(texts), strict=True):
        assert 2 not in ids
        assert vocabulary.decode(ids) == " ".join(tokenize(text, "unicode"))


def test_every_word_without_an_id_is_unknown_whether_it_was_seen_or_not():
    vocabulary = Vocabulary.fit(TEXTS, max_words=2)
    assert vocabulary.words == ("film", "dull")
    assert len(vocabulary) == 5
    assert vocabulary.encode("good dull unheard film").tolist() == [1, 2, 4, 2, 3]
    assert vocabulary.decode([1, 2, 4]) == "[UNK] dull"
    assert "good" not in vocabulary


def test_rare_words_have_no_id():
    assert Vocabulary.fit(TEXTS, min_count=2).words == ("film", "dull", "the", "was")
    assert Vocabulary.fit(TEXTS, 1, 2).words == ("film",)


def test_a_vocabulary_of_any_index_can_keep_unknown_words():
    index = {"the": 1, "film": 2, "rare": 3}
    kept = Vocabulary(index, 6, unseen="oov")
    assert kept.encode("the rare unseen film").tolist() == [1, 4, 2, 2, 5]
    assert Vocabulary(index, 6).encode("the rare unseen film").tolist() == [1, 4, 2, 5]
    removed = Vocabulary(index, 6, unseen="oov", oov_char=None)
    assert removed.encode("the rare unseen film").tolist() == [1, 4, 5]


def test_a_fitted_vocabulary_pads_and_truncates_on_the_right():
    vocabulary = Vocabulary.fit(["a b c d"])
    assert vocabulary.encode(["a", "a b"]).tolist() == [[1, 3, 0], [1, 3, 4]]
    assert vocabulary.encode("a b c d", maxlen=3).tolist() == [1, 3, 4]
    assert vocabulary.encode("a b c d", 3, truncating="pre").tolist() == [4, 5, 6]
    assert vocabulary.encode("a", 3, padding="pre").tolist() == [0, 1, 3]
    left = Vocabulary({"a": 1, "b": 2, "c": 3})
    assert left.encode("a b c", maxlen=2).tolist() == [5, 6]
    assert left.encode("a", maxlen=3).tolist() == [0, 1, 4]


def test_the_mask_of_encoded_texts():
    vocabulary = Vocabulary.fit(["a b c d"])
    ids, mask, lengths = vocabulary.encode(["a", "a b"], return_mask=True)
    assert ids.tolist() == [[1, 3, 0], [1, 3, 4]]
    assert mask.tolist() == [[True, True, False], [True, True, True]]
    assert lengths.tolist() == [2, 3]
    one = vocabulary.encode("a", 3, "pre", return_mask=True)
    assert one.ids.tolist() == [0, 1, 3] and one.mask.tolist() == [False, True, True]
    assert one.lengths == 2


@pytest.mark.parametrize("tokenizer", ["imdb", "unicode"])
def test_many_texts_are_encoded_like_each_one(tokenizer):
    words = ["film", "Good", "dull!", "été", "unseen"]
    generator = random.Random(0)
    texts = [" ".join(generator.choices(words, k=generator.randrange(9))) for _ in range(50)]
    vocabulary = Vocabulary.fit(["film good", "dull été"], tokenizer=tokenizer)
    many = vocabulary.encode_many(text for text in texts)
    assert isinstance(many, list)
    for text, ids in zip(texts, many, strict=True):
        assert ids.dtype == np.int32
        np.testing.assert_array_equal(ids, vocabulary.encode(text))
        assert len(ids) == 1 + len(tokenize(text, tokenizer))
    assert vocabulary.encode_many([]) == []
    assert vocabulary.encode_many([""])[0].tolist() == [1]


def test_the_tokenizer_is_kept():
    assert Vocabulary.fit(["It\u2019s good"]).encode("it's").tolist() == [1, 4]
    imdb = Vocabulary.fit(["It\u2019s good"], tokenizer="imdb")
    assert imdb.words == ("good", "it\u2019s")
    assert imdb.encode("it's good").tolist() == [1, 2, 3]


def test_equal_vocabularies_encode_alike():
    vocabulary = Vocabulary.fit(TEXTS)
    assert vocabulary == Vocabulary.fit(TEXTS)
    assert hash(vocabulary) == hash(Vocabulary.fit(TEXTS))
    assert vocabulary != Vocabulary.fit(TEXTS, tokenizer="imdb")
    assert vocabulary != Vocabulary.fit(TEXTS, max_words=3)
    assert vocabulary != "vocabulary"
    assert Vocabulary({"a": 1}) != Vocabulary({"a": 1}, unseen="oov")


def test_a_word_that_no_file_can_store_has_no_id():
    assert Vocabulary.fit(["film \ud800x"], tokenizer="imdb").words == ("film",)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: Vocabulary.fit("a film"), TypeError, "`texts` must be an iterable.*type str$"),
        (lambda: Vocabulary.fit(3), TypeError, "`texts` must be an iterable.*texts=3 of type int$"),
        (
            lambda: Vocabulary.fit({"text": "a film"}),
            TypeError,
            "`texts` must be an iterable.*dict$",
        ),
        (lambda: Vocabulary.fit(Table()), ValueError, r"the column with.*texts.shape=\(1, 2\)$"),
        (lambda: Vocabulary.fit(["a"]).encode(Table()), ValueError, r"text.shape=\(1, 2\)$"),
        (lambda: Vocabulary.fit(["a", None]), TypeError, r"`texts\[1\]`.*missing.*NoneType$"),
        (lambda: Vocabulary.fit([float("nan")]), TypeError, r"texts\[0\]=nan of type float$"),
        (lambda: Vocabulary.fit([]), ValueError, "at least one word.*min_count=1"),
        (
            lambda: Vocabulary.fit(["a b"], min_count=2),
            ValueError,
            "min_count=2, different words=2",
        ),
        (lambda: Vocabulary.fit(["a"], max_words=0), ValueError, "max_words=0$"),
        (lambda: Vocabulary.fit(["a"], min_count=0), ValueError, "min_count=0$"),
        (lambda: Vocabulary.fit(["a"], tokenizer="bpe"), ValueError, "tokenizer='bpe'$"),
        (lambda: Vocabulary({"a": 1}, unseen="x"), ValueError, "unseen='x'$"),
        (lambda: Vocabulary({"a": 1}, padding="x"), ValueError, "padding='x'$"),
        (lambda: Vocabulary({"a": 1}, tokenizer="x"), ValueError, "tokenizer='x'$"),
        (lambda: Vocabulary({"a": 1}, index_from=2**31 - 1), ValueError, "index_from=2147483647$"),
        (lambda: Vocabulary.fit(["a"]).encode_many("a"), TypeError, "`texts`.*type str$"),
        (lambda: Vocabulary.fit(["a"]).encode_many(["a", 3]), TypeError, r"`texts\[1\]`.*int$"),
    ],
)
def test_wrong_arguments_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()
