"""What is left of each word at each later step, as a heat map of words by words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_rnnkit._checks import PathLike
from keras_rnnkit.plots.canvas import (
    check_target,
    make_canvas,
    name_axis,
    name_panel,
    step_width,
)
from keras_rnnkit.plots.figures import INK, SPINE
from keras_rnnkit.plots.kinds import TAIL, rounded_up
from keras_rnnkit.plots.samples import read_index, read_mask, read_tokens, to_numpy
from keras_rnnkit.plots.words import label_steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEP, _SMALLEST, _LARGEST, _BESIDE = 0.3, 3.2, 8.2, 1.6  # inches
_MOST_NUMBERS = 10
_UNREAD = "#EEEEEE"


def influence(
    influence: Any,
    tokens: Sequence[str] | None = None,
    *,
    sample: int = 0,
    mask: Any = None,
    ax: Any = None,
    title: str | None = None,
    path: PathLike | None = None,
    overwrite: bool = True,
) -> Figure:
    """Draw what is left of each word in the state after each step: a heat map of words by words.

    A row is the state after a word, and a column what was written at a word. Going down a column
    shows how the word is forgotten; the last row shows what the last state is made of. Dark is
    much, white is nothing; grey are the words that a state has not read yet. Up to 10 words, the
    values are written too.

    Args:
        influence: Array `(batch, time, time)`: at `[i, t, j]` the weight, in the state after step
            `t`, of what was written at step `j`. Or an object with such an array as `weights`, and
            with a `mask` if it has one.
        tokens: A word for each step, masked steps included. Without it, steps are numbered from 0.
        sample: Which sequence of the batch to draw.
        mask: Booleans `(batch, time)`; steps where it is false are left out. By default the `mask`
            of `influence`, or else no step is masked.
        ax: Where to draw: None for a new figure, or a matplotlib `Axes`.
        title: A title of the whole figure.
        path: Where to save the picture; must end in `.png`. Missing folders are created.
        overwrite: Whether an existing file at `path` is replaced; if False, it is kept and an error
            is raised.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook displays if it is the result of a
            cell, with the heat map in its `axes[0]`.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: `sample` is not an integer, or `ax` is not a matplotlib `Axes`.
        ValueError: `influence` is not a finite array `(batch, time, time)`, `mask` or `tokens`
            do not fit it, every step is masked, or `path` has a wrong suffix.
        IndexError: `sample` is out of range.
        FileExistsError: `path` exists and `overwrite` is False.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> left = np.array([[[0.9, 0.0, 0.0], [0.5, 0.4, 0.0], [0.1, 0.2, 0.8]]])
    >>> figure = kit.plots.influence(left, ["a", "fine", "film"])
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['a', 'fine', 'film']
    """
    target = check_target("plots.influence", path, overwrite)
    values = _read(influence)
    index = read_index(sample, len(values))
    labels = read_tokens(tokens, values.shape[1])
    mask = getattr(influence, "mask", None) if mask is None else mask
    valid = np.flatnonzero(read_mask(mask, "mask", values.shape[:2])[index])
    if not len(valid):
        raise ValueError(
            f"`mask` must have a step that is valid in this sample. Received: sample={sample}"
        )
    drawn = values[index][np.ix_(valid, valid)]
    side = float(np.clip(_STEP * len(valid), _SMALLEST, _LARGEST))
    canvas = make_canvas(ax, (side + _BESIDE + 0.9, side + _BESIDE))
    (axes,) = canvas.panels
    _draw_map(canvas.figure, axes, drawn)
    _label(axes, [labels[step] for step in valid], tokens is None, drawn)
    return canvas.finish(title, target)


def _read(influence: Any) -> np.ndarray:
    values = to_numpy(getattr(influence, "weights", influence), "influence")
    if values.ndim != 3 or values.shape[1] != values.shape[2] or 0 in values.shape:
        units = " Choose units: influence[..., 3], or influence.mean(axis=-1)."
        raise ValueError(
            "`influence` must be an array (batch, time, time), none of them 0."
            f"{units if values.ndim == 4 else ''} Received: influence.shape={values.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError(
            "`influence` must be finite. "
            f"Received: influence={values[~np.isfinite(values)][0]} at some places"
        )
    return values


def _draw_map(figure: Figure, axes: Axes, values: np.ndarray) -> None:
    steps = len(values)
    sizes = np.abs(values[values != 0])
    limit = rounded_up(float(np.percentile(sizes, 100 - TAIL)) if sizes.size else 0.0)
    signed = bool(values.min() < 0)
    shown = np.ma.masked_array(values, mask=_unread(values))
    image = axes.imshow(
        shown,
        cmap="PuOr_r" if signed else "Blues",
        vmin=-limit if signed else 0,
        vmax=limit,
        interpolation="nearest" if steps <= 400 else "antialiased",
    )
    axes.set_facecolor(_UNREAD)
    axes.spines[:].set_visible(False)
    axes.tick_params(color=SPINE, labelcolor=INK, labelsize=8)
    # Beside the map itself: the axes are wider than a square.
    bar = figure.colorbar(image, cax=axes.inset_axes((1.03, 0.2, 0.03, 0.6)))
    bar.ax.tick_params(labelsize=7.5, labelcolor=INK, color=SPINE)
    bar.outline.set_visible(False)
    name_panel(axes, "what is left of each word")
    if steps <= _MOST_NUMBERS:
        _write_values(axes, shown, limit)


def _unread(values: np.ndarray) -> np.ndarray:
    """The later steps, or in a backward direction the earlier ones, where all values are zero."""
    later = np.triu(np.ones(values.shape, bool), 1)
    for unread in (later, later.T):
        if not values[unread].any():
            return unread
    return np.zeros(values.shape, bool)


def _write_values(axes: Axes, values: np.ma.MaskedArray, limit: float) -> None:
    hidden = np.ma.getmaskarray(values)
    for row, column in zip(*np.nonzero(~hidden), strict=True):
        value = float(values[row, column])
        color = "white" if abs(value) > 0.55 * limit else INK
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=color)


def _label(axes: Axes, labels: list[str], numbered: bool, values: np.ndarray) -> None:
    """The words on both sides; without room for all, those of which most is left at the end."""
    last = values[0] if _unread(values)[-1, 0] else values[-1]
    for _ in range(2):  # the labels themselves take room, from which the width of a step follows
        axes.figure.figure.draw_without_rendering()
        label_steps(axes, labels, numbered, np.abs(last), step_width(axes, len(labels)))
        below = axes.get_xticklabels()
        axes.set_yticks(
            axes.get_xticks(),
            [label.get_text() for label in below],
            fontsize=below[0].get_fontsize(),
            family=below[0].get_fontfamily(),
            parse_math=False,
        )
        name_axis(axes, "written at this step", "state after this step")
    axes.figure.figure.draw_without_rendering()
