"""Minimal cells: the gates of all steps in one product, the states by a scan over time."""

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running.calls import Call, Carry, outputs_from_states, zeros_where_masked
from keras_rnnkit.running.loop import backend_loop

# How often the associative scan halves the number of steps; a loop runs over the remaining 1/64.
# The number is fixed, so that a graph can be made for any length.
LEVELS = 6

# The number of steps in a chunk whose tensors fit into a CPU's cache. Only PyTorch, which runs a
# Python loop, uses chunks: a graph would grow with their number.
CHUNK = 64

# Up to this size of a step (batch times units), the overhead of each step dominates a loop on
# PyTorch, and the associative scan is faster (`benchmarks/min_rnn.py`).
SMALL_STEP = 1024


def run_parallel_scan(layer: Any, call: Call, method: str) -> tuple[Carry, Carry]:
    """The runner of the minimal cells; the contract is in `running/run.py`.

    One matrix product computes all gates. An associative scan, or a sequential kernel, computes
    the states.
    """
    kernels, cell = backend_kernels(), layer.cell
    associative = method == "associative" or _is_small(call.states[0])
    scan = associative_scan if associative else kernels.linear_recurrence
    xs = ops.swapaxes(call.sequences, 0, 1)
    mask = None if call.mask is None else ops.swapaxes(call.mask, 0, 1)
    in_chunks = keras.config.backend() == "torch" and not associative
    if in_chunks and not (call.training or call.capture_gates):
        found = _by_chunks(cell, scan, xs, call.states, mask, layer.return_sequences)
        return found if mask is None else outputs_from_states(call, call.mask, *found)
    steps: Callable[..., Any] = functools.partial(
        _all_steps, cell, scan, training=call.training, masks=call.dropout_masks
    )
    # Not compiled: for an associative scan XLA must know the number of steps, and in training it
    # must return everything that the backward pass needs.
    if not associative and not call.training:
        steps = kernels.as_one_program(steps, cell.weights)
    gates, every = steps(xs, call.states, mask)
    last = every[-1]
    every = ops.swapaxes(every, 0, 1)
    gates = tuple(ops.swapaxes(gate, 0, 1) for gate in gates)
    gates = cell.gates_type(*gates) if call.capture_gates else ()
    found = Carry(last, [last], ()), Carry(every, [every], gates)
    return found if mask is None else outputs_from_states(call, call.mask, *found)


def _is_small(state: Any) -> bool:
    """Whether an associative scan is faster than a loop on a CPU too."""
    return keras.config.backend() == "torch" and state.shape[0] * state.shape[1] <= SMALL_STEP


def _all_steps(
    cell: Any,
    scan: Any,
    xs: Any,
    states: Any,
    mask: Any,
    *,
    training: bool = False,
    masks: Any = None,
) -> tuple[Any, Any]:
    """The gates and the state of every step, time first."""
    gates = cell.gates(xs, states, training=training, masks=masks)
    a, b = cell.recurrence(gates)
    if mask is not None:
        # A masked step is the identity: h = 1 * h + 0.
        a = ops.where(mask[..., None], a, ops.ones_like(a))
        b = zeros_where_masked(mask, b)
        gates = cell.gates_type(*(zeros_where_masked(mask, gate) for gate in gates))
    return gates, scan(a, b, states[0])


def _by_chunks(
    cell: Any, scan: Any, xs: Any, states: Any, mask: Any, sequences: bool
) -> tuple[Carry, Carry]:
    """The carries of a prediction, without storing the gates of all steps."""
    chunks = []
    for start in range(0, xs.shape[0], CHUNK):
        part = slice(start, start + CHUNK)
        valid = None if mask is None else mask[part]
        _, every = _all_steps(cell, scan, xs[part], states, valid)
        states = [every[-1]]
        if sequences:
            chunks.append(every)
    outputs = ops.swapaxes(ops.concatenate(chunks), 0, 1) if sequences else None
    return Carry(states[0], states, ()), Carry(outputs, (), ())


def associative_scan(a: Any, b: Any, first: Any) -> Any:
    r"""$h_t = a_t h_{t-1} + b_t$ for every $t$, by an associative scan.

    Two steps in a row combine to one, $h_t = (a_t a_{t-1}) h_{t-2} + (a_t b_{t-1} + b_t)$. So half
    as many steps give every second state, and one more product for each gives the others.

    Args:
        a: `(time, batch, units)`, in [0, 1].
        b: `(time, batch, units)`.
        first: $h$ before the first step, `(batch, units)`.

    Returns:
        $h$ after every step, `(time, batch, units)`.
    """
    # Logarithms are not needed: a product of many `a` may underflow to zero, as it does step by
    # step, and nothing is divided by it. `keras.ops.associative_scan` makes float32 of float64 on
    # PyTorch, and must know the number of steps on TensorFlow.
    known = a.shape[0]
    levels = LEVELS if known is None else min(LEVELS, known.bit_length())
    time, batch, units = ops.shape(a)
    # The initial state is added as a step, and identity steps make the number even.
    ones = ops.ones((-(time + 1) % 2**levels, batch, units), dtype=a.dtype)
    a = ops.concatenate([ops.ones_like(first)[None], a, ones])
    b = ops.concatenate([first[None], b, ops.zeros_like(ones)])
    return _states(a, b, levels)[1 : time + 1]


def _states(a: Any, b: Any, levels: int) -> Any:
    """The states after every step; the `b` of the first step is its state."""
    if levels == 0:
        return _one_by_one(a, b)
    a_even, a_odd = a[0::2], a[1::2]
    b_even, b_odd = b[0::2], b[1::2]
    odd = _states(a_odd * a_even, a_odd * b_even + b_odd, levels - 1)
    even = ops.concatenate([b[:1], a_even[1:] * odd[:-1] + b_even[1:]])
    return ops.reshape(ops.stack([even, odd], axis=1), ops.shape(b))


def _one_by_one(a: Any, b: Any) -> Any:
    """The same by a loop, for the steps that remain."""
    if b.shape[0] == 1:
        return b
    _, rest = backend_loop()(_linear_step, b[0], (a[1:], b[1:]))
    return ops.concatenate([b[:1], rest])


def _linear_step(h: Any, current: Any) -> tuple[Any, Any]:
    """One step; no closure, so that JAX compiles it once for each shape in eager calls too."""
    a_t, b_t = current
    h = a_t * h + b_t
    return h, h
