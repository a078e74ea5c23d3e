"""A figure that a notebook displays; imported only where a figure is made: it needs matplotlib."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure


class Picture(Figure):
    """A `matplotlib.figure.Figure` that a notebook displays as the result of a cell.

    pyplot does not know it, so that it is not displayed twice and need not be closed.
    """

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save the figure on its own background, independent of matplotlib's style.

        Args:
            fname: A path or a binary file.
            **options: What `matplotlib.figure.Figure.savefig` takes.
        """
        options.setdefault("facecolor", "auto")
        options.setdefault("transparent", False)
        super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        with io.BytesIO() as buffer:
            self.savefig(buffer, format="png", dpi=self.dpi)
            return buffer.getvalue()
