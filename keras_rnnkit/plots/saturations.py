"""How often each unit's gates are closed and open (Karpathy et al., 2015)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_rnnkit import _gate_statistics as statistics
from keras_rnnkit._checks import PathLike
from keras_rnnkit.plots.canvas import check_target, make_canvas, name_axis, name_panel
from keras_rnnkit.plots.choices import chosen_fields
from keras_rnnkit.plots.figures import BLUE, INK, SPINE, style_axes
from keras_rnnkit.plots.kinds import Kind, kind_of
from keras_rnnkit.plots.samples import PartSample
from keras_rnnkit.plots.valid_steps import ValidSteps, read_valid_steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDE, _MOST_PANELS, _MOST_COLUMNS = 2.9, 15, 4
_MOST_NAMES, _APART, _HIGH = 12, 0.07, 0.93
_Panel = tuple[ValidSteps, str]


def saturation(
    trace: Any,
    *,
    fields: str | Iterable[str] | None = None,
    low: float = statistics.CLOSED,
    high: float = statistics.OPEN,
    ax: Any = None,
    title: str | None = None,
    path: PathLike | None = None,
    overwrite: bool = True,
) -> Figure:
    """Draw how often each unit's gates are saturated (Karpathy et al., 2015).

    Each gate has a panel, and each unit is a dot in it: to the right the fraction of steps at which
    the gate is open (right-saturated, above `high`), upwards the fraction at which it is closed
    (left-saturated, below `low`). A unit near the origin uses the gate by degrees; on the diagonal
    line, it uses it as a switch; at its lower end, the gate is always open. All valid steps of all
    sequences count. The numbers of the most saturated units are beside their dots.

    Args:
        trace: A trace of a layer: a NamedTuple of arrays or tensors `(batch, time, units)`,
            with `mask`, `(batch, time)` or None, as its last field. Or a `BidirectionalTrace`, a
            dictionary of traces, the tuple of an `RNN` around several cells: their gates are
            drawn in the same picture.
        fields: Names of the gates to draw, or one name. By default all whose values are between
            0 and 1.
        low: Below it a gate is closed.
        high: Above it a gate is open.
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
        ValueError: Shapes do not fit, every step is masked, `fields` do not exist, no field is a
            gate, there are more than 15 panels to draw, not `0 <= low <= high <= 1`, `ax` has
            another number of axes than there are panels, or `path` has a wrong suffix.
        FileExistsError: `path` exists and `overwrite` is False.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> trace = kit.LSTM(32).trace(np.ones((1, 3, 4), "float32"))
    >>> figure = kit.plots.saturation(trace)
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['input', 'forget', 'output']
    """
    target = check_target("plots.saturation", path, overwrite)
    _check_limits(low, high)
    parts = read_valid_steps(trace)
    panels = [(part, name) for part in parts for name in _gates(part, fields)]
    _check_count(panels, fields)
    columns = _columns(panels, len(parts))
    rows = -(-len(panels) // columns)
    size = (_SIDE * columns + 0.3, _SIDE * rows + 0.1)
    canvas = make_canvas(ax, size, rows, columns, len(panels))
    for axes, (part, name) in zip(canvas.panels, panels, strict=True):
        fractions = statistics.saturation(part.fields[name], low, high)
        _draw_units(axes, fractions)
        name_panel(axes, part.title, name)
        name_axis(axes, f"fraction of steps above {high:g}", f"fraction of steps below {low:g}")
    return canvas.finish(title, target)


def _gates(part: ValidSteps, fields: Any) -> list[str]:
    if fields is not None:
        return chosen_fields(PartSample(part.title, part.key, part.fields), fields)
    states = ("hidden", "cell", "candidate")
    return [
        name
        for name, values in part.fields.items()
        if name not in states
        and not name.startswith("state_")
        and kind_of(name, values) is Kind.GATE
    ]


def _check_limits(low: float, high: float) -> None:
    if not 0 <= low <= high <= 1:
        raise ValueError(
            "`low` and `high` must be from 0 to 1, `low` not above `high`. "
            f"Received: low={low!r}, high={high!r}"
        )


def _check_count(panels: list[_Panel], fields: Any) -> None:
    if not panels:
        raise ValueError(
            "`trace` must have a gate, a field with values from 0 to 1: a SimpleRNN has none. "
            "Pass `fields=` to draw other fields. "
            f"Received: fields={fields!r}"
        )
    if len(panels) > _MOST_PANELS:
        raise ValueError(
            f"`fields` must be chosen for this trace: it has {len(panels)} gates, and a picture "
            f"shows at most {_MOST_PANELS}. Pass for example fields={panels[0][1]!r}, or draw a "
            f"part alone: trace{panels[0][0].key}. Received: fields={fields!r}"
        )


def _columns(panels: list[_Panel], parts: int) -> int:
    """A row for each part, where all parts have the same number of gates and that fits."""
    each = len(panels) // parts
    names = [name for _, name in panels]
    if parts > 1 and names == names[:each] * parts and each <= _MOST_COLUMNS:
        return each
    return min(len(panels), _MOST_COLUMNS)


def _draw_units(axes: Axes, fractions: np.ndarray) -> None:
    closed, opened = fractions
    style_axes(axes)
    axes.plot([0, 1], [1, 0], color=SPINE, linewidth=0.8, zorder=1)
    strength = float(np.clip(6 / np.sqrt(len(closed)), 0.35, 0.9))
    size = 26 if len(closed) <= 64 else 14
    axes.scatter(
        opened, closed, s=size, color=BLUE, alpha=strength, linewidth=0, clip_on=False, zorder=3
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    text = (
        f"{len(closed)} units, on average\n{opened.mean():.0%} of steps open\n"
        f"{closed.mean():.0%} of steps closed"
    )
    axes.text(
        0.99, 0.99, text, ha="right", va="top", fontsize=7.5, color=INK, transform=axes.transAxes
    )
    for unit in _named(fractions):
        axes.annotate(
            str(unit),
            (opened[unit], closed[unit]),
            xytext=(4, 3 if closed[unit] < _HIGH else -9),
            textcoords="offset points",
            fontsize=7,
            color=INK,
        )


def _named(fractions: np.ndarray) -> list[int]:
    """The most saturated units whose numbers do not cover each other."""
    chosen: list[int] = []
    for unit in np.argsort(-fractions.sum(axis=0), kind="stable"):
        gaps = np.abs(fractions[:, chosen] - fractions[:, [unit]])
        apart = (gaps > [[_APART], [1.6 * _APART]]).any(axis=0).all()
        if apart and len(chosen) < _MOST_NAMES:
            chosen.append(int(unit))
    return chosen
