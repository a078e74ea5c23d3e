"""Every gate and state of one sequence, step by step, as heat maps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_rnnkit._checks import PathLike, check_file
from keras_rnnkit.plots.choices import Units, chosen_fields, chosen_units
from keras_rnnkit.plots.figures import INK, new_figure, require_matplotlib, save_figure
from keras_rnnkit.plots.heads import prediction
from keras_rnnkit.plots.panels import Panel, draw_field, draw_prediction, rows_of
from keras_rnnkit.plots.samples import Sample, read_sample
from keras_rnnkit.plots.words import name_steps, number_steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# All in inches; a picture has 150 dots an inch.
_HIGHEST, _WIDEST = 10.6, 13.0
_TITLE, _HEADLINE, _WORDS, _PREDICTION, _MARGIN = 0.29, 0.35, 0.95, 0.85, 0.16
_BESIDE = 1.35  # labels and colour bars
_ROW, _LEAST_PANEL = 0.13, 0.35
_MOST_UNITS, _FEWEST_UNITS = 12, 3
_MOST_PANELS = 15


def gates(
    trace: Any,
    tokens: Sequence[str] | None = None,
    *,
    sample: int = 0,
    fields: str | Iterable[str] | None = None,
    units: Units = None,
    head: Callable[[Any], Any] | None = None,
    path: PathLike | None = None,
    overwrite: bool = True,
    title: str | None = None,
) -> Figure:
    """Draw gates and states of one sample as heat maps: a column per step, a row per unit.

    The top row of a panel is the mean over all units; below it are the most important units, in
    order of importance. In the panels of gates, dark means closed and yellow means open. States and
    candidates have a diverging colour map centred at 0, and their top row is the mean of the
    absolute values. Each panel has its own scale, from the 1st to the 99th percentile of its
    values, rounded outwards. A field with values outside its usual range (a `relu` candidate, for
    example) is drawn like an unbounded one. Masked steps are left out. A picture is at most 1,600
    pixels high.

    The importance of a unit is the standard deviation of its hidden state over the steps. With a
    `head`, it is the change of the prediction when the unit is replaced by its mean over the steps,
    averaged over the steps.

    Args:
        trace: A trace of a layer: a NamedTuple of arrays or tensors `(batch, time, units)`,
            with `mask`, `(batch, time)` or None, as its last field. Or a `BidirectionalTrace`, the
            dictionary of a `StackedRNN`, the tuple of an `RNN` around several cells, whose parts
            are drawn one below the other.
        tokens: A word for each step, masked steps included. Without it, steps are numbered from 0.
            If there is not enough room for all words, those at which the prediction (without a
            `head`, the hidden state) changes most are written.
        sample: Which sequence of the batch to draw.
        fields: Names of the fields to draw, in this order, or one name. All by default, gates
            first.
        units: Which units to draw: a list of their numbers, or how many of the most important. By
            default as many as fit into the picture, at most 12.
        head: A layer, a model or a function from hidden states `(steps, units)`, a float32 array,
            to predictions `(steps,)` or `(steps, classes)`: the `Dense` after the layer. Its value
            at each step, the prediction so far, is drawn below the panels. In a stack its input is
            the hidden state of the last layer.
        path: Where to save the picture; must end in `.png`. Missing folders are created.
        overwrite: Whether an existing file at `path` is replaced; if False, it is kept and an error
            is raised.
        title: A title above all panels.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook displays if it is the result of a cell.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: `trace` is not a trace (the message says how a list from a reloaded model
            becomes one), or `head` cannot be called.
        ValueError: Shapes do not fit, `tokens` has a wrong length, every step is masked, `fields`
            or `units` do not exist, there are more than 15 panels to draw, `head`
            does not return one prediction a step, or `path` has a wrong suffix.
        IndexError: `sample` is out of range.
        FileExistsError: `path` exists and `overwrite` is False.
        OSError: `path` cannot be written.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> layer = kit.GRU(32)
    >>> trace = layer.trace(np.ones((1, 3, 4), "float32"))
    >>> figure = kit.plots.gates(trace, ["a", "fine", "film"], fields=["update", "hidden"], units=8)
    >>> figure.axes[0].get_title(loc="left")
    'update: how much of the old state is kept'
    """
    require_matplotlib("plots.gates")
    target = None if path is None else check_file(path, "path", ".png", overwrite)
    data = read_sample(trace, tokens, sample)
    panels, line = _choose(data, fields, units, head)
    figure = _draw(data, panels, line, title)
    if target:
        save_figure(figure, target)
    return figure


def _choose(
    sample: Sample, fields: Any, units: Units, head: Callable[[Any], Any] | None
) -> tuple[list[Panel], np.ndarray | None]:
    """The panels to draw, and the prediction at each step."""
    names = [chosen_fields(part, fields) for part in sample.parts]
    count = sum(map(len, names))
    if count > _MOST_PANELS:
        raise ValueError(
            f"`fields` must be chosen for this trace: it has {count} fields in "
            f"{len(sample.parts)} parts, and a picture shows at most {_MOST_PANELS}. Pass for "
            f"example fields={names[0][-1:]}, or draw a part alone: "
            f"{' or '.join('trace' + part.key for part in sample.parts)}. "
            f"Received: fields={fields!r}"
        )
    default = _default_units(count, head is not None)
    reader = _part_of_head(sample, head) if head else None
    panels = []
    for index, (part, chosen) in enumerate(zip(sample.parts, names, strict=True)):
        rows = chosen_units(part, chosen, units, default, head if index == reader else None)
        panels += [Panel(name, part.title, part.fields[name], rows[name]) for name in chosen]
    hidden = None if reader is None else sample.parts[reader].fields["hidden"]
    return panels, None if hidden is None or head is None else prediction(head, hidden)


def _part_of_head(sample: Sample, head: Callable[[Any], Any]) -> int:
    """The part whose hidden state is the input of the head: the last layer of a stack."""
    last = len(sample.parts) - 1
    part = sample.parts[last]
    if part.key.endswith(".backward"):
        forward = sample.parts[last - 1].key
        raise ValueError(
            "`head` reads the hidden state of one direction, and `trace` has two. Draw one of "
            f"them: plots.gates(trace{forward}, head=...) or "
            f"plots.gates(trace{part.key}, head=...). Received: head={head!r}"
        )
    if "hidden" not in part.fields:
        raise ValueError(
            f"`head` reads the field `hidden`, which `trace{part.key}` does not have. "
            f"Received: trace{part.key}._fields={(*part.fields, 'mask')}"
        )
    return last


def _room(panels: int, predicted: bool) -> float:
    """The height of each panel in a picture of the maximal height, without their titles."""
    taken = _WORDS + _MARGIN + _HEADLINE + predicted * (_PREDICTION + _TITLE)
    return (_HIGHEST - taken) / panels - _TITLE


def _default_units(panels: int, predicted: bool) -> int:
    """As many units as there is room for with their numbers."""
    fitting = [n for n in range(1, _MOST_UNITS + 1) if rows_of(n) * 0.1 <= _room(panels, predicted)]
    return max([_FEWEST_UNITS, *fitting])


def _draw(
    sample: Sample, panels: list[Panel], line: np.ndarray | None, title: str | None
) -> Figure:
    predicted = line is not None
    steps = len(sample.labels)
    width = float(np.clip(0.27 * steps + _BESIDE, 7.0, _WIDEST))
    room = _room(len(panels), predicted)
    heights = [
        float(np.clip(_ROW * rows_of(len(panel.units)), min(_LEAST_PANEL, room), room))
        for panel in panels
    ]
    ratios = heights + [_PREDICTION] * predicted
    high = sum(ratios) + len(ratios) * _TITLE + _WORDS + _MARGIN + bool(title) * _HEADLINE
    figure = new_figure(width, high)
    axes = figure.subplots(
        len(ratios), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": ratios}
    )[:, 0]
    if line is not None:
        draw_prediction(axes[-1], line)
    for one, panel, height in zip(axes, panels, heights, strict=False):
        draw_field(figure, one, panel, height / rows_of(len(panel.units)))
    figure.align_ylabels()
    axes[-1].tick_params(bottom=True, labelbottom=True)
    if sample.numbered:
        number_steps(axes[-1], sample.labels)
    else:
        name_steps(axes[-1], sample.labels, _changes(sample, line), (width - _BESIDE) / steps)
    if title:
        figure.suptitle(title, fontsize=12, color=INK, parse_math=False)
    return figure


def _changes(sample: Sample, line: np.ndarray | None) -> np.ndarray:
    """How much each step changes the prediction, or else the state."""
    fields = sample.parts[-1].fields
    values = fields.get("hidden", list(fields.values())[-1]) if line is None else line
    return np.abs(np.diff(values, axis=0, prepend=values[:1])).sum(axis=1)
