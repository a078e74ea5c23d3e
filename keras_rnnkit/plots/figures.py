"""What all pictures have in common: colours, an empty figure, the grid, the file.

Figures are made with matplotlib's object-oriented API: no pyplot, no display, no global state.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_rnnkit._files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

# Okabe and Ito's palette: distinct for all common types of colour blindness.
BLUE, VERMILION = "#0072B2", "#D55E00"
SKY_BLUE, ORANGE = "#56B4E9", "#E69F00"
INK, GRID, SPINE = "#333333", "#E6E6E6", "#999999"

# Lines that differ in pattern too, so that they can be told apart when they are printed in grey.
LINES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "-", "linewidth": 1.7},
    {"color": VERMILION, "linestyle": (0, (5, 1.5)), "linewidth": 1.5},
    {"color": "#009E73", "linestyle": (0, (1, 1)), "linewidth": 1.9},
    {"color": "#000000", "linestyle": (0, (6, 1.5, 1, 1.5)), "linewidth": 1.3},
    {"color": "#CC79A7", "linestyle": "-", "linewidth": 2.3},
    {"color": ORANGE, "linestyle": (0, (2.5, 1)), "linewidth": 2.2},
    {"color": SKY_BLUE, "linestyle": (0, (6, 1, 1, 1, 1, 1)), "linewidth": 1.8},
    {"color": "#777777", "linestyle": "-", "linewidth": 0.9},
)

DOTS_PER_INCH = 150


def require_matplotlib(caller: str) -> None:
    """Raise an `ImportError` that names the extra when matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib, which is not installed. "
            'Install it with: pip install "keras-rnnkit[plot]"'
        ) from error


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, its size in inches, with a layout in which nothing overlaps."""
    from keras_rnnkit.plots.picture import Picture

    figure = Picture(
        figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white", layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    return figure


def style_axes(axes: Axes) -> None:
    """Light grid, grey frame on two sides only, small dark labels."""
    axes.set_facecolor("white")
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(SPINE)
    axes.tick_params(color=SPINE, labelcolor=INK, labelsize=8)


def style_legend(legend: Legend) -> None:
    """Small dark words without a frame, never read as mathematics."""
    legend.set_frame_on(False)
    for text in legend.get_texts():
        text.set(fontsize=7.5, color=INK, parse_math=False)


def save_figure(figure: Figure, target: Path) -> None:
    """Write the figure as PNG; a missing folder is created."""
    with replacing(target) as temporary:
        figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH)
