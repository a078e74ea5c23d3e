"""Texts to words: the rule of the IMDB data set, and one for the texts of any language."""

import re
import reprlib
import string
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from itertools import groupby
from typing import Any

from keras_rnnkit._checks import check_choice

_SEPARATORS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
# The data set was tokenised as bytes: letters outside ASCII keep their case, and no white space
# separates words but space, tab and newline.
_IMDB_RULE = str.maketrans(
    string.ascii_uppercase + _SEPARATORS, string.ascii_lowercase + " " * len(_SEPARATORS)
)

# Variation selectors only choose the look of a symbol, and a soft hyphen only says where a word may
# be divided at the end of a line; the typographic apostrophe is an apostrophe.
_UNIFIED = {ord("_"): " ", 0xAD: None, 0xFE0E: None, 0xFE0F: None, 0x2019: "'", 0xFF07: "'"}
_JOINERS = "'\u200c\u200d"
_SKIN_TONES = "\U0001f3fb-\U0001f3ff"
_FLAG_LETTERS = "\U0001f1e6-\U0001f1ff"
_IDEOGRAPH_VARIANTS = "\U000e0100-\U000e01ef"
_CHARACTERS = 0x20000  # marks and symbols; above are ideographs and what is not assigned


def tokenize(text: str, tokenizer: str = "imdb") -> list[str]:
    """Splits a text into words, by the rule of the IMDB data set or by one for any language.

    - `"imdb"`: punctuation except the apostrophe is replaced by a space, so that `<br />` becomes
      the word `br`; ASCII letters are converted to lower case, others keep their case.
    - `"unicode"`: a word is a run of letters, digits and combining marks of any script, in lower
      case and in Unicode's composed form (NFC). Apostrophes inside a word stay, typographic
      ones as `'`; all other punctuation separates words. An emoji or another symbol, such as `★`,
      is a word. Korean is split at spaces and punctuation. So are Chinese and Japanese, which are
      written without spaces: separate their words with spaces first.

    Args:
        text: The text.
        tokenizer: `"imdb"` or `"unicode"`.

    Returns:
        Its words.

    Raises:
        TypeError: If `text` is not a str.
        ValueError: If `tokenizer` is not one of the above.

    Example:

    >>> tokenize("Don't miss it!<br />A GEM...")
    ["don't", 'miss', 'it', 'br', 'a', 'gem']
    >>> tokenize("Très BIEN, 정말 재미있어요! It's 10/10 ★", "unicode")
    ['très', 'bien', '정말', '재미있어요', "it's", '10', '10', '★']
    """
    check_choice(tokenizer, "tokenizer", tuple(TOKENIZERS))
    if not isinstance(text, str):
        raise TypeError(
            f"`text` must be a str. Received: text={reprlib.repr(text)} of type "
            f"{type(text).__name__}"
        )
    return TOKENIZERS[tokenizer](text)


def check_texts(texts: Any, argument: str = "texts") -> None:
    """Refuses what is no iterable of texts.

    A single text would be read as a text for each letter; a dict or a table as its keys or columns.
    """
    if isinstance(texts, str | bytes | Mapping) or not hasattr(texts, "__iter__"):
        raise TypeError(
            f"`{argument}` must be an iterable of texts, for example a list of str. "
            f"Received: {argument}={reprlib.repr(texts)} of type {type(texts).__name__}"
        )
    shape = getattr(texts, "shape", None)
    if shape is not None and len(shape) != 1:
        raise ValueError(
            f"`{argument}` must be texts of shape `(samples,)`; of a table, pass the column with "
            f"the texts. Received: {argument}.shape={tuple(shape)}"
        )


def check_text(text: Any, index: int, argument: str = "texts") -> str:
    """Returns the text at this index, or says that it is none."""
    if not isinstance(text, str):
        raise TypeError(
            f"`{argument}[{index}]` must be a str; replace missing values by '' or drop their rows."
            f" Received: {argument}[{index}]={reprlib.repr(text)} of type {type(text).__name__}"
        )
    return text


def _imdb_words(text: str) -> list[str]:
    return [word for word in text.translate(_IMDB_RULE).split(" ") if word]


def _unicode_words(text: str) -> list[str]:
    unified = text.lower().translate(_UNIFIED)
    return _unicode_rule().findall(unicodedata.normalize("NFC", unified))


TOKENIZERS: dict[str, Callable[[str], list[str]]] = {
    "imdb": _imdb_words,
    "unicode": _unicode_words,
}


@cache
def _unicode_rule() -> re.Pattern[str]:
    r"""Returns the pattern of a word: Python's `\w` has letters and digits, but no marks."""
    inner = rf"[\w{_characters('M')}{_IDEOGRAPH_VARIANTS}]"
    word = rf"\w{inner}*(?:[{_JOINERS}]\w{inner}*)*"
    symbol = rf"[{_characters('So')}][{_SKIN_TONES}]?"
    return re.compile(rf"{word}|[{_FLAG_LETTERS}]{{2}}|{symbol}(?:\u200d{symbol})*")


def _characters(category: str) -> str:
    """Returns all characters of a category, as the ranges of a regular expression."""
    codes = [
        code for code in range(_CHARACTERS) if unicodedata.category(chr(code)).startswith(category)
    ]
    runs = [
        [code for _, code in run]
        for _, run in groupby(enumerate(codes), key=lambda pair: pair[1] - pair[0])
    ]
    return "".join(f"\\U{run[0]:08x}-\\U{run[-1]:08x}" for run in runs)
