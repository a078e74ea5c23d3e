"""The path of minimal cells: the gates of all steps in one product, then a linear recurrence.

No gate depends on the state, so the states are a linear recurrence, $h_t = a_t h_{t-1} + b_t$. The
rule chooses how it is computed: "sequential", step by step by a kernel, or "associative", by an
associative scan, which does more arithmetic in fewer and larger operations.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.kernels._linear import linear_step
from keras_rnnkit.running.calls import (
    Call,
    Carry,
    Steps,
    swap_batch_and_time,
    with_initial_output,
    zeros_where_masked,
)
from keras_rnnkit.running.loop import backend_loop

# The associative scan halves the number of steps at most this many times; a loop runs over the
# remaining 1/64. A fixed number lets TensorFlow build a graph for an unknown number of steps.
LEVELS = 6

# The number of steps in a chunk whose tensors fit into a CPU's cache. Only PyTorch, which runs a
# Python loop, uses chunks: a graph would grow with their number.
CHUNK = 64


def run_linear_recurrence(layer: Any, call: Call, method: str) -> tuple[Carry, Steps]:
    """The runner of the minimal cells; the contract is in `running/run.py`."""
    recurrence = (
        associative_scan if method == "associative" else backend_kernels().linear_recurrence
    )
    chunked = keras.config.backend() == "torch" and method == "sequential"
    if chunked and not (call.training or call.capture_gates):
        last, steps = _in_chunks(layer.cell, recurrence, call, layer.return_sequences)
    else:
        # Not compiled separately for an associative scan, for which XLA must know the number of
        # steps, nor in training, where the compiled function would have to return every
        # intermediate result that the backward pass needs.
        compiled = method == "sequential" and not call.training
        last, steps = _whole_sequence(layer.cell, recurrence, call, compiled)
    return (last, steps) if call.mask is None else with_initial_output(call, last, steps)


def _whole_sequence(cell: Any, recurrence: Any, call: Call, compiled: bool) -> tuple[Carry, Steps]:
    """The results of a call, with the gates of all steps in one product."""
    function: Callable[..., Any] = functools.partial(
        _gates_and_states, cell, recurrence, training=call.training, masks=call.dropout_masks
    )
    if compiled:
        function = backend_kernels().as_one_program(function, cell.weights)
    gates, states = function(*_time_first(call), call.initial_states, call.fresh_states)
    states = ops.cast(states, cell.compute_dtype)
    last = states[-1]
    states = swap_batch_and_time(states)
    gates = cell.gates_type(*map(swap_batch_and_time, gates)) if call.capture_gates else ()
    return Carry(last, [last]), Steps(states, [states], gates)


def _gates_and_states(
    cell: Any,
    recurrence: Any,
    xs: Any,
    mask: Any,
    resets: Any,
    initial_states: Any,
    fresh_states: Any,
    *,
    training: bool = False,
    masks: Any = None,
) -> tuple[Any, Any]:
    """The gates and the state of every step, time first.

    The states have the dtype of the recurrence, which a cell may compute in float32 where its
    compute dtype is half precision.
    """
    gates = cell.gates(xs, initial_states, training=training, masks=masks)
    a, b = cell.recurrence(gates)
    if mask is not None:
        # A masked step is the identity: h = 1 * h + 0.
        a = ops.where(mask[..., None], a, ops.ones_like(a))
        b = zeros_where_masked(mask, b)
        gates = cell.gates_type(*(zeros_where_masked(mask, gate) for gate in gates))
    if resets is not None:
        # The first step of a sequence, masked or not: h = 0 * h + (a * fresh + b). On PyTorch on a
        # CPU, products take a fraction of the time of `where`.
        starts = ops.cast(resets, a.dtype)[..., None]
        if fresh_states is not None:
            b = b + starts * a * ops.cast(fresh_states[0], a.dtype)
        a = a * (1 - starts)
    return gates, recurrence(a, b, ops.cast(initial_states[0], a.dtype))


def _in_chunks(
    cell: Any, recurrence: Any, call: Call, return_sequences: bool
) -> tuple[Carry, Steps]:
    """The results of a prediction, chunk by chunk, so that the gates stay in the cache."""
    xs, mask, resets = _time_first(call)
    states, chunks = call.initial_states, []
    for start in range(0, xs.shape[0], CHUNK):
        part = slice(start, start + CHUNK)
        part_mask, part_resets = (x if x is None else x[part] for x in (mask, resets))
        _, part_states = _gates_and_states(
            cell, recurrence, xs[part], part_mask, part_resets, states, call.fresh_states
        )
        states = [part_states[-1]]
        if return_sequences:
            chunks.append(ops.cast(part_states, cell.compute_dtype))
    states = [ops.cast(states[0], cell.compute_dtype)]
    outputs = swap_batch_and_time(ops.concatenate(chunks)) if return_sequences else None
    return Carry(states[0], states), Steps(outputs)


def _time_first(call: Call) -> tuple[Any, Any, Any]:
    """The sequences, the mask and the resets of a call, time first."""
    xs, mask, resets = (
        x if x is None else swap_batch_and_time(x) for x in (call.sequences, call.mask, call.resets)
    )
    return xs, mask, resets


def associative_scan(a: Any, b: Any, initial: Any) -> Any:
    r"""$h_t = a_t h_{t-1} + b_t$ for every $t$, by an associative scan.

    Two consecutive steps are one step of the same form, $h_t = (a_t a_{t-1}) h_{t-2} +
    (a_t b_{t-1} + b_t)$. A recurrence of half as many steps gives every second state; from each of
    these, one step of the original recurrence gives the state that follows.

    Args:
        a: `(time, batch, units)`, in `[0, 1]`.
        b: `(time, batch, units)`.
        initial: $h$ before the first step, `(batch, units)`.

    Returns:
        $h$ after every step, `(time, batch, units)`.
    """
    # No logarithms are needed: where a product of many `a` underflows to zero, it does so step by
    # step too, and nothing is divided by it. `keras.ops.associative_scan` would turn float64 into
    # float32 on PyTorch, and needs a known number of steps on TensorFlow.
    known = a.shape[0]
    levels = LEVELS if known is None else min(LEVELS, known.bit_length())
    time, batch, units = ops.shape(a)
    # The initial state is added as a step, and identity steps make the number even.
    ones = ops.ones((-(time + 1) % 2**levels, batch, units), dtype=a.dtype)
    a = ops.concatenate([ops.ones_like(initial)[None], a, ones])
    b = ops.concatenate([initial[None], b, ops.zeros_like(ones)])
    return _scanned_states(a, b, levels)[1 : time + 1]


def _scanned_states(a: Any, b: Any, levels: int) -> Any:
    """The state after every step of $h_t = a_t h_{t-1} + b_t$, where $h_0 = b_0$.

    Combines pairs of steps in `levels` rounds, and runs a loop over the remaining steps.
    """
    if levels == 0:
        return _sequential_states(a, b)
    a_even, a_odd = a[0::2], a[1::2]
    b_even, b_odd = b[0::2], b[1::2]
    odd = _scanned_states(a_odd * a_even, a_odd * b_even + b_odd, levels - 1)
    even = ops.concatenate([b[:1], a_even[1:] * odd[:-1] + b_even[1:]])
    return ops.reshape(ops.stack([even, odd], axis=1), ops.shape(b))


def _sequential_states(a: Any, b: Any) -> Any:
    """The same as `_scanned_states`, by a loop."""
    if b.shape[0] == 1:
        return b
    _, rest = backend_loop()(linear_step, b[0], (a[1:], b[1:]))
    return ops.concatenate([b[:1], rest])
