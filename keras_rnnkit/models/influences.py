"""How much of what each step wrote into a gated state is left at every later step."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_rnnkit._checks import is_integer
from keras_rnnkit.models._recurrences import Recurrence, recurrence_of

_BLOCK_BYTES = 8 * 2**20  # of the running weights, so that they stay in the processor's cache


class Influence(np.ndarray):
    """What is left of each step, an array `(batch, time, time)` or `(batch, time, time, units)`.

    In `influence[row, t, j]` is the weight that the candidate of step j has in the state after step
    t. Arithmetic, slices and copies of it are plain arrays.

    Attributes:
        first: What is left of the initial state of the sequence: its weight in the state after each
            step, `(batch, time)` or `(batch, time, units)`.
        units: The numbers of the units in the last axis, or `None` where it is an average.
        state: The name of the state that is decomposed, `"cell"` or `"hidden"`.
        mask: Booleans `(batch, time)`, false where a step is skipped.
    """

    # An array that NumPy makes of one, such as a copy, has none of them.
    first: Any = None
    units: tuple[int, ...] | None = None
    state: str | None = None
    mask: Any = None

    def __repr__(self) -> str:
        if self.state is None:
            return repr(np.asarray(self))
        units = "the average of all units" if self.units is None else f"{len(self.units)} units"
        return f"<Influence {self.shape} {self.dtype} on the state '{self.state}', {units}>"

    def __str__(self) -> str:
        return str(np.asarray(self))

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        array = np.asarray(array)
        return array[()] if return_scalar else array

    def __getitem__(self, index: Any) -> Any:
        return np.asarray(self)[index]

    def __reduce__(self) -> Any:
        return np.asarray(self).__reduce__()


def influence(trace: Any, units: Any = None) -> Any:
    r"""What is left of each step in the state after every later step, exactly.

    The state of a gated cell is a weighted sum of what its steps wrote, and of the initial state:

    $$
    s_t = \sum_{j \le t} A_{t,j} \odot g_j + F_t \odot s_{-1}
    $$

    $g$ is the `candidate`, $A$ the result and $F$ its attribute `first`. Where a step multiplies
    the old state by $a_t$ and the candidate by $b_t$, $A_{t,j} = b_j \prod_{k=j+1}^t a_k$ and
    $F_t = \prod_{k \le t} a_k$:

    | cell | $s$ | $a$ | $b$ |
    |---|---|---|---|
    | `LSTMCell`, `CoupledLSTMCell`, `PeepholeLSTMCell`, `ProjectedLSTMCell` | $c$ | $f$ | $i$ |
    | `GRUCell`, `LayerNormGRUCell` | $h$ | $z$ | $1 - z$ |
    | `MinLSTMCell` | $h$ | $f$ | $i$ |
    | `MinGRUCell` | $h$ | $1 - z$ | $z$ |
    | `RGLRUCell` | $h$ | $a$ | $s \odot i$ |

    In `Zoneout` of rate $p$ they are $p + (1 - p) a_t$ and $(1 - p) b_t$. A masked step passes on
    the state: its row repeats the one before, and its column is zero. In the backward direction of
    a `Bidirectional`, which is in the input's time, the sum is over $j \ge t$. Where `resets` start
    new sequences, the sum is over the steps of the sequence of step $t$: across a reset, the weight
    is zero, and $s_{-1}$ is the state that this sequence starts from.

    The gates themselves depend on the words, so the weight says what is left of what a step wrote,
    not what would change without its word: `attribute` does.

    Args:
        trace: A trace from `keras_rnnkit.trace`, such as `traces["lstm"]`. A trace of several
            layers, such as that of a `Bidirectional`, gives the same structure of results.
        units: `None` for the average of the weights over all units; `"all"`, or a list of numbers
            of units, for the weights of each.

    Returns:
        An `Influence`: an array `(batch, time, time)`, or `(batch, time, time, units)` where
        `units` is given, of the dtype of the trace, with the attribute `first`. For a trace of
        `TimeDistributed`, `(batch, outer time, time, time)`.

    Raises:
        ValueError: If the state of the cell is no such sum (`SimpleRNN`, `ESNCell`, `NASCell`,
            layer-normalised LSTM cells, cells of your own), if the trace is not from
            `keras_rnnkit.trace` and so lacks the initial state and the direction, or for units that
            do not exist.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4, name="lstm")])
    >>> traces = kit.trace(model, np.ones((2, 5, 3), "float32"))
    >>> left = kit.influence(traces["lstm"])
    >>> left.shape, left.first.shape
    ((2, 5, 5), (2, 5))
    >>> a = kit.influence(traces["lstm"], units="all")
    >>> cell = np.einsum("btju,bju->btu", a, traces["lstm"].candidate)
    >>> bool(np.allclose(cell, traces["lstm"].cell, atol=1e-6))
    True
    """
    if isinstance(trace, Mapping):
        return {name: influence(part, units) for name, part in trace.items()}
    if isinstance(trace, tuple) and not hasattr(trace, "mask"):
        parts = [influence(part, units) for part in trace]
        return type(trace)(*parts) if hasattr(trace, "_fields") else tuple(parts)
    recurrence = recurrence_of(trace)
    chosen = _chosen(units, recurrence.kept.shape[-1])
    if chosen is not None:
        recurrence = recurrence.of_units(list(chosen))
    weights, first = _weights(recurrence, averaged=chosen is None)
    result = _shaped(weights, trace.mask.shape).view(Influence)
    result.first = _shaped(first, trace.mask.shape)
    result.units, result.state, result.mask = chosen, recurrence.state, np.asarray(trace.mask)
    return result


def _chosen(units: Any, width: int) -> tuple[int, ...] | None:
    """The numbers of the chosen units; `None` for the average of all."""
    if units is None:
        return None
    if isinstance(units, str):
        numbers = list(range(width)) if units == "all" else []
    else:
        numbers = [units] if is_integer(units) else list(units)
    if not numbers or not all(is_integer(number) and 0 <= number < width for number in numbers):
        raise ValueError(
            "`units` must be None for the average, 'all', or a list of numbers of units from 0 to "
            f"{width - 1}. Received: units={units!r}"
        )
    return tuple(map(int, numbers))


def _weights(recurrence: Recurrence, averaged: bool) -> tuple[np.ndarray, np.ndarray]:
    """All weights and those of the initial state, in the time of the trace.

    Rows are computed in blocks whose running weights take a bounded amount of memory. No weight is
    the quotient of two products, so that a forget gate of zero is exact.
    """
    kept, written = recurrence.kept, recurrence.written
    batch, steps, width = kept.shape
    tail = () if averaged else (width,)
    weights = np.zeros((batch, steps, steps, *tail), recurrence.dtype)
    first = np.empty((batch, steps, *tail), recurrence.dtype)
    in_time = slice(None, None, -1) if recurrence.backward else slice(None)
    running_order = weights[:, in_time, in_time], first[:, in_time]
    resets = np.zeros((batch, steps), bool) if recurrence.resets is None else recurrence.resets
    rows = max(1, _BLOCK_BYTES // max(1, 8 * steps * width))
    for start in range(0, batch, rows):
        block = slice(start, start + rows)
        outputs = (array[block] for array in running_order)
        _of_block(kept[block], written[block], resets[block], averaged, *outputs)
    return weights, first


def _of_block(
    kept: np.ndarray,
    written: np.ndarray,
    resets: np.ndarray,
    averaged: bool,
    weights: np.ndarray,
    first: np.ndarray,
) -> None:
    """Write the weights of some rows into `weights` and `first`, all in running order."""
    steps, width = kept.shape[1:]
    running, initial = np.empty(kept.shape), np.ones(kept[:, 0].shape) if steps else kept
    mean = np.full(width, 1 / width)
    for t in range(steps):
        running[resets[:, t], :t] = 0
        initial[resets[:, t]] = 1
        running[:, :t] *= kept[:, t, None]
        running[:, t] = written[:, t]
        initial *= kept[:, t]
        now = running[:, : t + 1]
        weights[:, t, : t + 1] = now @ mean if averaged else now
        first[:, t] = initial @ mean if averaged else initial


def _shaped(array: np.ndarray, leading: tuple[int, ...]) -> np.ndarray:
    """The array with the batch, and perhaps outer time, of the trace."""
    return array.reshape(*leading[:-1], *array.shape[1:])
