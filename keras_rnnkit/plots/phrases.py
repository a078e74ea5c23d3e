"""The words or phrases of one sequence with their scores, read from an attribution."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_rnnkit.plots.samples import read_index, read_mask, read_tokens, to_numpy
from keras_rnnkit.plots.words import shorten

_LONGEST_WORD, _LONGEST_PHRASE = 40, 70


@dataclass(frozen=True)
class Phrases:
    """The words to draw, their scores, and the total that these explain, if it is known."""

    labels: list[str]
    scores: np.ndarray
    total: float | None
    overlapping: bool = False  # phrases, whose scores have no sum

    @property
    def right_to_left(self) -> bool:
        """Whether more words are written from right to left than from left to right."""
        directions = [_direction(label) for label in self.labels]
        return directions.count("R") > directions.count("L")


def read_phrases(attribution: Any, tokens: Any, sample: int, mask: Any) -> Phrases:
    """One sequence out of an attribution, or an error that says what is wrong."""
    name = "attribution.scores" if hasattr(attribution, "scores") else "attribution"
    scores = to_numpy(getattr(attribution, "scores", attribution), name)
    if scores.ndim != 2 or 0 in scores.shape:
        raise ValueError(
            f"`{name}` must have the shape (batch, time), none of them 0. "
            f"Received: {name}.shape={scores.shape}"
        )
    index = read_index(sample, len(scores))
    if not np.isfinite(scores[index]).all():
        raise ValueError(
            f"`{name}` must be finite, and this sample has NaN or infinity. "
            f"Received: sample={sample}"
        )
    total = getattr(attribution, "total", None)
    total = None if total is None else float(np.asarray(total).reshape(len(scores), -1)[index, 0])
    tokens = _tokens_of(getattr(attribution, "tokens", None) if tokens is None else tokens, index)
    spans = getattr(attribution, "spans", None)
    if spans is not None:
        return Phrases(_phrases(spans, tokens, scores.shape[1]), scores[index], total, True)
    mask = getattr(attribution, "mask", None) if mask is None else mask
    labels = read_tokens(tokens, scores.shape[1])
    padding = np.array([label == "" for label in labels]) & (scores[index] == 0)
    valid = np.flatnonzero(read_mask(mask, "mask", scores.shape)[index] & ~padding)
    if not len(valid):
        raise ValueError(
            f"`mask` must have a step that is valid in this sample. Received: sample={sample}"
        )
    words = [shorten(labels[step], _LONGEST_WORD) for step in valid]
    return Phrases(words, scores[index, valid], total)


def _tokens_of(tokens: Any, index: int) -> Sequence[str] | None:
    """The words of this sequence: `tokens`, or a row of it where it has one for each sequence."""
    if tokens is None or isinstance(tokens, str) or not len(tokens):
        return tokens
    first = tokens[0]
    rows = isinstance(first, Iterable) and not isinstance(first, str)
    return tokens[index] if rows else tokens


def _phrases(spans: Any, tokens: Sequence[str] | None, count: int) -> list[str]:
    pairs = [(int(start), int(stop)) for start, stop in spans]
    time = max((stop for _, stop in pairs), default=0)
    if len(pairs) != count or (tokens is not None and len(tokens) < time):
        words = "None" if tokens is None else len(tokens)
        raise ValueError(
            "`attribution.spans` must be a pair (start, stop) for each score, within the words. "
            f"Received: len(spans)={len(pairs)}, scores.shape=(batch, {count}), "
            f"the last stop={time}, len(tokens)={words}"
        )
    if tokens is None:
        return [
            f"{start} to {stop - 1}" if stop - start > 1 else str(start) for start, stop in pairs
        ]
    return [shorten(" ".join(tokens[start:stop]), _LONGEST_PHRASE) for start, stop in pairs]


def _direction(label: str) -> str:
    """`R` or `L` by the first letter that has a direction; empty without one."""
    for character in label:
        kind = unicodedata.bidirectional(character)
        if kind in ("R", "AL"):
            return "R"
        if kind == "L":
            return "L"
    return ""
