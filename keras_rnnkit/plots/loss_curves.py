"""Training and validation loss by epoch, one panel for each model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_rnnkit._checks import PathLike, check_file
from keras_rnnkit.plots.curves import LossCurves, Points, read_named
from keras_rnnkit.plots.figures import (
    BLUE,
    INK,
    ORANGE,
    SKY_BLUE,
    VERMILION,
    new_figure,
    require_matplotlib,
    save_figure,
    style_axes,
)
from keras_rnnkit.plots.labels import place_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_WIDTH, PANEL_HEIGHT = 4.2, 3.0
_LABELS = ["training", "validation", "best epoch", "training, published", "validation, published"]


def history(
    histories: Any,
    *,
    published: Mapping[str, Any] | None = None,
    title: str | None = None,
    path: PathLike | None = None,
    overwrite: bool = True,
) -> Figure:
    """Draw the training and validation loss of one or several runs.

    Each run has a panel of its own; all panels have the same loss axis.
    The epoch of the lowest validation loss is marked (of the lowest training loss, when there
    was no validation). No window opens, and matplotlib's global state does not change.

    Args:
        histories: What `model.fit()` returned, or a dictionary of lists
            (`{"loss": [...], "val_loss": [...]}`), or the path of a `log.csv` that
            `callbacks.standard` or `keras.callbacks.CSVLogger` wrote, or a mapping from the names
            of the runs to any of these. A dictionary may have `"epoch"`, the number of each epoch,
            counted from 1; None or NaN where nothing was measured.
        published: Losses to compare with, in the same form as `histories` and with the same
            names (some may be missing), drawn dashed.
        title: A title above all panels.
        path: Where to save the picture; must end in `.png`. Missing folders are created.
        overwrite: Whether an existing file at `path` is replaced; if False, it is kept and an error
            is raised.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook displays if it is the result of a cell.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: There is nothing to draw, a file is no log, lengths differ, a published name is
            unknown, or `path` has a wrong suffix.
        FileExistsError: `path` exists and `overwrite` is False.
        OSError: `path` cannot be written, or a log cannot be read.

    Example:

    >>> from keras_rnnkit import plots
    >>> run = {"loss": [0.69, 0.52, 0.41], "val_loss": [0.68, 0.55, 0.57]}
    >>> figure = plots.history({"lstm": run, "gru": run}, title="Two runs")
    >>> [axes.get_title() for axes in figure.axes]
    ['lstm', 'gru']
    """
    require_matplotlib("plots.history")
    target = None if path is None else check_file(path, "path", ".png", overwrite)
    runs = read_named(histories, "histories")
    published_runs = read_named(published, "published") if published else {}
    _check_names(published_runs, runs)
    figure = _draw(runs, published_runs)
    if title:
        figure.suptitle(title, fontsize=13, color=INK, parse_math=False)
    if target:
        save_figure(figure, target)
    return figure


def _check_names(published: dict[str, LossCurves], runs: dict[str, LossCurves]) -> None:
    unknown = sorted(set(published) - set(runs))
    if unknown:
        raise ValueError(
            f"`published` must use the names of `histories`, which are {sorted(runs)}. "
            f"Unknown: {unknown}. Received: sorted(published)={sorted(published)}"
        )


def _draw(runs: dict[str, LossCurves], published: dict[str, LossCurves]) -> Figure:
    columns = len(runs) if len(runs) < 4 else 2 if len(runs) == 4 else 3
    rows = -(-len(runs) // columns)
    figure = new_figure(PANEL_WIDTH * max(columns, 1.4), PANEL_HEIGHT * rows + 0.8)
    shared: Axes | None = None
    for index, (name, run) in enumerate(runs.items()):
        axes = figure.add_subplot(rows, columns, index + 1, sharey=shared)
        shared = shared or axes
        _draw_panel(axes, name, run, published.get(name))
    for axes, run in zip(figure.axes, runs.values(), strict=True):
        _mark_best(axes, run)
    _draw_legend(figure)
    return figure


def _draw_panel(axes: Axes, name: str, run: LossCurves, published: LossCurves | None) -> None:
    from matplotlib.ticker import MaxNLocator

    style_axes(axes)
    if published is not None:
        _draw_line(axes, published.training, "training, published", SKY_BLUE, dashed=True)
        _draw_line(axes, published.validation, "validation, published", ORANGE, dashed=True)
    _draw_line(axes, run.training, "training", BLUE)
    _draw_line(axes, run.validation, "validation", VERMILION)
    axes.set_title(name, fontsize=11, color=INK, parse_math=False)
    axes.set_xlabel("epoch", fontsize=9, color=INK)
    if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        axes.set_ylabel("loss", fontsize=9, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.margins(x=0.03, y=0.08)


def _draw_line(axes: Axes, points: Points, label: str, color: str, dashed: bool = False) -> None:
    if not points[0]:
        return
    axes.plot(
        *points,
        label=label,
        color=color,
        linewidth=1.6 if dashed else 1.9,
        linestyle=(0, (4, 2)) if dashed else "-",
        marker="." if len(points[0]) == 1 else "",
    )


def _mark_best(axes: Axes, run: LossCurves) -> None:
    best = run.best
    if best is None:
        return
    measure = "val_loss" if run.validation[0] else "loss"
    axes.plot(*best, "o", color=INK, markersize=5.5, label="best epoch", zorder=5)
    place_label(axes, best, f"best: epoch {best[0]:.0f}\n{measure} {best[1]:.4f}")


def _draw_legend(figure: Figure) -> None:
    """One legend below all panels, so that it covers no curve."""
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if not handles:
        return
    labels = sorted(handles, key=_LABELS.index)
    figure.legend(
        [handles[label] for label in labels],
        labels,
        loc="outside lower center",
        ncols=min(len(handles), 3 if len(figure.axes) == 1 else 5),
        fontsize=9,
        frameon=False,
        labelcolor=INK,
    )
