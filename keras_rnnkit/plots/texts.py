"""A text with each word on a colour: how much it counts for or against the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_rnnkit._checks import PathLike
from keras_rnnkit.plots.canvas import check_target, make_canvas
from keras_rnnkit.plots.figures import INK, SPINE, new_figure, save_figure
from keras_rnnkit.plots.kinds import rounded_up
from keras_rnnkit.plots.phrases import Phrases, read_phrases
from keras_rnnkit.plots.text_layout import Layout, fit, lay_out, measure
from keras_rnnkit.plots.words import fonts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.transforms import Transform

# In inches.
_WIDTH, _SIDE, _TOP, _TITLE, _BELOW = 8.0, 0.25, 0.2, 0.35, 0.75
_BAR_WIDTH, _BAR_HEIGHT, _BAR_BOTTOM = 3.6, 0.13, 0.42
_DARK, _UNDERLINED = 0.62, 0.1  # fractions of the limit of the colours


def attribution(
    attribution: Any,
    tokens: Sequence[str] | None = None,
    *,
    sample: int = 0,
    mask: Any = None,
    ax: Any = None,
    title: str | None = None,
    path: PathLike | None = None,
    overwrite: bool = True,
) -> Figure:
    """Draw a text with each word on the colour of its score, and the scale of the colours.

    Red words count for the prediction, blue ones against it, and the stronger the colour, the more.
    Words that count against it are underlined, for a print in grey. A text that is written from
    right to left flows that way. With spans, each phrase has a colour of its own.

    Args:
        attribution: What `keras_rnnkit.attribute` returns, or any object with `scores`, an array
            `(batch, time)`, and perhaps `tokens`, `total` (the sum that the scores explain, a
            number for each sequence), `mask`, and `spans`: pairs `(start, stop)`, for `scores`
            `(batch, spans)`. Or the array of scores alone.
        tokens: The word at each step, masked ones included; by default those of `attribution`,
            or else the number of the step.
        sample: Which sequence of the batch to draw.
        mask: Booleans `(batch, time)`; words where it is false are left out. By default the `mask`
            of `attribution`, or else no step is masked.
        ax: Where to draw: None for a new figure, or a matplotlib `Axes`, in which the words get as
            small as its size demands; draw other panels of its figure first.
        title: A title of the whole figure.
        path: Where to save the picture; must end in `.png`. Missing folders are created.
        overwrite: Whether an existing file at `path` is replaced; if False, it is kept and an error
            is raised.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook displays if it is the result of a
            cell, with the text in its `axes[0]`.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: `sample` is not an integer, or `ax` is not a matplotlib `Axes`.
        ValueError: The scores are not a finite array `(batch, time)`, `tokens`, `mask` or spans do
            not fit them, every step is masked, or `path` has a wrong suffix.
        IndexError: `sample` is out of range.
        FileExistsError: `path` exists and `overwrite` is False.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> scores = np.array([[0.1, 2.0, -0.4]])
    >>> figure = kit.plots.attribution(scores, ["a", "fine", "film"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['a', 'fine', 'film']
    """
    target = check_target("plots.attribution", path, overwrite)
    phrases = read_phrases(attribution, tokens, sample, mask)
    limit = rounded_up(float(np.abs(phrases.scores).max()))
    draw = _draw_alone if ax is None else partial(_draw_in, ax)
    figure = draw(phrases, limit, title)
    if target:
        save_figure(figure, target)
    return figure


def _colors(limit: float) -> ScalarMappable:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(-limit, limit), "RdBu_r")


def _draw_alone(phrases: Phrases, limit: float, title: str | None) -> Figure:
    """A figure as high as the text needs."""
    figure, colors = new_figure(_WIDTH, 1.0), _colors(limit)
    figure.set_layout_engine("none")
    size = 10.5 if len(phrases.labels) <= 250 else 8.5
    line = _WIDTH - 2 * _SIDE
    widths = measure(figure, phrases.labels, size)
    layout = lay_out(widths, line, size, phrases.right_to_left)
    top = _TOP + (_TITLE if title else 0)
    height = top + layout.height + _BELOW
    figure.set_size_inches(_WIDTH, height)
    bottom = _BELOW / height
    axes = figure.add_axes((_SIDE / _WIDTH, bottom, line / _WIDTH, layout.height / height))
    bar = figure.add_axes(
        (_SIDE / _WIDTH, _BAR_BOTTOM / height, _BAR_WIDTH / _WIDTH, _BAR_HEIGHT / height)
    )
    _draw_words(axes, phrases, layout, colors, limit)
    figure.colorbar(colors, cax=bar, orientation="horizontal")
    _label_scale(bar, limit)
    where = ((2 * _SIDE + _BAR_WIDTH) / _WIDTH, (_BAR_BOTTOM + _BAR_HEIGHT / 2) / height)
    figure.text(*where, _sums(phrases), va="center", fontsize=8, color=INK)
    if title:
        y = 1 - 0.6 * _TITLE / height
        figure.suptitle(title, y=y, va="center", fontsize=12, color=INK, parse_math=False)
    return figure


def _draw_in(ax: Any, phrases: Phrases, limit: float, title: str | None) -> Figure:
    """The words in the axes of a user, as large as these allow."""
    canvas = make_canvas(ax, (0, 0))
    (axes,) = canvas.panels
    colors = _colors(limit)
    bar = canvas.figure.colorbar(
        colors, ax=axes, orientation="horizontal", fraction=0.05, pad=0.04, aspect=30
    )
    _label_scale(bar.ax, limit)
    axes.set_title(_sums(phrases), loc="left", fontsize=8, color=INK)
    canvas.figure.draw_without_rendering()  # the size of the axes is known after the layout
    box = axes.get_window_extent()
    width, height = box.width / canvas.figure.dpi, box.height / canvas.figure.dpi
    layout = fit(canvas.figure, phrases.labels, width, height, phrases.right_to_left)
    _draw_words(axes, phrases, layout, colors, limit)
    return canvas.finish(title, None)


def _draw_words(
    axes: Axes, phrases: Phrases, layout: Layout, colors: ScalarMappable, limit: float
) -> None:
    from matplotlib.patches import Rectangle

    axes.axis("off")
    inches = _from_corner(axes)
    boxes = zip(layout.lefts, layout.tops, layout.widths, strict=True)
    for label, score, (left, top, width) in zip(phrases.labels, phrases.scores, boxes, strict=True):
        color = colors.to_rgba(score)
        box = Rectangle((left, -top - layout.box), width, layout.box, color=color, linewidth=0)
        axes.add_artist(box).set(transform=inches, clip_on=False, in_layout=False)
        if score < -_UNDERLINED * limit:
            _underline(axes, box, layout, inches)
        axes.text(
            left + width / 2,
            -top - 0.72 * layout.box,
            label,
            transform=inches,
            in_layout=False,
            ha="center",
            va="baseline",
            fontsize=layout.size,
            family=fonts(),
            color="white" if abs(score) > _DARK * limit else INK,
            parse_math=False,
        )


def _from_corner(axes: Axes) -> Transform:
    """Inches from the upper left corner of the axes, whatever size they get in a later layout."""
    from matplotlib.transforms import ScaledTranslation

    root = axes.figure.figure
    corner = ScaledTranslation(0, 1, axes.transAxes)  # type: ignore[arg-type]
    return root.dpi_scale_trans + corner


def _underline(axes: Axes, box: Rectangle, layout: Layout, inches: Transform) -> None:
    """A line below a box, apart from it, so that it can be seen below a dark one."""
    from matplotlib.lines import Line2D

    places = [box.get_x(), box.get_x() + box.get_width()]
    width = layout.size / 8
    height = box.get_y() - width / 72
    line = Line2D(places, [height, height], color=INK, linewidth=width, solid_capstyle="butt")
    axes.add_artist(line).set(transform=inches, clip_on=False, in_layout=False)


def _label_scale(bar: Axes, limit: float) -> None:
    ticks = [-limit, 0, limit]
    bar.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks], fontsize=8, color=INK)
    bar.tick_params(color=SPINE)
    bar.set_xlabel("lowers the output (underlined)  |  raises it", fontsize=8, color=INK)
    bar.spines[:].set_visible(False)


def _sums(phrases: Phrases) -> str:
    """The sum of the scores, where they have one, and the total that they explain."""
    sums = [] if phrases.total is None else [f"total {phrases.total:+.3g}"]
    if not phrases.overlapping:
        size = float(np.abs(phrases.scores).max())
        rounded = round(phrases.scores.sum() / size, 6) * size if size else 0.0
        sums = [f"sum of the scores {rounded + 0.0:+.3g}", *sums]
    return ", ".join(sums)
