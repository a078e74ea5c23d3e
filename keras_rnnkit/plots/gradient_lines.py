"""How far back learning reaches: the norm of the gradient at each step, a line a layer."""

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
    scale_logarithmically,
    step_width,
    time_width,
)
from keras_rnnkit.plots.figures import LINES, style_axes, style_legend
from keras_rnnkit.plots.parts import split_parts
from keras_rnnkit.plots.samples import read_arrays, read_index, read_tokens
from keras_rnnkit.plots.words import label_steps, number_steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT = 3.4
_Norms = dict[str, np.ndarray]  # by layer, `(batch, time)`; NaN at masked steps


def gradients(
    gradients: Any,
    tokens: Sequence[str] | None = None,
    *,
    sample: int | None = None,
    field: str | None = None,
    ax: Any = None,
    title: str | None = None,
    path: PathLike | None = None,
    overwrite: bool = True,
) -> Figure:
    """Draw the norm of the gradient at each step, a line for each layer.

    The norm is the Euclidean one, over the units of a state or gate at a step, of the gradient of
    the loss. A line that falls to the left, towards the first words, is a vanishing gradient; one
    that rises, an exploding one. The axis is logarithmic, and norms of 0 are left out.

    Without a `sample`, the sequences are aligned at their last valid steps, and a line is the mean
    over those that are long enough.

    Args:
        gradients: What `keras_rnnkit.trace_gradients` returns: a mapping from the names of layers
            to the gradients, in the form of a trace, a NamedTuple of arrays `(batch, time, units)`
            with `mask` as its last field. Or one such NamedTuple.
        tokens: The word at each step, masked ones included; only with a `sample`.
        sample: Which sequence of the batch to draw; None for the mean over all.
        field: The state or gate with respect to which the gradients are drawn. By default
            `hidden`, or else the first field.
        ax: Where to draw: None for a new figure, or a matplotlib `Axes`.
        title: A title of the whole figure.
        path: Where to save the picture; must end in `.png`. Missing folders are created.
        overwrite: Whether an existing file at `path` is replaced; if False, it is kept and an error
            is raised.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook displays if it is the result of a
            cell, with the lines in its `axes[0]`.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: `gradients` has another form, or `ax` is not a matplotlib `Axes`.
        ValueError: Shapes do not fit, a gradient is NaN or infinite, a layer has no `field` of this
            name, there are more than 8 layers and directions, `tokens` are given without a
            `sample` or have a wrong length, every step is masked, or `path` has a wrong suffix.
        IndexError: `sample` is out of range.
        FileExistsError: `path` exists and `overwrite` is False.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> values = np.geomspace(1e-4, 1, 5)[None, :, None] * np.ones((1, 5, 8))
    >>> found = {"rnn": kit.SimpleRNNTrace(values, values, None)}
    >>> figure = kit.plots.gradients(found)
    >>> figure.axes[0].lines[0].get_label()
    'rnn'
    """
    target = check_target("plots.gradients", path, overwrite)
    norms, name = _read(gradients, field)
    if sample is None:
        if tokens is not None:
            raise ValueError(
                "`tokens` are the words of one sequence: pass its number as `sample` too. "
                "Received: sample=None"
            )
        lines = {layer: _aligned(values) for layer, values in norms.items()}
        canvas = make_canvas(ax, (7.5, _HEIGHT))
        _draw_lines(canvas.panels[0], lines, name)
        _label_distances(canvas.panels[0], len(next(iter(lines.values()))))
    else:
        lines, labels = _of_sample(norms, tokens, sample)
        canvas = make_canvas(ax, (time_width(labels), _HEIGHT))
        _draw_lines(canvas.panels[0], lines, name)
        _label_words(canvas.panels[0], labels, tokens is None, lines)
    return canvas.finish(title, target)


