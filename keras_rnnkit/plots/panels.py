"""The panels of `gates`: one for each field, and one for the prediction so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_rnnkit.plots.figures import BLUE, GRID, INK, SPINE, VERMILION, style_axes
from keras_rnnkit.plots.kinds import COLOR_MAPS, Kind, color_limits, kind_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEANINGS = {
    "input": "how much of the candidate is written to the cell",
    "forget": "how much of the cell is kept",
    "output": "how much of the cell is output",
    "update": "how much of the old state is kept",
    "reset": "how much of the old state the candidate uses",
    "candidate": "the values that can be written",
    "hidden": "the state that is output",
    "cell": "the cell state",
}
# The heights of the row of means and of the gap below it, in rows of units; in a panel of many
# thin rows, as fractions of the panel.
_MEAN, _GAP = 1.3, 0.4
_MEAN_FRACTION, _GAP_FRACTION = 0.08, 0.03
_BAR = 0.12  # the width of a colour bar, in inches
_MOST_CLASSES = 5
_CLASS_COLORS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#56B4E9")


@dataclass(frozen=True)
class Panel:
    """A field to draw: `values` `(steps, units)` of all its units, and which units to draw."""

    name: str
    part: str
    values: np.ndarray
    units: list[int]


def rows_of(units: int) -> float:
    """The height in rows of a panel of `units` units, with the row of means and its gap."""
    return units + max(_MEAN, _MEAN_FRACTION * units) + max(_GAP, _GAP_FRACTION * units)


def draw_field(figure: Figure, axes: Axes, panel: Panel, row_height: float) -> None:
    """A row of means over all units on top, below it the chosen units, and a colour bar.

    The mean of a signed field is of absolute values, since both signs would cancel out.
    """
    steps, count = panel.values.shape[0], len(panel.units)
    mean, gap = max(_MEAN, _MEAN_FRACTION * count), max(_GAP, _GAP_FRACTION * count)
    top = -0.5 - gap - mean
    kind = kind_of(panel.name, panel.values)
    low, high = color_limits(kind, panel.values[:, panel.units])
    shared: dict[str, Any] = {"cmap": COLOR_MAPS[kind], "vmin": low, "vmax": high, "aspect": "auto"}
    shared["interpolation"] = "nearest" if row_height * 150 >= 1 else "antialiased"
    image = axes.imshow(panel.values.T[panel.units], **shared)
    averaged = panel.values if kind is Kind.GATE else np.abs(panel.values)
    means = averaged.mean(axis=1)[None]
    axes.imshow(means, extent=(-0.5, steps - 0.5, -0.5 - gap, top), **shared)
    axes.set(ylim=(count - 0.5, top), xlim=(-0.5, steps - 0.5), facecolor="white")
    label = "mean" if kind is Kind.GATE else "mean |x|"
    _name_rows(axes, panel, (label, (top - 0.5 - gap) / 2), row_height)
    _title(axes, panel)
    height = row_height * rows_of(count)
    bar = figure.colorbar(image, ax=axes, pad=0.012, fraction=0.03, aspect=height / _BAR)
    ticks = [low, high] if low >= 0 else [low, 0, high]
    bar.set_ticks(ticks, labels=[f"{tick:.2g}" for tick in ticks])
    bar.ax.tick_params(labelsize=7.5, labelcolor=INK, color=SPINE)
    bar.outline.set_visible(False)


def _title(axes: Axes, panel: Panel) -> None:
    meaning = MEANINGS.get(panel.name)
    title = f"{panel.name}: {meaning}" if meaning else panel.name
    if panel.part:
        title = f"{panel.part} · {title}"
    axes.set_title(title, loc="left", fontsize=9.5, color=INK, pad=3, parse_math=False)
    axes.tick_params(labelsize=8, color=SPINE, labelcolor=INK, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)


def _name_rows(axes: Axes, panel: Panel, mean: tuple[str, float], row_height: float) -> None:
    """The numbers of the units, if there is room for them."""
    size = min(8.0, 72 * row_height * 0.9)
    named = size >= 5.5
    numbers = panel.units if named else []
    axes.set_yticks([mean[1], *range(len(numbers))], [mean[0], *map(str, numbers)])
    axes.tick_params(left=False)
    for label in axes.get_yticklabels():
        label.set_fontsize(size if named else 7.5)
    axes.set_ylabel("unit" if named else f"{len(panel.units)} units", fontsize=8.5, color=INK)


def draw_prediction(axes: Axes, values: np.ndarray) -> None:
    """The prediction so far, `(steps, classes)`: a line for each of the most likely classes."""
    style_axes(axes)
    steps, classes = values.shape
    places = np.arange(steps)
    probable = bool(values.min() >= 0 and values.max() <= 1)
    level = 0.5 if probable else 0.0
    likely = np.argsort(-values[-1], kind="stable")[:_MOST_CLASSES]
    for color, index in zip(_CLASS_COLORS, likely, strict=False):
        axes.plot(
            places,
            values[:, index],
            color=color,
            linewidth=1.5,
            marker="o" if steps <= 120 else "",
            markersize=2.5,
            label=f"class {index}",
        )
    if classes == 1:
        axes.fill_between(places, level, values[:, 0], color=BLUE, alpha=0.15, linewidth=0)
    else:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7.5, frameon=False)
    axes.axhline(level, color=SPINE, linewidth=0.8)
    if probable:
        axes.set(ylim=(-0.04, 1.04), yticks=[0, 0.5, 1])
    axes.set_title("prediction so far", loc="left", fontsize=9.5, color=INK, pad=3)
    axes.tick_params(bottom=False, labelbottom=False)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
