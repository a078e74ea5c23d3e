"""A label beside a point, where it covers no curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_rnnkit.plots.figures import INK, SPINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The size of a two-line label, as a fraction of the panel.
WIDTH, HEIGHT = 0.34, 0.17
# Added to the distance of a place below the point: the line from there to the point would cross
# the training loss, which is usually below.
DOWNWARDS = 0.3


def place_label(axes: Axes, point: tuple[float, float], text: str) -> None:
    """Write `text` in the nearest free place to `point`, with a thin line to it."""
    left, bottom = _free_place(_curve_points(axes), _to_panel(axes, np.array([point]))[0])
    axes.annotate(
        text,
        xy=point,
        xytext=(left + WIDTH / 2, bottom + HEIGHT / 2),
        textcoords="axes fraction",
        ha="center",
        va="center",
        fontsize=8.5,
        color=INK,
        arrowprops={"arrowstyle": "-", "color": SPINE, "linewidth": 0.8, "shrinkB": 4},
        zorder=6,
    )


def _to_panel(axes: Axes, points: np.ndarray) -> np.ndarray:
    """Data coordinates as fractions of the panel."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    return (points - [left, bottom]) / [right - left, top - bottom]


def _curve_points(axes: Axes) -> np.ndarray:
    """Points along every line of the panel, closer to each other than the size of a label."""
    dense = []
    for line in axes.lines:
        corners = _to_panel(axes, np.asarray(line.get_xydata(), dtype=float))
        steps = np.linspace(0, len(corners) - 1, max(200, 10 * len(corners)))
        places = np.arange(len(corners))
        dense.append(np.stack([np.interp(steps, places, side) for side in corners.T], axis=1))
    return np.concatenate(dense)


def _free_place(curves: np.ndarray, point: np.ndarray) -> tuple[float, float]:
    """The lower left corner of the box with the fewest curve points; of equals, the nearest."""
    margin = 0.02
    lefts = np.linspace(margin, 1 - margin - WIDTH, 15)
    bottoms = np.linspace(margin, 1 - margin - HEIGHT, 15)

    def cost(corner: tuple[float, float]) -> tuple[int, float]:
        inside = np.abs(curves - (corner + np.array([WIDTH, HEIGHT]) / 2))
        covered = int((inside < [WIDTH / 2 + 0.015, HEIGHT / 2 + 0.02]).all(axis=1).sum())
        right, up = corner + np.array([WIDTH, HEIGHT]) / 2 - point
        return covered, float(np.hypot(right, up) + (DOWNWARDS if up < 0 else 0))

    return min(((left, bottom) for left in lefts for bottom in bottoms), key=cost)
