"""Where a picture is drawn: in a figure of its own, or in the axes that a user passes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_rnnkit._checks import PathLike, check_file
from keras_rnnkit.plots.figures import INK, new_figure, require_matplotlib, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Canvas:
    """A figure and the axes of its panels, row by row."""

    figure: Figure
    panels: list[Axes]

    def finish(self, title: str | None, target: Path | None) -> Figure:
        """Write the title, save the picture, and return its figure."""
        if title:
            self.figure.suptitle(title, fontsize=12, color=INK, parse_math=False)
        if target:
            save_figure(self.figure, target)
        return self.figure


def check_target(caller: str, path: PathLike | None, overwrite: bool) -> Path | None:
    """The checks that come first: matplotlib is installed, and `path` can be written."""
    require_matplotlib(caller)
    return None if path is None else check_file(path, "path", ".png", overwrite)


def make_canvas(
    ax: Any,
    size: tuple[float, float],
    rows: int = 1,
    columns: int = 1,
    count: int | None = None,
    **options: Any,
) -> Canvas:
    """The axes of the panels: those of `ax`, or of a new figure.

    Args:
        ax: None, the axes of one panel, or those of all panels.
        size: Width and height of a new figure, in inches.
        rows: The rows of panels.
        columns: The columns of panels.
        count: The number of panels, if the last row is not full.
        **options: For `matplotlib.figure.Figure.subplots`.
    """
    count = rows * columns if count is None else count
    if ax is None:
        figure = new_figure(*size)
        axes = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
        for one in axes[count:]:
            one.remove()
        return Canvas(figure, axes[:count])
    axes = _flat(ax)
    if len(axes) != count:
        expected = "one matplotlib Axes" if count == 1 else f"{count} matplotlib Axes in a list"
        raise ValueError(
            f"`ax` must be {expected}, one for each panel, or None for a new figure. "
            f"Received: len(ax)={len(axes)}"
        )
    return Canvas(axes[0].figure.figure, axes)


def _flat(ax: Any) -> list[Any]:
    from matplotlib.axes import Axes

    axes = list(np.asarray(ax, dtype=object).flat) if isinstance(ax, Iterable) else [ax]
    wrong = [one for one in axes if not isinstance(one, Axes)]
    if wrong:
        raise TypeError(
            "`ax` must be a matplotlib Axes, or a list of them, one for each panel. "
            f"Received: ax={ax!r}"
        )
    return axes


def name_panel(axes: Axes, *words: str) -> None:
    """The title of a panel, at its left: the words that are not empty."""
    title = " · ".join(word for word in words if word)
    axes.set_title(title, loc="left", fontsize=9.5, color=INK, pad=4, parse_math=False)


def name_axis(axes: Axes, x: str | None = None, y: str | None = None) -> None:
    """The labels of the axes, in the size and colour of all pictures."""
    if x is not None:
        axes.set_xlabel(x, fontsize=9, color=INK, parse_math=False)
    if y is not None:
        axes.set_ylabel(y, fontsize=9, color=INK, parse_math=False)


def step_width(axes: Axes, steps: int) -> float:
    """The width of one of `steps` steps in a panel, in inches, before the layout is final."""
    figure = axes.figure.figure
    return float(axes.get_window_extent().width / figure.dpi / max(steps, 1))


def time_width(steps: Sequence[Any], beside: float = 1.35) -> float:
    """The width of a picture with time to the right: as much as the words need, within limits."""
    return float(np.clip(0.27 * len(steps) + beside, 7.0, 13.0))


def scale_logarithmically(axes: Axes) -> None:
    """A logarithmic axis upwards, of plain numbers unless it spans many decades."""
    from matplotlib.ticker import FuncFormatter, LogFormatterMathtext, LogLocator, NullFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    plain = low > 1e-4 and high < 1e5
    digits = (1, 2, 3, 4, 6, 8) if high < 10 * low else (1, 2, 5) if high < 200 * low else (1,)
    axes.yaxis.set_major_locator(LogLocator(subs=digits))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g}") if plain else LogFormatterMathtext()
    )
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", left=False)
