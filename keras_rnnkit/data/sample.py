"""A small set of reviews, synthetic and written for this package: no download, no film.

Each review is a sentence of a hand-written grammar. Every template has its mirror image with the
other label, so that counting good and bad words is not enough: "not good", "started dull but
ended wonderful" and "expected a gem but found it clumsy" need the order of the words.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np

from keras_rnnkit.data.vocabulary import Vocabulary

_MAXLEN = 20
_REVIEWS = 600
_HELD_OUT = 120


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_PRAISE = _words(
    "wonderful gripping moving funny clever warm brilliant charming superb touching fresh "
    "delightful honest splendid"
)
_BLAME = _words(
    "dull clumsy boring weak shallow tedious lifeless awful messy predictable flat silly dreary "
    "hollow"
)
_THINGS = _words(
    "plot film story cast script music ending dialogue camera acting opening humour pace movie"
)
_DEGREES = _words("very really truly quite simply")
_OPENINGS = (
    "",
    "i saw it last night",
    "my sister says",
    "for once",
    "we all agreed",
    "after two long hours",
    "on a rainy evening",
)

# {a} is a word of the label, {b} one of the other; the same lists serve both labels.
_PLAIN = (
    "the {thing} was {degree} {a}",
    "the {thing} felt {a} and the {other} was {a2}",
    "what a {a} {thing}",
    "a {a} {thing} with a {degree} {a2} {other}",
    "i found the {thing} {degree} {a}",
)
_TWISTED = (
    "the {thing} was not {b}",
    "the {thing} was never {b} and the {other} was not {b2}",
    "the {thing} started {b} but ended {a}",
    "i expected a {b} {thing} but found it {degree} {a}",
    "people call the {thing} {b} yet it is {a}",
    "despite a {b} {other} the {thing} was {a}",
)


class SampleReviews(NamedTuple):
    """One split: `texts` a tuple of n, `x` int32 `(n, 20)`, `y` int64 `(n,)`, 1 is positive."""

    texts: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray


class SampleData(NamedTuple):
    """What `load_sample` returns; it unpacks as `train, validation, vocabulary`."""

    train: SampleReviews
    validation: SampleReviews
    vocabulary: Vocabulary


def load_sample() -> SampleData:
    """Returns 600 synthetic film reviews that come with the package.

    They are made by a small grammar written for this package, and are the same on every machine:
    no film, no reviewer and no download stand behind them. Half are positive. About half of them
    are twisted ("not good", "started dull but ended wonderful"), so that the order of the words
    matters. An `LSTM` learns them in seconds; what it reaches says nothing about real reviews.

    Returns:
        A `SampleData(train, validation, vocabulary)`: 480 and 120 reviews, each split a
        `SampleReviews(texts, x, y)` with `x` int32 of shape `(n, 20)`, padded on the left and
        made by `vocabulary.encode`, and `y` int64 of shape `(n,)`, 1 for a positive review.

    Example:

    >>> train, validation, vocabulary = load_sample()
    >>> train.x.shape, train.y.shape, validation.x.shape
    ((480, 20), (480,), (120, 20))
    >>> vocabulary.decode(train.x[0]) == train.texts[0]
    True
    """
    texts, labels = _write_reviews()
    vocabulary = Vocabulary(_count_words(texts))
    x = vocabulary.encode(texts, maxlen=_MAXLEN)
    y = np.array(labels, dtype=np.int64)
    train, validation = (
        SampleReviews(tuple(texts[part]), x[part], y[part])
        for part in (slice(_HELD_OUT, None), slice(_HELD_OUT))
    )
    return SampleData(train, validation, vocabulary)


def _write_reviews() -> tuple[list[str], list[int]]:
    generator = np.random.RandomState(0)
    reviews: dict[str, int] = {}
    while len(reviews) < _REVIEWS:
        label = len(reviews) % 2
        reviews.setdefault(_write_review(generator, label), label)
    return list(reviews), list(reviews.values())


def _write_review(generator: np.random.RandomState, label: int) -> str:
    right, wrong = (_PRAISE, _BLAME) if label else (_BLAME, _PRAISE)
    a, a2 = generator.choice(right, 2, replace=False)
    b, b2 = generator.choice(wrong, 2, replace=False)
    thing, other = generator.choice(_THINGS, 2, replace=False)
    template = generator.choice(_PLAIN if generator.randint(2) else _TWISTED)
    sentence = template.format(
        a=a, a2=a2, b=b, b2=b2, thing=thing, other=other, degree=generator.choice(_DEGREES)
    )
    return f"{generator.choice(_OPENINGS)} {sentence}".strip()


def _count_words(texts: list[str]) -> dict[str, int]:
    counts = Counter(word for text in texts for word in text.split())
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return {word: rank for rank, word in enumerate(ordered, start=1)}