def _read(gradients: Any, field: str | None) -> tuple[_Norms, str]:
    parts = split_parts(gradients, argument="gradients")
    if len(parts) > len(LINES):
        raise ValueError(
            f"`gradients` must have at most {len(LINES)} layers and directions, a line for each. "
            f"Pass some of them. Received: len(gradients)={len(parts)}"
        )
    names = parts[0].trace._fields[:-1]
    name = field or ("hidden" if "hidden" in names else names[0])
    norms = {}
    for part in parts:
        arrays, mask = read_arrays(part, "gradients")
        if not mask.any():
            raise ValueError(
                f"`gradients{part.key}` must have a step that is not masked. "
                f"Received: gradients{part.key}.mask.any()=False"
            )
        if name not in arrays:
            raise ValueError(
                f"`field` must be a field of each layer; `gradients{part.key}` has {list(arrays)}. "
                f"Received: field={name!r}"
            )
        values = arrays[name][mask]
        if not np.isfinite(values).all():
            raise ValueError(
                f"`gradients{part.key}.{name}` must be finite at valid steps. The gradients "
                "explode, or the loss is not finite: clip them or check the inputs. "
                f"Received: gradients{part.key}.{name}={values[~np.isfinite(values)][0]}"
            )
        norms[part.title] = np.where(mask, np.linalg.norm(arrays[name], axis=2), np.nan)
    return norms, name


def _aligned(norms: np.ndarray) -> np.ndarray:
    """The mean over the sequences at each number of valid steps before the last one."""
    rows = [row[~np.isnan(row)][::-1] for row in norms]
    longest = norms.shape[1]
    padded = np.full((len(rows), longest), np.nan)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    counts = (~np.isnan(padded)).sum(axis=0)
    return np.where(counts > 0, np.nansum(padded, axis=0) / np.maximum(counts, 1), np.nan)


def _of_sample(
    norms: _Norms, tokens: Sequence[str] | None, sample: int
) -> tuple[_Norms, list[str]]:
    """The lines of one sequence at the steps that are valid in some layer, and their labels."""
    shapes = {values.shape for values in norms.values()}
    if len(shapes) > 1:
        raise ValueError(
            "`gradients` must have the same batch and time in all layers for one sample. "
            f"Received: (batch, time)={sorted(shapes)}"
        )
    batch, time = shapes.pop()
    index = read_index(sample, batch)
    labels = read_tokens(tokens, time)
    rows = {layer: values[index] for layer, values in norms.items()}
    valid = np.flatnonzero(~np.isnan(list(rows.values())).all(axis=0))
    if not len(valid):
        raise ValueError(
            "`sample` must have a step that is not masked: all steps of this one are. "
            f"Received: sample={sample}"
        )
    return {layer: row[valid] for layer, row in rows.items()}, [labels[step] for step in valid]


def _draw_lines(axes: Axes, lines: _Norms, field: str) -> None:
    style_axes(axes)
    drawn = 0
    for style, (layer, values) in zip(LINES, lines.items(), strict=False):
        positive = np.where(values > 0, values, np.nan)
        zero = bool(np.isnan(positive).all())
        drawn += not zero
        marker = "o" if (~np.isnan(positive)).sum() == 1 else ""
        label = f"{layer or field}: 0 at every step" if zero else layer
        axes.plot(np.arange(len(values)), positive, label=label, marker=marker, **style)
    if drawn:
        scale_logarithmically(axes)
    name_panel(axes, f"gradient of the loss with respect to {field}")
    name_axis(axes, y="norm over the units")
    if any(layer or not drawn for layer in lines):
        legend = axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=2.6)
        style_legend(legend)


def _label_distances(axes: Axes, steps: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(steps - 0.5 if steps > 1 else 1, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    name_axis(axes, x="valid steps before the last one")


def _label_words(axes: Axes, labels: list[str], numbered: bool, lines: _Norms) -> None:
    if numbered:
        number_steps(axes, labels)
        return
    sizes = np.nansum(list(lines.values()), axis=0)
    label_steps(axes, labels, numbered, sizes, step_width(axes, len(labels)))
