"""Two models on one review: the same gates and states, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_rnnkit._checks import PathLike
from keras_rnnkit.plots.canvas import (
    check_target,
    make_canvas,
    name_axis,
    name_panel,
    step_width,
    time_width,
)
from keras_rnnkit.plots.choices import chosen_fields
from keras_rnnkit.plots.figures import BLUE, GRID, ORANGE, style_axes, style_legend
from keras_rnnkit.plots.kinds import Kind, kind_of
from keras_rnnkit.plots.samples import PartSample, Sample, read_sample
from keras_rnnkit.plots.words import label_steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL, _WORDS, _MOST_PANELS = 1.25, 1.0, 12
_STYLES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "-", "linewidth": 1.5},
    {"color": ORANGE, "linestyle": (0, (5, 1.5)), "linewidth": 1.8},
)


def compare(
    first: Any,
    second: Any,
    tokens: Sequence[str] | None = None,
    *,
    sample: int = 0,
    fields: str | Iterable[str] | None = None,
    names: Sequence[str] = ("first", "second"),
    ax: Any = None,
    title: str | None = None,
    path: PathLike | None = None,
    overwrite: bool = True,
) -> Figure:
    """Draw two models on one review: the means over the units of the same gates and states.

    Each field that both traces have has a panel with two lines: the mean of a gate over all units,
    of a field with two signs the mean of the absolute values. The space between the lines is grey.
    Means are compared, and not single units, because unit 3 of one model has nothing to do with
    unit 3 of another.

    Args:
        first: A trace of the first model: a NamedTuple of arrays or tensors `(batch, time, units)`,
            with `mask`, `(batch, time)` or None, as its last field. Or a `BidirectionalTrace`, a
            dictionary of traces, the tuple of an `RNN` around several cells.
        second: A trace of the second model, with as many parts, of the same sequences. The part at
            a place is compared with the other trace's part at that place.
        tokens: A word for each step, masked steps included. Without it, steps are numbered from 0.
        sample: Which sequence of the batches to draw.
        fields: Names of the fields to draw, or one name. By default all that both have, gates
            first.
        names: What the two models are called in the legend.
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
        TypeError: `first` or `second` is not a trace, or `ax` is not a matplotlib `Axes`.
        ValueError: The traces have different numbers of parts or different valid steps, or no
            field in common, `fields` do not exist, `tokens` has a wrong length, `names` are not
            two, there are more than 12 panels to draw, `ax` has another number of axes than there
            are panels, or `path` has a wrong suffix.
        IndexError: `sample` is out of range.
        FileExistsError: `path` exists and `overwrite` is False.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> x = np.ones((1, 3, 4), "float32")
    >>> lstm, gru = kit.LSTM(8).trace(x), kit.GRU(16).trace(x)
    >>> figure = kit.plots.compare(lstm, gru, ["a", "fine", "film"], names=("LSTM", "GRU"))
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['candidate: mean |x|', 'hidden: mean |x|']
    """
    target = check_target("plots.compare", path, overwrite)
    if isinstance(names, str) or len(names) != 2:
        raise ValueError(f"`names` must be two names. Received: names={names!r}")
    both = [
        read_sample(trace, tokens, sample, argument)
        for argument, trace in (("first", first), ("second", second))
    ]
    panels = _panels(both, fields)
    labels = both[0].labels
    size = (time_width(labels, 0.9), _PANEL * len(panels) + _WORDS)
    canvas = make_canvas(ax, size, rows=len(panels), sharex=True)
    for axes, (one, other, name) in zip(canvas.panels, panels, strict=True):
        _draw_field(axes, one, other, name, names)
    legend = canvas.panels[0].legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.1, handlelength=2.6
    )
    style_legend(legend)
    _label(canvas.panels, both[0], panels)
    return canvas.finish(title, target)


_Panel = tuple[PartSample, PartSample, str]


def _panels(both: list[Sample], fields: Any) -> list[_Panel]:
    first, second = both
    if len(first.parts) != len(second.parts):
        raise ValueError(
            "`first` and `second` must have the same number of parts (layers and directions); "
            "choose a layer of each. "
            f"Received: parts={len(first.parts)} in first, parts={len(second.parts)} in second"
        )
    if first.labels != second.labels:
        raise ValueError(
            "`first` and `second` must be traces of the same review, with the same valid steps. "
            f"Received: steps={len(first.labels)} in first, steps={len(second.labels)} in second"
        )
    panels = [
        (one, other, name)
        for one, other in zip(first.parts, second.parts, strict=True)
        for name in _common(one, other, fields)
    ]
    if len(panels) > _MOST_PANELS:
        raise ValueError(
            f"`fields` must be chosen for these traces: they have {len(panels)} fields in common, "
            f"and a picture shows at most {_MOST_PANELS}. Received: fields={fields!r}"
        )
    return panels


def _common(one: PartSample, other: PartSample, fields: Any) -> list[str]:
    shared = {name: values for name, values in one.fields.items() if name in other.fields}
    if not shared:
        raise ValueError(
            "`first` and `second` must have a field in common. "
            f"Received: first{one.key}._fields={list(one.fields)}, "
            f"second{other.key}._fields={list(other.fields)}"
        )
    return chosen_fields(PartSample(one.title, one.key, shared), fields)


def _signed(one: PartSample, other: PartSample, name: str) -> bool:
    return any(kind_of(name, part.fields[name]) is not Kind.GATE for part in (one, other))


def _means(one: PartSample, other: PartSample, name: str) -> list[np.ndarray]:
    signed = _signed(one, other, name)
    values = [part.fields[name] for part in (one, other)]
    return [(np.abs(value) if signed else value).mean(axis=1) for value in values]


def _draw_field(
    axes: Axes, one: PartSample, other: PartSample, name: str, names: Sequence[str]
) -> None:
    style_axes(axes)
    means = _means(one, other, name)
    places = np.arange(len(means[0]))
    axes.fill_between(places, means[0], means[1], color=GRID, linewidth=0)
    marker = "o" if len(places) == 1 else ""
    for style, mean, label in zip(_STYLES, means, names, strict=True):
        axes.plot(places, mean, label=str(label), marker=marker, **style)
    part = one.title if one.title == other.title else f"{one.title} / {other.title}"
    what = "mean |x|" if _signed(one, other, name) else "mean"
    name_panel(axes, part, f"{name}: {what}")
    axes.margins(x=0.01, y=0.1)


def _label(panels: list[Axes], data: Sample, drawn: list[_Panel]) -> None:
    """The words below the last panel; without room for all, where the models differ most."""
    differences = [np.abs(np.subtract(*_means(*panel))) for panel in drawn]
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
    last = panels[-1]
    width = step_width(last, len(data.labels))
    label_steps(last, data.labels, data.numbered, np.sum(differences, axis=0), width)
    if not data.numbered:
        name_axis(last, x="")
