"""A progress bar for work on many batches, drawn by Keras."""

import time
from typing import Any

import keras

_PATIENCE = 3.0  # seconds of work before an "auto" bar appears


class Progress:
    """A bar over a number of batches, which may be unknown."""

    def __init__(self, count: int | None, shown: Any) -> None:
        """Make a bar that is not drawn yet.

        Args:
            count: How many batches there are, or `None`.
            shown: True, False, or `"auto"`: from three seconds of work on.
        """
        if shown not in (True, False, "auto"):
            raise ValueError(
                f"`progress` must be True, False or 'auto'. Received: progress={shown!r}"
            )
        self._bar = keras.utils.Progbar(count, unit_name="batch") if shown else None
        self._patience = _PATIENCE if shown == "auto" else 0.0
        self._start, self._done, self._drawn = time.monotonic(), 0, False

    def advance(self) -> None:
        """Another batch is done."""
        self._done += 1
        self._drawn = self._drawn or time.monotonic() - self._start >= self._patience
        if self._bar is not None and self._drawn:
            self._bar.update(self._done, finalize=False)

    def close(self) -> None:
        """All batches are done."""
        if self._bar is not None and self._drawn:
            self._bar.update(self._done, finalize=True)
