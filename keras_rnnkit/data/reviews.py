"""Reviews of different lengths as flat arrays, and the table that numbers their words.

The reviews of a split lie one after another in one array of word ranks (1 is the most frequent
word), each behind a slot of its own for the start sign. A start sign, a shift of the ids, words
too rare or too frequent: all of that is one table, looked up once per word. The slot holds -1,
so it takes the table's last row.
"""

from typing import NamedTuple

import numpy as np

from keras_rnnkit.data.checks import require_count
from keras_rnnkit.data.padding import cut, ranges

SLOT = -1
HIGHEST_RANK = 2**24 - 1
MOST_REVIEWS, MOST_WORDS = 2**18, 2**25  # a split; the official ones have 25,000 and 6 million
_DROPPED = -1


class Reviews(NamedTuple):
    """One split. Shapes: `tokens` `(words + n,)`, `offsets` `(n + 1,)`, `labels` `(n,)`."""

    tokens: np.ndarray  # int32: every review's slot, then its ranks
    offsets: np.ndarray  # int64: review i is tokens[offsets[i]:offsets[i + 1]]
    labels: np.ndarray  # int64

    def fault(self) -> str | None:
        """Returns what is wrong with these arrays, in words, or `None`."""
        if len(self.labels) != len(self.offsets) - 1:
            return f"{len(self.offsets) - 1} reviews but {len(self.labels)} labels"
        if len(self.labels) > MOST_REVIEWS or len(self.tokens) > MOST_WORDS:
            return f"more than {MOST_REVIEWS} reviews or {MOST_WORDS} words"
        bounds = self.offsets[[0, -1]].tolist() if len(self.offsets) else None
        if bounds != [0, len(self.tokens)] or (np.diff(self.offsets) < 1).any():
            return "offsets that do not fit the words"
        slots = self.offsets[:-1]
        if (self.tokens[slots] != SLOT).any() or (self.tokens < 0).sum() != len(slots):
            return "a negative word rank"
        if self.highest_rank > HIGHEST_RANK:
            return f"a word rank above {HIGHEST_RANK}"
        return None

    @property
    def highest_rank(self) -> int:
        """The rank of the rarest word."""
        return int(self.tokens.max(initial=0))

    def spans(self, rows: np.ndarray, start_char: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Returns where the reviews at `rows` start and how long they are."""
        starts = self.offsets[rows] + (start_char is None)
        return starts, self.offsets[rows + 1] - starts


class Corpus(NamedTuple):
    """The two splits of the data set, in the order of the file."""

    train: Reviews
    test: Reviews

    @property
    def highest_rank(self) -> int:
        """The rank of the rarest word of both splits."""
        return max(self.train.highest_rank, self.test.highest_rank)


class Numbering(NamedTuple):
    """How words become ids: Keras' options, with `start_kept` for its trap around START."""

    num_words: int | None
    skip_top: int
    start_char: int | None
    oov_char: int | None
    index_from: int
    start_kept: bool = True

    @classmethod
    def checked(
        cls,
        num_words: int | None,
        skip_top: int,
        start_char: int | None,
        oov_char: int | None,
        index_from: int,
    ) -> "Numbering":
        """Returns the numbering of these options, or raises in words."""
        return cls(
            num_words=require_count("num_words", num_words, least=1, optional=True),
            skip_top=require_count("skip_top", skip_top),
            start_char=require_count("start_char", start_char, optional=True),
            oov_char=require_count("oov_char", oov_char, optional=True),
            index_from=require_count("index_from", index_from),
        )

    def table(self, highest_rank: int) -> np.ndarray:
        """Returns the int32 id of every rank up to `highest_rank`, and of the slot, last."""
        ids = np.arange(highest_rank + 2, dtype=np.int32) + self.index_from
        ids[SLOT] = self.start_char or 0
        kept = ids >= self.skip_top
        if self.num_words is not None:
            kept &= ids < self.num_words
        if self.start_kept:
            kept[SLOT] = True
        return np.where(kept, ids, _DROPPED if self.oov_char is None else self.oov_char)


class Numbered(NamedTuple):
    """Reviews as flat ids: `values` `(ids,)` and `lengths` `(n,)`."""

    values: np.ndarray
    lengths: np.ndarray


def number(
    reviews: Reviews,
    rows: np.ndarray,
    numbering: Numbering,
    table: np.ndarray,
    maxlen: int | None = None,
    truncating: str = "pre",
) -> Numbered:
    """Returns the ids of the reviews at `rows`, cut to `maxlen`."""
    starts, lengths = reviews.spans(rows, numbering.start_char)
    if numbering.oov_char is None:
        values, lengths = _drop(table[reviews.tokens[ranges(starts, lengths)]], lengths)
        starts, lengths = cut(np.cumsum(lengths) - lengths, lengths, maxlen, truncating)
        return Numbered(values[ranges(starts, lengths)], lengths)
    starts, lengths = cut(starts, lengths, maxlen, truncating)
    return Numbered(table[reviews.tokens[ranges(starts, lengths)]], lengths)


def _drop(values: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kept = values != _DROPPED
    counts = np.concatenate([[0], np.cumsum(kept)])
    ends = np.cumsum(lengths)
    return values[kept], counts[ends] - counts[ends - lengths]
