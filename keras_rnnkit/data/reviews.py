"""Reviews of different lengths as concatenated arrays, and the table from word ranks to ids.

The reviews of a split are concatenated in one array of word ranks (1 is the most frequent word),
each of them after a slot for `start_char`. `start_char`, the offset of the ids, and words too rare
or too frequent are all in one table, with one look-up per word. The value of a slot is -1,
so that its id is the last row of the table.
"""

from typing import NamedTuple

import numpy as np

from keras_rnnkit._checks import check_integer
from keras_rnnkit.data.padding import ranges, truncate

SLOT = -1
HIGHEST_RANK = 2**24 - 1
MOST_REVIEWS, MOST_WORDS = 2**18, 2**25  # a split; the official ones have 25,000 and 6 million
_REMOVED = -1


class RankedReviews(NamedTuple):
    """One split. Shapes: `tokens` `(words + n,)`, `offsets` `(n + 1,)`, `labels` `(n,)`."""

    tokens: np.ndarray  # int32: the slot of each review, then its ranks
    offsets: np.ndarray  # int64: review i is tokens[offsets[i]:offsets[i + 1]]
    labels: np.ndarray  # int64

    def invalid(self) -> str | None:
        """Returns why these arrays are not valid, or `None` if they are."""
        if len(self.labels) != len(self.offsets) - 1:
            return f"{len(self.offsets) - 1} reviews but {len(self.labels)} labels"
        if len(self.labels) > MOST_REVIEWS or len(self.tokens) > MOST_WORDS:
            return f"more than {MOST_REVIEWS} reviews or {MOST_WORDS} words"
        bounds = self.offsets[[0, -1]].tolist() if len(self.offsets) else None
        if bounds != [0, len(self.tokens)] or (np.diff(self.offsets) < 1).any():
            return "offsets that do not match the words"
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
        """Returns the starts and the lengths of the reviews at `rows`."""
        starts = self.offsets[rows] + (start_char is None)
        return starts, self.offsets[rows + 1] - starts


class Corpus(NamedTuple):
    """The two splits of the data set, in the order of the file."""

    train: RankedReviews
    test: RankedReviews

    @property
    def highest_rank(self) -> int:
        """The rank of the rarest word of both splits."""
        return max(self.train.highest_rank, self.test.highest_rank)


class IdRule(NamedTuple):
    """How word ranks become ids: the arguments of Keras' loader.

    With `exempt_start=False`, `skip_top` and `num_words` apply to `start_char` too, as in Keras.
    """

    num_words: int | None
    skip_top: int
    start_char: int | None
    oov_char: int | None
    index_from: int
    exempt_start: bool = True

    @classmethod
    def checked(
        cls,
        num_words: int | None,
        skip_top: int,
        start_char: int | None,
        oov_char: int | None,
        index_from: int,
    ) -> "IdRule":
        """Returns the rule of these arguments, which are checked."""
        return cls(
            num_words=check_integer(num_words, "num_words", least=1, optional=True),
            skip_top=check_integer(skip_top, "skip_top"),
            start_char=check_integer(start_char, "start_char", optional=True),
            oov_char=check_integer(oov_char, "oov_char", optional=True),
            index_from=check_integer(index_from, "index_from"),
        )

    def table(self, highest_rank: int) -> np.ndarray:
        """Returns the int32 ids of the ranks up to `highest_rank`, and last that of the slot."""
        ids = np.arange(highest_rank + 2, dtype=np.int32) + self.index_from
        ids[SLOT] = self.start_char or 0
        known = ids >= self.skip_top
        if self.num_words is not None:
            known &= ids < self.num_words
        if self.exempt_start:
            known[SLOT] = True
        return np.where(known, ids, _REMOVED if self.oov_char is None else self.oov_char)


class Encoded(NamedTuple):
    """Reviews as concatenated ids: `values` `(ids,)` and `lengths` `(n,)`."""

    values: np.ndarray
    lengths: np.ndarray


def encode(
    reviews: RankedReviews,
    rows: np.ndarray,
    rule: IdRule,
    table: np.ndarray,
    maxlen: int | None = None,
    truncating: str = "pre",
) -> Encoded:
    """Returns the ids of the reviews at `rows`, truncated to `maxlen`."""
    starts, lengths = reviews.spans(rows, rule.start_char)
    if rule.oov_char is None:
        values, lengths = _remove(table[reviews.tokens[ranges(starts, lengths)]], lengths)
        starts, lengths = truncate(np.cumsum(lengths) - lengths, lengths, maxlen, truncating)
        return Encoded(values[ranges(starts, lengths)], lengths)
    starts, lengths = truncate(starts, lengths, maxlen, truncating)
    return Encoded(table[reviews.tokens[ranges(starts, lengths)]], lengths)


def _remove(values: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Removes the ids that `_REMOVED` marks."""
    remaining = values != _REMOVED
    counts = np.concatenate([[0], np.cumsum(remaining)])
    ends = np.cumsum(lengths)
    return values[remaining], counts[ends] - counts[ends - lengths]
