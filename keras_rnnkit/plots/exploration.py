"""A page on which a reader explores the gates of a text: one HTML file, without a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from keras_rnnkit._checks import PathLike, check_file
from keras_rnnkit._files import replacing
from keras_rnnkit.plots._explore_data import page_data
from keras_rnnkit.plots._explore_html import page


def explore(
    traces: Any,
    tokens: Sequence[str] | Sequence[Sequence[str]] | None,
    path: PathLike,
    *,
    sample: int | Iterable[int] = 0,
    influence: Any = None,
    attribution: Any = None,
    title: str | None = None,
    overwrite: bool = True,
) -> Path:
    """Write a page to explore traces in a browser: one HTML file that needs no network.

    The words of a sample are coloured by a gate or a state, of one unit or averaged over all
    units, or by an attribution or an influence. Point at a word to read all gates and states
    there; choose a unit to see it over time. The page works with a mouse, a keyboard, a screen
    reader and a phone, and follows the light or dark setting of the system. It does not need
    matplotlib.

    Gates go from the colour of the page (closed) to green (open); states and candidates are blue
    below 0 and orange above. A mean over units of a signed field is the mean of absolute values.
    All units of a field have one scale, which ends at the 1st and the 99th percentile of the
    values, rounded outwards; on request it fits the chosen unit. Masked steps are left out.

    Each array is stored with 16 bits a value, between its smallest and its largest value: what the
    page shows differs from the traces by at most (largest - smallest) / 131,070, which is 7.7e-6
    for a gate. A page of 200 words and an `LSTM` of 64 units has about 0.25 MB.

    Args:
        traces: What `keras_rnnkit.trace` returns or any mapping from names to traces; or the trace
            of a layer: a NamedTuple of arrays or tensors `(batch, time, units)` with `mask`,
            `(batch, time)` or None, as its last field, a `BidirectionalTrace`, the dictionary of a
            `StackedRNN`, the tuple of an `RNN` around several cells.
        tokens: The word at each step, as many as there are steps, masked ones included. For
            several samples a list of such lists. None numbers the steps from 0.
        path: Where to save the page; must end in `.html`. Missing folders are made.
        sample: Which sequence of the batch to show, or several of them, to choose from on the
            page.
        influence: What is left of each word at each step: an array `(time, time)` or
            `(batch, time, time)`, whose entry `[t, j]` is the weight of step j in the state after
            step t.
        attribution: The scores of the words: an object with `scores`, or an array,
            `(batch, time)`.
        title: The title of the page.
        overwrite: Whether a file at `path` is replaced; False keeps it and raises.

    Returns:
        The path of the page.

    Raises:
        TypeError: `traces` is no trace (the message says how a list from a reloaded model
            becomes one), or `sample` is no integer.
        ValueError: Shapes do not fit, `tokens` has a wrong length, every step of a sample is
            masked, values are not finite, or `path` has a wrong suffix.
        IndexError: `sample` is out of range.
        FileExistsError: `path` exists and `overwrite` is False.
        OSError: `path` cannot be written.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> trace = kit.GRU(32).trace(np.ones((1, 3, 4), "float32"))
    >>> folder = tempfile.TemporaryDirectory()
    >>> page = kit.plots.explore(trace, ["a", "fine", "film"], Path(folder.name, "review.html"))
    >>> page.stat().st_size < 100_000
    True
    >>> folder.cleanup()
    """
    target = check_file(path, "path", ".html", overwrite)
    data = page_data(traces, tokens, sample, influence, attribution)
    content = page(title or "Explore traces", data)
    with replacing(target, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)
    return target
