"""A figure that a notebook shows; imported where a figure is made, since it needs matplotlib."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure


class Picture(Figure):
    """A `matplotlib.figure.Figure` that shows itself as the result of a notebook's cell.

    pyplot does not know it, so that nothing shows it twice and nothing has to close it.
    """

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save the figure on its own background, whatever style is set.

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
