"""How long each unit remembers: its half-life, from its forget or update gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from keras_rnnkit import _gate_statistics as statistics
from keras_rnnkit._checks import PathLike
from keras_rnnkit.plots.canvas import (
    check_target,
    make_canvas,
    name_axis,
    name_panel,
    scale_logarithmically,
)
from keras_rnnkit.plots.figures import BLUE, INK, VERMILION, style_axes
from keras_rnnkit.plots.valid_steps import ValidSteps, read_valid_steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_PANELS, _MOST_NAMES = 8, 40
_PANEL, _MARGIN = 2.6, 0.3
# Limits of the axis, so that a few units with nearly endless memories do not take all of it.
_SHORTEST, _BEYOND = 0.1, 10.0
_DOTS: dict[str, Any] = {"color": BLUE, "clip_on": False, "zorder": 3}


def memory(
    trace: Any,
    *,
    ax: Any = None,
    title: str | None = None,
    path: PathLike | None = None,
    overwrite: bool = True,
) -> Figure:
    r"""Draw the half-life of each unit: after how many steps half of its old content is left.

    The half-life is

    $$
    T = \frac{-\ln 2}{\frac{1}{n} \sum_{t=1}^{n} \ln r_t}
    $$

    where $r_t$ is what the old state is multiplied by at step $t$: the forget gate of an LSTM or a
    MinLSTM, `forget` of an RGLRU, the update gate of a GRU, one minus the update gate of a MinGRU.
    The sum is over the valid steps of all sequences. One step with $r_t = 0$ erases all content,
    and the half-life is 0. It is infinite where $r_t = 1$ at all steps. What is written in
    the meantime does not count: half of the old content is left, beside the new one.

    Units are sorted by half-life. A triangle at the upper or lower edge is a unit beyond the axis.
    A half-life above the length of the longest sequence, the dotted line, is an extrapolation.

    Args:
        trace: A trace of a layer: a NamedTuple of arrays or tensors `(batch, time, units)`,
            with `mask`, `(batch, time)` or None, as its last field. Or a `BidirectionalTrace`, a
            dictionary of traces, the tuple of an `RNN` around several cells, whose parts are drawn
            one below the other.
        ax: Where to draw: None for a new figure, or a matplotlib `Axes`, or a list of them, one
            for each part.
        title: A title of the whole figure.
        path: Where to save the picture; must end in `.png`. Missing folders are created.
        overwrite: Whether an existing file at `path` is replaced; if False, it is kept and an error
            is raised.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook displays if it is the result of a
            cell, with the panels in its `axes`.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: `trace` is not a trace, or `ax` is not a matplotlib `Axes`.
        ValueError: Shapes do not fit, every step is masked, a part has no gate that multiplies
            its state, that gate has values outside of 0 to 1, there are more than 8 parts, `ax`
            has another number of axes than there are parts, or `path` has a wrong suffix.
        FileExistsError: `path` exists and `overwrite` is False.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> trace = kit.GRU(32).trace(np.ones((1, 3, 4), "float32"))
    >>> figure = kit.plots.memory(trace)
    >>> figure.axes[0].get_title(loc="left")
    'half-life of 32 units, from the update gate'
    """
    target = check_target("plots.memory", path, overwrite)
    parts = read_valid_steps(trace)
    if len(parts) > _MOST_PANELS:
        raise ValueError(
            f"`trace` must have at most {_MOST_PANELS} parts. Draw some of them alone: "
            f"trace{parts[0].key}. Received: parts={len(parts)}"
        )
    lives = [_half_lives(part) for part in parts]
    canvas = make_canvas(ax, (7.0, _PANEL * len(parts) + _MARGIN), rows=len(parts))
    for axes, part, (gate, values) in zip(canvas.panels, parts, lives, strict=True):
        _draw_lives(axes, values, part.longest)
        name_panel(axes, part.title, f"half-life of {len(values)} units, from {gate}")
    return canvas.finish(title, target)


def _half_lives(part: ValidSteps) -> tuple[str, np.ndarray]:
    found = statistics.retention(part.fields, part.origin)
    if found is None:
        raise ValueError(
            f"`trace{part.key}` must have a gate that multiplies the old state: `forget`, or "
            "`update` (LSTM, GRU, MinLSTM, MinGRU, RGLRU and their variants). The others, and a "
            f"cell that normalises its state, have no half-life. Received: trace{part.key}._fields="
            f"{(*part.fields, 'mask')}, cell={getattr(part.origin, 'cell', None)!r}"
        )
    name, values = found
    if values.min() < 0 or values.max() > 1:
        raise ValueError(
            f"`trace{part.key}` must have values from 0 to 1 in the gate {name!r}, as a sigmoid "
            f"gives them; with others there is no half-life. "
            f"Received: min={values.min():.4g}, max={values.max():.4g}"
        )
    gate = f"the {name} gate" if name.isidentifier() else f"{name} (gate)"
    return gate, statistics.half_lives(statistics.log_retention(values).mean(axis=0))


def _draw_lives(axes: Axes, lives: np.ndarray, longest: int) -> None:
    style_axes(axes)
    order = np.argsort(-lives, kind="stable")
    values, places = lives[order], np.arange(len(lives))
    low, high = _limits(lives, longest)
    few = len(lives) <= _MOST_NAMES
    if few:
        axes.vlines(places, low, np.clip(values, low, high), color=BLUE, linewidth=1.2, alpha=0.5)
        size = 8 if len(lives) <= _MOST_NAMES / 2 else 6.5
        axes.set_xticks(places, [str(unit) for unit in order], fontsize=size)
    for shape, chosen in (
        ("o", (values >= low) & (values <= high)),
        ("^", values > high),
        ("v", values < low),
    ):
        if chosen.any():
            heights = np.clip(values[chosen], low, high)
            axes.plot(places[chosen], heights, shape, markersize=5 if few else 2.5, **_DOTS)
    _draw_level(axes, longest, f"longest sequence: {longest} steps", INK, ":")
    middle = float(np.median(lives))
    if low <= middle <= high:
        _draw_level(axes, middle, f"median: {middle:.3g} steps", VERMILION, "--")
    axes.set_ylim(low, high)
    scale_logarithmically(axes)
    axes.set_xlim(-0.8, len(lives) - 0.2)
    name_axis(axes, "unit" if few else "units, sorted", "half-life in steps")


def _draw_level(axes: Axes, level: float, text: str, color: str, pattern: str) -> None:
    """A line across the panel, with its meaning at the right, where the short memories are."""
    axes.axhline(level, color=color, linewidth=1.0, linestyle=pattern, zorder=2)
    axes.annotate(
        text,
        (1.0, level),
        xycoords=axes.get_yaxis_transform(),
        xytext=(0, 2),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=7.5,
        color=INK,
    )


def _limits(lives: np.ndarray, longest: int) -> tuple[float, float]:
    """From below the shortest half-life to above the longest one, but not endlessly."""
    finite = lives[np.isfinite(lives) & (lives > 0)]
    least, most = (finite.min(), finite.max()) if len(finite) else (1.0, 1.0)
    low = max(_SHORTEST, min(least, 1.0) / 1.5)
    return float(low), float(min(_BEYOND * longest, 3 * max(most, longest)))
