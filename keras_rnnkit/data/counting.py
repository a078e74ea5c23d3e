"""The words of one's own texts, counted and ranked."""

from collections import Counter
from collections.abc import Iterable

from keras_rnnkit.data.reviews import HIGHEST_RANK
from keras_rnnkit.data.tokenizers import TOKENIZERS, check_text, check_texts
from keras_rnnkit.data.word_index import is_text


def count_words(texts: Iterable[str], tokenizer: str) -> Counter[str]:
    """Returns how often each word occurs in the texts."""
    check_texts(texts)
    split = TOKENIZERS[tokenizer]
    counts: Counter[str] = Counter()
    for index, text in enumerate(texts):
        counts.update(split(check_text(text, index)))
    return counts


def most_frequent(counts: Counter[str], max_words: int | None, min_count: int) -> dict[str, int]:
    """Returns the ranks of the words, the most frequent first, equal ones by code point.

    A word with a lone surrogate gets no rank, because no file can store it.
    """
    frequent = [word for word, count in counts.items() if count >= min_count and is_text(word)]
    if not frequent:
        raise ValueError(
            "`texts` must have at least one word that occurs `min_count` times. Received: "
            f"min_count={min_count}, different words={len(counts)}"
        )
    frequent.sort(key=lambda word: (-counts[word], word))
    most = HIGHEST_RANK if max_words is None else max_words
    return {word: rank for rank, word in enumerate(frequent[:most], start=1)}
