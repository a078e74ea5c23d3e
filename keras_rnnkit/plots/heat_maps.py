"""Every gate and state of one sequence, step by step, as heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_rnnkit.plots.figures import INK, SPINE, new_figure, require_matplotlib, save_figure
from keras_rnnkit.plots.paths import PathLike, check_file
from keras_rnnkit.plots.samples import Kind, Sample, group_by_kind, read_sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_MEANINGS = {
    "input": "how much of the candidate is written to the cell",
    "forget": "how much of the cell is kept",
    "output": "how much of the cell is shown",
    "update": "how much of the old state is kept",
    "reset": "how much of the old state the candidate sees",
    "candidate": "the new content on offer",
    "hidden": "the state that is passed on",
    "cell": "the memory",
}
_COLOR_MAPS = {Kind.GATE: "viridis", Kind.BOUNDED: "RdBu_r", Kind.UNBOUNDED: "PuOr_r"}
_LONGEST_TOKEN = 14
_MOST_NUMBERS = 25


def gates(
    trace: Any,
    tokens: Sequence[str] | None = None,
    *,
    sample: int = 0,
    path: PathLike | None = None,
    overwrite: bool = True,
    title: str | None = None,
) -> Figure:
    """Draw every gate and state of one sample as heat maps, time to the right, units downwards.

    Gates go from 0, closed, to 1, open. Candidates and hidden states lie between -1 and 1, the
    cell anywhere: their colours turn at 0. A field that leaves the range of its kind (a `relu`
    candidate, say) is drawn with the unbounded ones. Masked steps are left out.

    Args:
        trace: A trace of a layer: a NamedTuple of arrays or tensors `(batch, time, units)`,
            with `mask`, `(batch, time)` or None, as its last field.
        tokens: The word at each step, as many as there are steps, masked ones included.
            Steps are numbered from 0 without it.
        sample: Which sequence of the batch to draw.
        path: Where to save the picture; must end in `.png`. Missing folders are made.
        overwrite: Whether a file at `path` is replaced; False keeps it and raises.
        title: A title above all panels.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: `trace` is not a trace.
        ValueError: Shapes do not fit, `tokens` has a wrong length, every step is masked, or
            `path` has a wrong suffix.
        IndexError: `sample` is out of range.
        FileExistsError: `path` exists and `overwrite` is False.
        OSError: `path` cannot be written.

    Example:

    >>> import numpy as np
    >>> from typing import NamedTuple
    >>> from keras_rnnkit import plots
    >>> class Trace(NamedTuple):
    ...     update: np.ndarray
    ...     hidden: np.ndarray
    ...     mask: np.ndarray
    >>> trace = Trace(np.full((1, 3, 4), 0.5), np.zeros((1, 3, 4)), np.ones((1, 3), bool))
    >>> figure = plots.gates(trace, tokens=["a", "fine", "film"])
    >>> figure.axes[0].get_title(loc="left")
    'update: how much of the old state is kept'
    """
    require_matplotlib("plots.gates")
    target = None if path is None else check_file(path, "path", ".png", overwrite)
    figure = _draw(read_sample(trace, tokens, sample))
    if title:
        figure.suptitle(title, fontsize=12, color=INK, parse_math=False)
    if target:
        save_figure(figure, target)
    return figure


def _draw(sample: Sample) -> Figure:
    steps, units = next(iter(sample.fields.values())).shape
    width = float(np.clip(0.27 * steps + 2.0, 6.5, 22.0))
    panel = float(np.clip(0.085 * units, 0.75, 2.2))
    figure = new_figure(width, len(sample.fields) * (panel + 0.35) + 1.2)
    panels: np.ndarray = figure.subplots(len(sample.fields), 1, sharex=True, squeeze=False)[:, 0]
    remaining = iter(panels)
    for kind, names in group_by_kind(sample.fields).items():
        rows = [next(remaining) for _ in names]
        _draw_kind(figure, rows, kind, {name: sample.fields[name] for name in names})
    label = _number_steps if sample.numbered else _name_steps
    label(panels[-1], sample.labels)
    return figure


def _draw_kind(figure: Figure, rows: list[Axes], kind: Kind, fields: dict[str, np.ndarray]) -> None:
    """The panels of one kind share their colours, and so one colour bar."""
    reach = max(float(np.abs(values).max()) for values in fields.values())
    high = reach if kind is Kind.UNBOUNDED and reach > 0 else 1.0
    low = 0.0 if kind is Kind.GATE else -high
    for axes, (name, values) in zip(rows, fields.items(), strict=True):
        image = _draw_field(axes, name, values, _COLOR_MAPS[kind], (low, high))
    bar = figure.colorbar(image, ax=rows, pad=0.015, fraction=0.05, aspect=10 * len(rows))
    ticks = [low, (low + high) / 2, high]
    bar.set_ticks(ticks, labels=[f"{tick:.2g}" for tick in ticks])
    bar.ax.tick_params(labelsize=8, labelcolor=INK, color=SPINE)
    bar.outline.set_visible(False)


def _draw_field(
    axes: Axes, name: str, values: np.ndarray, colors: str, limits: tuple[float, float]
) -> AxesImage:
    from matplotlib.ticker import MaxNLocator

    meaning = _MEANINGS.get(name)
    axes.set_title(f"{name}: {meaning}" if meaning else name, loc="left", fontsize=9.5, color=INK)
    axes.set_ylabel("unit", fontsize=8.5, color=INK)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, min_n_ticks=1))
    axes.tick_params(labelsize=8, color=SPINE, labelcolor=INK, bottom=False)
    axes.spines[:].set_visible(False)
    return axes.imshow(
        values.T,
        aspect="auto",
        interpolation="nearest",
        cmap=colors,
        vmin=limits[0],
        vmax=limits[1],
    )


def _number_steps(axes: Axes, labels: list[str]) -> None:
    every = -(-len(labels) // _MOST_NUMBERS)
    axes.tick_params(bottom=True)
    axes.set_xticks(range(0, len(labels), every), labels[::every], fontsize=8)
    axes.set_xlabel("step", fontsize=9, color=INK)


def _name_steps(axes: Axes, tokens: list[str]) -> None:
    axes.tick_params(bottom=True)
    axes.set_xticks(
        range(len(tokens)),
        [_shorten(token) for token in tokens],
        rotation=60,
        ha="right",
        rotation_mode="anchor",
        fontsize=9,
        parse_math=False,
    )


def _shorten(token: str) -> str:
    """One line, and no longer than leaves the picture its room."""
    line = " ".join(token.split())
    return line if len(line) <= _LONGEST_TOKEN else line[: _LONGEST_TOKEN - 1] + "…"
