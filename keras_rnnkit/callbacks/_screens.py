"""Where the line of progress is drawn: a terminal, a notebook or a file; `rich` draws it."""

from __future__ import annotations

import importlib
import math
import time
from typing import Any

from rich.console import Console
from rich.table import Table

_PAUSE = 0.25  # seconds between two drawings in a terminal or a notebook
_LOG_PAUSE = 10.0  # seconds between two lines in a log file
_LOG_LINES = 100  # at most so many lines in a log file, and the last one
_WIDTH = 100  # columns of the line at most


class Screen:
    """A terminal: the line is drawn over the one before."""

    _pause = _PAUSE

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = -math.inf
        self._open = False

    def wants_more(self) -> bool:
        """Whether it is time to draw again within an epoch."""
        return time.monotonic() - self._last >= self._pause

    def wants_epoch(self, epoch: int, epochs: int) -> bool:
        """Whether to draw at the end of an epoch."""
        return self.wants_more()

    def show(self, line: Table) -> None:
        """Draw the line."""
        self._last, self._open = time.monotonic(), True
        self._write(line)

    def close(self) -> None:
        """Leave the line as it is."""
        if self._open:
            self._console.line()
            self._open = False

    def _write(self, line: Table) -> None:
        width = min(self._console.width, _WIDTH) - 1
        with self._console.capture() as drawn:
            self._console.print(line, width=width, overflow="ellipsis", no_wrap=True, crop=True)
        text = drawn.get().split("\n")[0]
        self._console.file.write(f"\r\x1b[2K{text}")
        self._console.file.flush()


class Notebook(Screen):
    """A notebook: one output, whose text is replaced."""

    _handle: Any = None

    def close(self) -> None:
        self._handle = None

    def _write(self, line: Table) -> None:
        content = {"text/plain": _as_text(line)}
        if self._handle is None:
            display = importlib.import_module("IPython.display").display
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


class LogFile(Screen):
    """A file: a line when an epoch ends, not too often."""

    _pause = _LOG_PAUSE

    def wants_more(self) -> bool:
        return False

    def wants_epoch(self, epoch: int, epochs: int) -> bool:
        every = math.ceil(epochs / _LOG_LINES)
        due = time.monotonic() - self._last >= self._pause
        return due and (epoch + 1) % every == 0

    def close(self) -> None:
        self._open = False

    def _write(self, line: Table) -> None:
        self._console.file.write(_as_text(line) + "\n")
        self._console.file.flush()


def screen_of(console: Console) -> Screen:
    """What the console is."""
    if console.is_jupyter:
        return Notebook(console)
    return Screen(console) if console.is_terminal else LogFile(console)


def _as_text(line: Table) -> str:
    """The line as text without colours."""
    plain = Console(width=_WIDTH, color_system=None, force_terminal=False, force_jupyter=False)
    with plain.capture() as drawn:
        plain.print(line, overflow="ellipsis", no_wrap=True, crop=True)
    return drawn.get().split("\n")[0].rstrip()
