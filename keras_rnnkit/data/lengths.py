"""Chooses the few lengths to pad to: those with the least padding for their number, exactly.

Sorted by length, the rows that are padded to one of the lengths are consecutive, so the choice is
a division of the sorted rows into consecutive groups, each as long as its longest row. Dynamic
programming adds one group after another. The cost of a group that ends at length L and begins after
i rows is L times its number of rows: for a given i a line in L, so that the best i is found
on the lower envelope of lines (the convex hull trick) and a group more takes linear time.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np

_Line = tuple[int, int, int]  # intercept, rows before the group (the negative slope), position


def least_padding(lengths: np.ndarray, rows: np.ndarray, number: int) -> np.ndarray:
    """Returns at most `number` of the `lengths` to pad to, with the least padding.

    Args:
        lengths: The different lengths, sorted.
        rows: How many rows have each of them.
        number: How many to choose.

    Returns:
        The chosen lengths, sorted; the longest is one of them.
    """
    if number >= len(lengths):
        return lengths
    steps = [int(length) for length in lengths]
    before = [0, *np.cumsum(rows).tolist()]  # Python's integers: products have no limit
    costs: list[int | None] = [0] + [None] * len(steps)
    layers = []
    for _ in range(number):
        costs, starts = _one_more(costs, steps, before)
        layers.append(starts)
    chosen, end = [], len(steps)
    for starts in reversed(layers):
        chosen.append(steps[end - 1])
        end = starts[end]
    return np.array(chosen[::-1], lengths.dtype)


def _one_more(
    costs: Sequence[int | None], lengths: Sequence[int], before: Sequence[int]
) -> tuple[list[int | None], list[int]]:
    """Adds one group: the least cost of the first j lengths, and where their last group starts."""
    new: list[int | None] = [None] * len(costs)
    starts = [0] * len(costs)
    envelope: deque[_Line] = deque()
    for j, length in enumerate(lengths, 1):
        cost = costs[j - 1]
        if cost is not None:
            _push(envelope, (cost, before[j - 1], j - 1))
        while len(envelope) > 1 and _at(envelope[1], length) <= _at(envelope[0], length):
            envelope.popleft()
        if envelope:
            new[j] = _at(envelope[0], length) + length * before[j]
            starts[j] = envelope[0][2]
    return new, starts


def _at(line: _Line, length: int) -> int:
    return line[0] - line[1] * length


def _push(envelope: deque[_Line], line: _Line) -> None:
    """Appends a line, and removes those before it that are nowhere the lowest any more."""
    while len(envelope) > 1:
        (first, slope, _), (last, last_slope, _) = envelope[-2], envelope[-1]
        # Where the line crosses the one before the last, is the last one still higher?
        if (line[0] - first) * (last_slope - slope) > (last - first) * (line[1] - slope):
            break
        envelope.pop()
    envelope.append(line)
