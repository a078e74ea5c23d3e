"""The states of one sequence over time, a line for each important unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_rnnkit._checks import PathLike, is_integer
from keras_rnnkit.plots.canvas import (
    check_target,
    make_canvas,
    name_axis,
    name_panel,
    step_width,
    time_width,
)
from keras_rnnkit.plots.choices import Units, chosen_fields, chosen_units
from keras_rnnkit.plots.figures import GRID, LINES, SPINE, style_axes, style_legend
from keras_rnnkit.plots.kinds import Kind, kind_of
from keras_rnnkit.plots.panels import MEANINGS
from keras_rnnkit.plots.samples import PartSample, Sample, read_sample
from keras_rnnkit.plots.words import label_steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL, _WORDS = 1.75, 1.0  # heights in inches
_MOST_PANELS, _DEFAULT_UNITS = 6, 5
_STATES = ("hidden", "cell")


def states(
    trace: Any,
    tokens: Sequence[str] | None = None,
    *,
    sample: int = 0,
    fields: str | Iterable[str] | None = None,
    units: Units = None,
    ax: Any = None,
    title: str | None = None,
    path: PathLike | None = None,
    overwrite: bool = True,
) -> Figure:
    """Draw the states of one sample over time, a line for each of the most important units.

    Each state has a panel. Its lines are the units whose hidden state varies most, and the grey
    band contains the middle 90 % of all units at each step. The lines have different patterns, so
    that they can be told apart without colours. Masked steps are left out.

    Args:
        trace: A trace of a layer: a NamedTuple of arrays or tensors `(batch, time, units)`,
            with `mask`, `(batch, time)` or None, as its last field. Or a `BidirectionalTrace`, a
            dictionary of traces, the tuple of an `RNN` around several cells, whose parts are drawn
            one below the other.
        tokens: A word for each step, masked steps included. Without it, steps are numbered from 0.
        sample: Which sequence of the batch to draw.
        fields: Names of the fields to draw, or one name. By default the states: `hidden`, `cell`
            and `state_0`, `state_1` and so on; of a trace without those, all fields that are not
            between 0 and 1.
        units: Which units to draw as lines: a list of their numbers, or how many of the most
            important, 8 at most; 5 by default.
        ax: Where to draw: None for a new figure, or a matplotlib `Axes`, or a list of them, one
            for each panel.
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
        ValueError: Shapes do not fit, `tokens` has a wrong length, every step is masked, `fields`
            or `units` do not exist, there are more than 6 panels to draw, `ax` has another number
            of axes than there are panels, or `path` has a wrong suffix.
        IndexError: `sample` is out of range.
        FileExistsError: `path` exists and `overwrite` is False.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> trace = kit.LSTM(32).trace(np.ones((1, 3, 4), "float32"))
    >>> figure = kit.plots.states(trace, ["a", "fine", "film"], units=[3, 7])
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['hidden: the state that is output', 'cell: the cell state']
    """
    target = check_target("plots.states", path, overwrite)
    data = read_sample(trace, tokens, sample)
    panels = [(part, name) for part in data.parts for name in _fields(part, fields)]
    if len(panels) > _MOST_PANELS:
        raise ValueError(
            f"`fields` must be chosen for this trace: it has {len(panels)} states in "
            f"{len(data.parts)} parts, and a picture shows at most {_MOST_PANELS}. Draw a part "
            f"alone: {' or '.join('trace' + part.key for part in data.parts)}. "
            f"Received: fields={fields!r}"
        )
    chosen = [
        chosen_units(part, [name], _limited(units), _DEFAULT_UNITS, None)[name]
        for part, name in panels
    ]
    size = (time_width(data.labels), _PANEL * len(panels) + _WORDS)
    canvas = make_canvas(ax, size, rows=len(panels), sharex=True)
    for axes, (part, name), numbers in zip(canvas.panels, panels, chosen, strict=True):
        _draw_state(axes, part, name, numbers)
    _label(canvas.panels, data)
    return canvas.finish(title, target)


def _fields(part: PartSample, fields: Any) -> list[str]:
    if fields is not None:
        return chosen_fields(part, fields)
    names = [name for name in part.fields if name in _STATES or name.startswith("state_")]
    wide = [name for name, values in part.fields.items() if kind_of(name, values) != Kind.GATE]
    return names or wide or list(part.fields)


def _limited(units: Units) -> Units:
    """At most as many units as there are patterns of lines; what else is wrong is found later."""
    wanted = list(units) if isinstance(units, Iterable) else units
    count: Any = len(wanted) if isinstance(wanted, list) else wanted
    if is_integer(count) and count > len(LINES):
        raise ValueError(
            f"`units` must be at most {len(LINES)} units, a line for each. "
            f"Received: units={units!r}"
        )
    return wanted


def _draw_state(axes: Axes, part: PartSample, name: str, numbers: list[int]) -> None:
    style_axes(axes)
    values = part.fields[name]
    places = np.arange(len(values))
    low, high = np.percentile(values, [5, 95], axis=1)
    if values.shape[1] > 1:
        label = f"90 % of {values.shape[1]} units"
        axes.fill_between(places, low, high, color=GRID, linewidth=0, label=label)
    axes.axhline(0, color=SPINE, linewidth=0.8)
    for style, unit in zip(LINES, numbers, strict=False):
        axes.plot(places, values[:, unit], label=f"unit {unit}", **style)
        if len(values) == 1:
            axes.lines[-1].set_marker("o")
    meaning = MEANINGS.get(name)
    name_panel(axes, part.title, f"{name}: {meaning}" if meaning else name)
    axes.margins(x=0.01, y=0.08)
    style_legend(axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=2.6))


def _label(panels: list[Axes], data: Sample) -> None:
    """The words below the last panel; the panels above it have their places, without words."""
    last = data.parts[-1].fields
    values = last.get("hidden", list(last.values())[-1])
    changes = np.abs(np.diff(values, axis=0, prepend=values[:1])).sum(axis=1)
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
    width = step_width(panels[-1], len(data.labels))
    label_steps(panels[-1], data.labels, data.numbered, changes, width)
    for axes in panels:
        name_axis(axes, y="value")
