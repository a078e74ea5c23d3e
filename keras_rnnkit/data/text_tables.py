"""Labelled texts in a CSV file: a row for each text, with its label."""

import contextlib
import csv
import io
import reprlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from keras_rnnkit.data.decoding import NULS, raise_undecodable, read_file
from keras_rnnkit.data.errors import DataFileError

MOST_BYTES = 2**30
_LIMIT = threading.Lock()  # of a field, which the module `csv` has once for a whole process


def read_table(
    path: Path, text: str, label: str, encoding: str, delimiter: str | None, quoted: bool
) -> tuple[list[str], list[str], list[str]]:
    """Returns the texts, their labels, and file and line of each."""
    _check_columns(text, label)
    dialect = {
        "delimiter": _checked_delimiter(path, delimiter),
        "quoting": csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    }
    content = read_file(path, MOST_BYTES, path.name)
    try:
        with (
            _any_length(len(content)),
            io.TextIOWrapper(io.BytesIO(content), encoding=encoding, newline="") as lines,
        ):
            return _Table(path, text, label, dialect).read(lines)
    except UnicodeError as error:
        _raise_absolute(error, content, encoding, path)


class _Table:
    """A CSV file that is read row by row, so that every error can name the line."""

    def __init__(self, path: Path, text: str, label: str, dialect: dict[str, Any]) -> None:
        self.path, self.text, self.label, self.dialect = path, text, label, dialect

    def read(self, lines: Iterator[str]) -> tuple[list[str], list[str], list[str]]:
        texts, labels, files = [], [], []
        rows = self._rows(lines)
        line, header = next(rows, (1, []))
        at_text, at_label = (self._column(header, line, name) for name in (self.text, self.label))
        for line, row in rows:
            if len(row) != len(header):
                self._refuse(
                    line,
                    f"{len(row)} columns where the header has {len(header)}; quote texts that "
                    f"have the delimiter {self.dialect['delimiter']!r} or a line break",
                )
            if not row[at_label].strip():
                self._refuse(line, f"no label in column '{self.label}'; label or remove the row")
            texts.append(row[at_text])
            labels.append(row[at_label].strip())
            files.append(f"{self.path.name}:{line}")
        if not texts:
            self._refuse(line, "no rows below the header")
        return texts, labels, files

    def _rows(self, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        """Yields each row that is not empty, with the line where it begins."""
        reader = csv.reader(_without_mark(lines), strict=True, **self.dialect)
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._refuse(
                    line,
                    f"{error}; close quotes, double them inside a text, or "
                    "pass quoted=False if they are plain characters",
                )
            if any("\0" in cell for cell in row):
                self._refuse(line, NULS)
            if row:
                yield line, row

    def _column(self, header: list[str], line: int, name: str) -> int:
        if not header:
            self._refuse(line, "an empty file")
        if header.count(name) != 1:
            times = "twice" if name in header else "not"
            self._refuse(
                line,
                f"the column '{name}' {times} among the columns {reprlib.repr(header)}; pass the "
                'names of two of them, for example text="review", label="sentiment", or another '
                "`delimiter`",
            )
        return header.index(name)

    def _refuse(self, line: int, found: str) -> NoReturn:
        raise DataFileError(
            f"`path` must lead to a CSV file with the columns '{self.text}' and '{self.label}'. "
            f"Found in line {line}: {found}. Received: path='{self.path}'"
        )


def _check_columns(text: str, label: str) -> None:
    for argument, value in (("text", text), ("label", label)):
        if not isinstance(value, str):
            raise TypeError(
                f"`{argument}` must be the name of a column. Received: {argument}={value!r}"
            )
    if text == label:
        raise ValueError(
            f"`label` must be another column than `text`. Received: text={text!r}, label={label!r}"
        )


def _without_mark(lines: Iterator[str]) -> Iterator[str]:
    first = next(lines, "")
    yield first.removeprefix("\ufeff")
    yield from lines


@contextlib.contextmanager
def _any_length(most: int) -> Iterator[None]:
    """Lets a field be as long as the file; the limit of other code comes back afterwards."""
    with _LIMIT:
        before = csv.field_size_limit()
        csv.field_size_limit(max(before, most))
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _checked_delimiter(path: Path, delimiter: str | None) -> str:
    if delimiter is None:
        return "\t" if path.suffix.lower() == ".tsv" else ","
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '\r\n" ':
        raise ValueError(
            "`delimiter` must be one character such as ',' or ';', or None. "
            f"Received: delimiter={delimiter!r}"
        )
    return delimiter


def _raise_absolute(error: UnicodeError, content: bytes, encoding: str, path: Path) -> NoReturn:
    """Raises with the position in the whole file; that of `error` is one in a part of it."""
    try:
        content.decode(encoding)
    except UnicodeError as whole:
        error = whole
    raise_undecodable(error, content, encoding, path)
