"""The kernels of a layer, split by gate: heat maps and histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from keras_rnnkit._checks import PathLike, check_integer
from keras_rnnkit.plots.canvas import check_target, make_canvas, name_axis, name_panel
from keras_rnnkit.plots.figures import BLUE, INK, SPINE, VERMILION, style_axes, style_legend
from keras_rnnkit.plots.gate_kernels import read_kernels
from keras_rnnkit.plots.kinds import Kind, color_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE, _HIGH, _HISTOGRAM = 2.5, 2.1, 1.8  # inches
_MOST_BINS = 40
_ROWS = {"kernel": "input feature", "recurrent_kernel": "hidden unit"}
_STYLES: dict[str, dict[str, Any]] = {
    "kernel": {"color": BLUE, "histtype": "stepfilled", "alpha": 0.45, "linewidth": 0},
    "recurrent_kernel": {"color": VERMILION, "histtype": "step", "linewidth": 1.5},
}
# From dark blue over grey to yellow: two signs that can be told apart in a grey print too.
_COLORS = "cividis"


def weights(
    layer: Any,
    *,
    bins: int | None = None,
    ax: Any = None,
    title: str | None = None,
    path: PathLike | None = None,
    overwrite: bool = True,
) -> Figure:
    """Draw the kernels of a recurrent layer, split by gate, as heat maps and as histograms.

    A column of panels is a gate. The first row shows its block of `kernel`, the weights of the
    inputs, the second row its block of `recurrent_kernel`, the weights of the hidden state, and the
    last one the histograms of both. All heat maps of a row have one scale, from minus to plus the
    99th percentile of the absolute values, and so have all histograms. Dark is negative, light
    positive, grey near zero.

    Args:
        layer: A built recurrent layer of the kit or of `keras.layers` with one cell, or a cell.
        bins: The number of bins of the histograms; None for a number that suits the kernels.
        ax: Where to draw: None for a new figure, or a list of matplotlib `Axes`, one for each
            panel, row by row: as many rows as there are kernels and one more.
        title: A title of the whole figure.
        path: Where to save the picture; must end in `.png`. Missing folders are created.
        overwrite: Whether an existing file at `path` is replaced; if False, it is kept and an error
            is raised.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook displays if it is the result of a
            cell, with the panels in its `axes`, row by row, before the
        colour bars.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: `ax` is not a list of matplotlib `Axes`.
        ValueError: `layer` has no kernel with a block for each gate, or is not built, has several
            cells or directions, its weights are not finite, `bins` is not positive, `ax` has
            another number of axes than there are panels, or `path` has a wrong suffix.
        FileExistsError: `path` exists and `overwrite` is False.

    Example:

    >>> import keras_rnnkit as kit
    >>> layer = kit.GRU(8)
    >>> layer.build((None, 5, 4))
    >>> figure = kit.plots.weights(layer)
    >>> [axes.get_title(loc="left") for axes in figure.axes[:3]]
    ['update · kernel', 'reset · kernel', 'candidate · kernel']
    """
    target = check_target("plots.weights", path, overwrite)
    check_integer(bins, "bins", least=1, optional=True)
    kernels = read_kernels(layer)
    gates = list(next(iter(kernels.values())))
    size = (_WIDE * len(gates) + 1.0, _HIGH * len(kernels) + _HISTOGRAM)
    ratios = [_HIGH] * len(kernels) + [_HISTOGRAM]
    canvas = make_canvas(
        ax, size, len(kernels) + 1, len(gates), gridspec_kw={"height_ratios": ratios}
    )
    grid = [
        canvas.panels[start : start + len(gates)]
        for start in range(0, len(canvas.panels), len(gates))
    ]
    for row, (name, blocks) in zip(grid, kernels.items(), strict=False):
        _draw_blocks(canvas.figure, row, name, blocks)
    _draw_histograms(grid[-1], kernels, bins)
    return canvas.finish(title, target)


def _draw_blocks(
    figure: Figure, panels: list[Axes], name: str, blocks: dict[str, np.ndarray]
) -> None:
    low, high = color_limits(Kind.UNBOUNDED, np.concatenate(list(blocks.values()), axis=1))
    for axes, (gate, block) in zip(panels, blocks.items(), strict=True):
        image = axes.imshow(
            block,
            cmap=_COLORS,
            vmin=low,
            vmax=high,
            aspect="auto",
            interpolation="nearest" if max(block.shape) <= 256 else "antialiased",
        )
        axes.spines[:].set_visible(False)
        axes.tick_params(color=SPINE, labelcolor=INK, labelsize=7.5)
        _whole_numbers(axes)
        name_panel(axes, gate, name)
        name_axis(axes, x="unit")
    name_axis(panels[0], y=_ROWS[name])
    bar = figure.colorbar(image, ax=panels, pad=0.012, fraction=0.03, aspect=18)
    bar.set_ticks([low, 0, high], labels=[f"{tick:.2g}" for tick in (low, 0, high)])
    bar.ax.tick_params(labelsize=7.5, labelcolor=INK, color=SPINE)
    bar.outline.set_visible(False)


def _whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))


def _draw_histograms(
    panels: list[Axes], kernels: dict[str, dict[str, np.ndarray]], bins: int | None
) -> None:
    """Both kernels of each gate, in the same bins everywhere; those of a gate have the area 1."""
    everything = [block.ravel() for blocks in kernels.values() for block in blocks.values()]
    fewest = min(values.size for values in everything)
    count = bins or int(np.clip(np.sqrt(fewest), 8, _MOST_BINS))
    edges = np.histogram_bin_edges(np.concatenate(everything), count)
    for gate, axes in zip(next(iter(kernels.values())), panels, strict=True):
        style_axes(axes)
        for name, blocks in kernels.items():
            values = blocks[gate].ravel()
            label = f"{name}, std {values.std():.2g}"
            axes.hist(values, edges.tolist(), density=True, label=label, **_STYLES[name])
        axes.axvline(0, color=SPINE, linewidth=0.8, zorder=0)
        name_axis(axes, x="weight")
        name_panel(axes, gate, "histograms")
    top = max(axes.get_ylim()[1] for axes in panels)
    for axes in panels:
        axes.set_ylim(0, 1.7 * top)  # room for the legend
        style_legend(axes.legend(loc="upper left", handlelength=1.4, borderaxespad=0.1))
    name_axis(panels[0], y="density")
