"""A time series from a CSV file; what is wrong with the file is told with its line."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

MISSING = {"", "na", "nan", "null", "none", "-"}


class Column(NamedTuple):
    """The values of a column, NaN where one is missing, and their times."""

    name: str
    times: np.ndarray
    values: np.ndarray


def read_column(path: Path, column: str | None = None, time: str | None = None) -> Column:
    """Reads a column of numbers and one of times, a row for each step in the order of time.

    An empty cell is a missing value. Times are numbers or ISO dates, at equal distances; without a
    name, they are those of the first column, and with the name "" the numbers of the rows. The
    values are those of the only other column, or of the one that is named.
    """
    head, rows = _read(path)
    time = head[0] if time is None and len(head) > 1 else time
    others = [name for name in head if name != time]
    if column is None and len(others) > 1:
        raise SystemExit(f"{path}: name the column to forecast: --column {others[0]!r}")
    column = others[0] if column is None else column
    for name in filter(None, (column, time)):
        if name not in head:
            raise SystemExit(f"{path}:1: there is no column {name!r}. There are: {head}")
    lines = np.array([line for line, _ in rows])
    cells = [cells[head.index(column)] for _, cells in rows]
    values = np.array([_number(path, *one) for one in zip(lines, cells, strict=True)])
    if not time:
        return Column(column, np.arange(len(values)), values)
    labels = [cells[head.index(time)] for _, cells in rows]
    times = _times(path, lines, labels)
    _check_distances(path, lines, labels, times)
    return Column(column, times, values)


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Returns the names of the columns, and the cells of each row with its line."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            head = [name.strip() for name in next(reader, [])]
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except OSError as error:
        raise SystemExit(f"{path}: the file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise SystemExit(f"{path}:{line}: the text must be UTF-8.") from error
    except csv.Error as error:
        raise SystemExit(f"{path}:{reader.line_num}: this is not CSV: {error}.") from error
    while rows and not any(rows[-1][1]):
        rows.pop()
    if len(head) == 1:  # an empty line is a missing value
        rows = [(line, row or [""]) for line, row in rows]
    rows = [(line, row) for line, row in rows if row]
    if len(rows) < 2:
        raise SystemExit(f"{path}: the first line must name the columns, and rows must follow.")
    for line, row in rows:
        if len(row) != len(head):
            raise SystemExit(f"{path}:{line}: {len(row)} cells, but {len(head)} columns: {head}")
    return head, rows


def _number(path: Path, line: int, cell: str) -> float:
    if cell.lower() in MISSING:
        return float("nan")
    value = _as_number(cell)
    if value is None:
        raise SystemExit(f"{path}:{line}: expected a number or an empty cell, found {cell!r}.")
    return value


def _times(path: Path, lines: np.ndarray, labels: list[str]) -> np.ndarray:
    """Returns numbers if the first label is one, else dates."""
    numbers = _as_number(labels[0]) is not None and not _is_compact(labels[0])
    times = np.empty(len(labels), "float64" if numbers else "datetime64[s]")
    for i, label in enumerate(labels):
        time = _as_number(label) if numbers else _as_date(label)
        if time is None:
            kind = "a number" if numbers else "a date such as 2026-01-31"
            raise SystemExit(f"{path}:{lines[i]}: expected {kind}, found {label!r}.")
        times[i] = time
    return times


def _as_number(label: str) -> float | None:
    try:
        value = float(label)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _as_date(label: str) -> np.datetime64 | None:
    date = f"{label[:4]}-{label[4:6]}-{label[6:]}" if _is_compact(label) else label
    try:
        time = np.datetime64(date, "s")
    except ValueError:
        return None
    return None if np.isnat(time) else time


def _is_compact(label: str) -> bool:
    """Whether this is a date without hyphens, such as 20260131."""
    return len(label) == 8 and label.isdigit()


def _check_distances(path: Path, lines: np.ndarray, labels: list[str], times: np.ndarray) -> None:
    distances = np.diff(times).astype("float64")
    usual = np.median(distances)
    wrong = np.flatnonzero((distances < 0.5 * usual) | (distances > 1.5 * usual) | (distances <= 0))
    if len(wrong):
        i = wrong[0] + 1
        raise SystemExit(
            f"{path}:{lines[i]}: {labels[i]!r} comes after {labels[i - 1]!r}. The rows must be in "
            "the order of time at equal distances; a step without a value needs a row with an "
            "empty cell."
        )
