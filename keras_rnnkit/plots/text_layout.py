"""A text in lines: where each word goes in a box of a given width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_rnnkit.plots.words import fonts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# In units of the font size.
_PAD, _GAP, _BOX, _LINE = 0.28, 0.22, 1.55, 1.95


@dataclass(frozen=True)
class Layout:
    """The boxes of all words in inches, from the upper left corner; `size` is of the font."""

    lefts: np.ndarray
    tops: np.ndarray
    widths: np.ndarray
    box: float
    height: float
    size: float


def measure(figure: Figure, words: list[str], size: float) -> np.ndarray:
    """The widths of the words in inches, in a font of this size in points."""
    text = figure.text(0, 0, "", fontsize=size, family=fonts(), parse_math=False)
    widths = []
    for word in words:
        text.set_text(word or " ")
        widths.append(text.get_window_extent().width / figure.dpi)
    text.remove()
    return np.array(widths)


def lay_out(widths: np.ndarray, line: float, size: float, right_to_left: bool = False) -> Layout:
    """Break words of these widths into lines.

    Args:
        widths: The width of each word, in inches.
        line: The width of a line, in inches.
        size: The size of the font, in points.
        right_to_left: Whether a line begins at its right end.
    """
    unit = size / 72
    boxes = widths + 2 * _PAD * unit
    lefts, tops = np.empty(len(boxes)), np.empty(len(boxes))
    x, y = 0.0, 0.0
    for place, box in enumerate(boxes):
        if x > 0 and x + box > line:
            x, y = 0.0, y + _LINE * unit
        lefts[place], tops[place] = x, y
        x += box + _GAP * unit
    if right_to_left:
        lefts = line - lefts - boxes
    return Layout(lefts, tops, boxes, _BOX * unit, y + _BOX * unit, size)


def fit(
    figure: Figure, words: list[str], line: float, height: float, right_to_left: bool
) -> Layout:
    """The largest font, from 11 points down to 3, with which the words fit into the height."""
    widths = measure(figure, words, 10.0) / 10.0
    for size in np.arange(11.0, 3.0, -0.5):
        layout = lay_out(widths * size, line, float(size), right_to_left)
        if layout.height <= height:
            break
    return layout
