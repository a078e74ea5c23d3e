"""The words below a picture: short, in the fonts that are installed, without overlaps."""

from __future__ import annotations

import functools
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from keras_rnnkit.plots.figures import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST = 14
_MOST_NUMBERS = 25
# The first one comes with matplotlib; the others, if installed, have scripts that it lacks.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "NanumGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
    "Microsoft YaHei",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Emoji",
    "Segoe UI Emoji",
    "Segoe UI Symbol",
)
_MISSING = "\N{REPLACEMENT CHARACTER}"


def label_steps(
    axes: Axes, labels: list[str], numbered: bool, changes: np.ndarray, width: float
) -> None:
    """Label the steps with their numbers, or with their words where they have some.

    Args:
        axes: The panel whose steps are labelled.
        labels: A number or a word for each step.
        numbered: Whether they are numbers.
        changes: How much changes at each step, for `name_steps`.
        width: The width of a step, in inches.
    """
    if numbered:
        number_steps(axes, labels)
    else:
        name_steps(axes, labels, changes, width)


def number_steps(axes: Axes, labels: list[str]) -> None:
    """Label the steps with their numbers, at most 25 of them."""
    every = -(-len(labels) // _MOST_NUMBERS)
    axes.set_xticks(range(0, len(labels), every), labels[::every], fontsize=8)
    axes.set_xlabel("step", fontsize=9, color=INK)


def name_steps(axes: Axes, tokens: list[str], changes: np.ndarray, width: float) -> None:
    """Label the steps with their words; without room for all, those with the largest changes.

    Args:
        axes: The panel whose steps are labelled.
        tokens: A word for each step.
        changes: How much changes at each step: of two words too close, the one with the larger
            change is written.
        width: The width of a step, in inches.
    """
    size = float(np.clip(72 * width / 1.25, 6.5, 9))
    places = spaced(changes, gap=int(np.ceil(1.2 * size / 72 / width)))
    steep = width < 2 * size / 72
    axes.set_xticks(
        places,
        [shorten(tokens[place]) for place in places],
        rotation=90 if steep else 60,
        ha="center" if steep else "right",
        va="top",
        rotation_mode="default" if steep else "anchor",
        fontsize=size,
        family=fonts(),
        parse_math=False,
    )


def spaced(changes: np.ndarray, gap: int) -> list[int]:
    """Places at least `gap` apart, chosen greedily from the one with the largest change."""
    free = np.ones(len(changes), dtype=bool)
    places = []
    for place in np.argsort(-changes, kind="stable"):
        if free[place]:
            places.append(int(place))
            free[max(0, place - gap + 1) : place + gap] = False
    return sorted(places)


def shorten(token: str, longest: int = LONGEST) -> str:
    """One line of limited length, in characters that can be drawn."""
    line = " ".join(drawable(token).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def drawable(text: str) -> str:
    """The text with a replacement for each character that no font has: an emoji's is its name.

    Combining marks are removed. matplotlib warns of such characters, and fails on half of a
    surrogate pair.
    """
    return "".join(_drawable(character) for character in text)


def _drawable(character: str) -> str:
    if ord(character) in _characters() or character.isspace():
        return character
    category = unicodedata.category(character)
    if category == "So":
        return f":{unicodedata.name(character, _MISSING).lower()}:"
    return "" if category in ("Mn", "Me", "Cf", "Sk") else _MISSING


@functools.cache
def fonts() -> list[str]:
    """The installed ones of the fonts."""
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return [name for name in _FONTS if name in installed]


@functools.cache
def _characters() -> frozenset[int]:
    """Every character that one of the fonts has."""
    from matplotlib import font_manager

    files = (font_manager.findfont(name) for name in fonts())
    return frozenset().union(*(font_manager.get_font(file).get_charmap() for file in files))
