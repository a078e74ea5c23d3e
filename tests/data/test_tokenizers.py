"""Texts to words: any language by the Unicode rule, and its properties on any text."""

# ruff: noqa: RUF001 - letters that look like others are what is tested

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnnkit.data import tokenize

pytestmark = pytest.mark.no_backend

TEXTS = st.text() | st.text(st.sampled_from("aÉßΣ́'’‌‍_ -.1★👍🏽👩🇰🇷한국ก็😀️"), max_size=30)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't MISS it!<br />10/10", ["don't", "miss", "it", "br", "10", "10"]),
        (
            "It’s ‘quoted’ 'words' rock'n'roll a''b",
            ["it's", "quoted", "words", "rock'n'roll", "a", "b"],
        ),
        (
            "snake_case well-made e.g. x@y.z",
            ["snake", "case", "well", "made", "e", "g", "x", "y", "z"],
        ),
        ("Straße ÉTÉ ΟΔΟΣ İstanbul", ["straße", "été", "οδος", "i̇stanbul"]),
        ("e\u0301te\u0301 = été", ["été", "été"]),
        ("정말 재미있어요!! ㅋㅋㅋ", ["정말", "재미있어요", "ㅋㅋㅋ"]),
        (unicodedata.normalize("NFD", "영화 좋아요"), ["영화", "좋아요"]),
        ("很好看,电影。すごい!", ["很好看", "电影", "すごい"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("สวัสดีครับ", ["สวัสดีครับ"]),
        ("می\u200cخواهم \u200cx\u200d", ["می\u200cخواهم", "x"]),
        ("مُحَمَّد", ["مُحَمَّد"]),
        ("good👍👍🏽bad", ["good", "👍", "👍🏽", "bad"]),
        ("👩\u200d👩\u200d👧 🇰🇷🇺🇸 ❤\ufe0f ❤ 1\ufe0f\u20e3", ["👩‍👩‍👧", "🇰🇷", "🇺🇸", "❤", "❤", "1⃣"]),
        ("★★☆ © ½ x²", ["★", "★", "☆", "©", "½", "x²"]),
        ("辻\U000e0100さん", ["辻\U000e0100さん"]),
        ("e\ufe0f\u0301te\u0301 = été co\u00adoperate", ["été", "été", "cooperate"]),
        ("\u0301 \ud800a\udfff \x00b\x85c\xa0d", ["a", "b", "c", "d"]),
        ("", []),
        (" .,;\n\t\r", []),
    ],
)
def test_words_of_many_languages(text, words):
    assert tokenize(text, "unicode") == words


@settings(deadline=None)
@given(TEXTS)
def test_words_joined_by_spaces_are_the_same_words(text):
    for tokenizer in ("unicode", "imdb"):
        words = tokenize(text, tokenizer)
        assert tokenize(" ".join(words), tokenizer) == words


@settings(deadline=None)
@given(TEXTS)
def test_equivalent_texts_have_the_same_words(text):
    words = tokenize(unicodedata.normalize("NFC", text), "unicode")
    assert tokenize(unicodedata.normalize("NFD", text), "unicode") == words


@settings(deadline=None)
@given(st.text(), st.text())
def test_every_text_has_its_words_where_it_is(left, right):
    joined = tokenize(f"{left} \n {right}", "unicode")
    assert len(joined) == len(tokenize(left, "unicode")) + len(tokenize(right, "unicode"))


def test_other_rules_and_other_types_are_refused():
    with pytest.raises(ValueError, match=r"'imdb' or 'unicode'\. Received: tokenizer='words'$"):
        tokenize("film", "words")
    for text in (3, b"film", None):
        with pytest.raises(TypeError, match="`text` must be a str"):
            tokenize(text, "unicode")
