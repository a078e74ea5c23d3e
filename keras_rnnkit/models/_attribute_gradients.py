"""Integrated gradients (Sundararajan et al., 2017), by the Gauss-Legendre rule."""

from typing import Any

import numpy as np

from keras_rnnkit.models._attribute_model import Question, gap_of

LARGEST_GAP = 0.01  # rows above it are run again with more points


def integrated_gradients(question: Question, baseline: np.ndarray, points: int) -> dict[str, Any]:
    """The integral of the gradients from the baseline to the vectors, times their distance.

    Args:
        question: What is to be explained.
        baseline: Vectors of the shape of those of the words.
        points: How many points of the rule to begin with.

    Returns:
        `scores` and `mask` `(batch, time)`, and for each row `total`, the change of the logit,
        `gap` and `points`.
    """
    total = np.sum((question.logits - _at(question, baseline)) * question.chosen, axis=-1)
    count = question.rows.count
    scores = _integral(question, baseline, np.arange(count), points, points)
    gap, taken = gap_of(scores.sum(-1), total), np.full(count, points)
    for more in (2 * points, 4 * points):
        again = np.flatnonzero(gap > LARGEST_GAP)
        if not len(again):
            break
        found = _integral(question, baseline, again, more, points)
        new_gap = gap_of(found.sum(-1), total[again])
        better = new_gap < gap[again]
        which = again[better]
        scores[which], gap[which], taken[which] = found[better], new_gap[better], more
    mask = question.function.place.mask(question.tokens)
    return {"scores": scores, "total": total, "gap": gap, "points": taken, "mask": mask}


def _at(question: Question, baseline: np.ndarray) -> np.ndarray:
    """The logits at the baseline."""
    rows = question.rows
    blocks = rows.blocks(range(rows.count), rows.size)
    parts = [
        question.function.logits(rows.of(block), baseline[block], question.masks_of(block))
        for block in blocks
    ]
    return np.concatenate(parts)[: rows.count].astype("float64")


def _integral(
    question: Question, baseline: np.ndarray, which: np.ndarray, points: int, first_points: int
) -> np.ndarray:
    """The scores `(len(which), time)` of some rows, by a rule of so many points.

    Blocks of rows and of points have the sizes of those for `first_points`, so that the model is
    compiled once.
    """
    rows, dtype = question.rows, question.vectors.dtype
    at_a_time = 1 if rows.fixed else _divisor(first_points, rows.size)
    size = min(rows.count, max(1, rows.size // at_a_time))
    nodes, weights = np.polynomial.legendre.leggauss(points)
    rule = [((1 + nodes) / 2).astype(dtype), (weights / 2).astype(dtype)]
    starts = range(0, points, at_a_time)
    rules = [[part[start : start + at_a_time] for part in rule] for start in starts]
    blocks = rows.blocks(np.arange(rows.count) if rows.fixed else which, size)
    scores = np.concatenate([_of_block(question, baseline, block, rules) for block in blocks])
    return scores[which] if rows.fixed else scores[: len(which)]


def _of_block(
    question: Question, baseline: np.ndarray, block: np.ndarray, rules: list[Any]
) -> np.ndarray:
    """The scores of a block of rows; the points and weights of the rule come in parts."""
    vectors, start = question.vectors[block], baseline[block]
    inputs, chosen = question.rows.of(block), question.chosen[block].astype(vectors.dtype)
    masks = question.masks_of(block)
    gradients = sum(
        question.function.weighted_gradients(inputs, masks, vectors, start, *rule, chosen).astype(
            "float64"
        )
        for rule in rules
    )
    return np.sum(gradients * (vectors - start), axis=-1) + 0.0  # no negative zeros


def _divisor(number: int, most: int) -> int:
    """The largest divisor of a number that is not above `most`."""
    return max(d for d in range(1, number + 1) if number % d == 0 and d <= max(1, most))
