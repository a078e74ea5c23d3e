"""Divides sequences among rows of one length (bin packing), deterministically.

The sequences come longest first. Best-fit decreasing puts each into the fullest row that has
space for it: few rows, but the short sequences gather in the last ones, so one row has many. Worst
fit puts each into the emptiest row: rows with about equally many sequences, long and short, which
take about 1 % more rows. `into_rows` tries both, and chooses the fewest rows of which none has more
than twice as many sequences as the average, as far as this takes at most 2 % more rows.
"""

import numpy as np

MORE_ROWS = 0.02  # than the fewest, for rows of about equally many sequences
_SOME_MORE = (0.0, 0.0025, 0.005, 0.01, MORE_ROWS)


def into_rows(lengths: np.ndarray, length: int) -> np.ndarray:
    """Returns which sequences each row has.

    Args:
        lengths: The length of each sequence, from 1 to `length`.
        length: The length of a row.

    Returns:
        int64 of shape `(rows, most_per_row)`: the numbers of the sequences, ascending, and then -1.
        The rows are sorted by their first number.
    """
    order = np.argsort(-lengths, kind="stable")
    items = list(zip(order.tolist(), lengths[order].tolist(), strict=True))
    least = -(-int(lengths.sum()) // length)
    found = [_fill(items, length, 0, emptiest=False), _fill(items, length, least, emptiest=True)]
    fewest = min(map(len, found))
    starts = sorted({int(fewest * (1 + more)) for more in _SOME_MORE})
    found += [_fill(items, length, start, emptiest=True) for start in starts]
    few = [rows for rows in found if len(rows) <= fewest * (1 + MORE_ROWS)]
    even = [rows for rows in few if _most(rows) <= 2 * len(lengths) / len(rows)]
    if even:
        return _as_array(min(even, key=lambda rows: (len(rows), _most(rows))))
    return _as_array(min(few, key=lambda rows: (_most(rows), len(rows))))


def _most(rows: list[list[int]]) -> int:
    return max(map(len, rows))


def _fill(
    items: list[tuple[int, int]], length: int, start: int, *, emptiest: bool
) -> list[list[int]]:
    """Returns the sequences of each row, where rows are opened when none has enough space.

    Args:
        items: Number and length of each sequence.
        length: The length of a row.
        start: How many rows are open from the start.
        emptiest: Whether a sequence goes to the emptiest row, or to the fullest with enough space.
    """
    rows: list[list[int]] = [[] for _ in range(start)]
    with_space = {length: list(range(start))[::-1]}  # rows by their free steps
    spaces = 1 << length if start else 0  # bit n is set where a row has n free steps
    for number, steps in items:
        enough = spaces >> steps
        if enough:
            more = enough.bit_length() if emptiest else (enough & -enough).bit_length()
            space = steps + more - 1
            row = with_space[space].pop()
            if not with_space[space]:
                spaces ^= 1 << space
        else:
            space, row = length, len(rows)
            rows.append([])
        rows[row].append(number)
        rest = with_space.setdefault(space - steps, [])
        rest.append(row)
        spaces |= 1 << (space - steps)
    return [row for row in rows if row]


def _as_array(rows: list[list[int]]) -> np.ndarray:
    table = np.full((len(rows), _most(rows)), -1, np.int64)
    for place, row in zip(table, sorted(sorted(row) for row in rows), strict=True):
        place[: len(row)] = row
    return table
