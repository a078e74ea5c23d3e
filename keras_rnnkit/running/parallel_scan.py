"""All steps of a minimal cell at once: the gates in one product, the states by a scan over time."""

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running.calls import Call, Carry, outputs_from_states, zeros_where_masked
from keras_rnnkit.running.loop import _scan

# So many halvings leave a 64th of the steps, which go one by one. The number is fixed, so that the
# length need not be known when a graph is made.
LEVELS = 6

# So many steps at once stay in a CPU's cache. A graph would grow with the number of pieces; only
# PyTorch, which goes through Python anyhow, takes them.
PIECE = 64

# Up to so many numbers a step (batch times units), what a loop costs on PyTorch is its steps, and
# fewer, larger sums are faster (`benchmarks/min_rnn.py`).
SMALL_STEP = 1024


def run_parallel_scan(layer: Any, call: Call, method: str) -> tuple[Carry, Carry]:
    """The runner of the minimal cells; the contract is in `running/run.py`.

    All gates come of one product; the states follow by an associative scan, or by a kernel that
    goes through the steps in order.
    """
    kernels, cell = backend_kernels(), layer.cell
    associative = method == "associative" or _is_small(call.states[0])
    scan = linear_scan if associative else kernels.linear_scan
    xs = ops.swapaxes(call.sequences, 0, 1)
    mask = None if call.mask is None else ops.swapaxes(call.mask, 0, 1)
    in_pieces = keras.config.backend() == "torch" and not associative
    if in_pieces and not (call.training or call.capture_gates):
        found = _piece_by_piece(cell, scan, xs, call.states, mask, layer.return_sequences)
        return found if mask is None else outputs_from_states(call, call.mask, *found)
    steps: Callable[..., Any] = functools.partial(
        _all_at_once, cell, scan, training=call.training, masks=call.dropout_masks
    )
    # XLA would have to know the number of steps for an associative scan, and in training it would
    # have to hand over all that the backward pass needs.
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
    """Whether an associative scan beats a loop on a CPU, too."""
    return keras.config.backend() == "torch" and state.shape[0] * state.shape[1] <= SMALL_STEP


def _all_at_once(
    cell: Any,
    scan: Any,
    xs: Any,
    states: Any,
    keep: Any,
    *,
    training: bool = False,
    masks: Any = None,
) -> tuple[Any, Any]:
    """The gates and the state of every step, time first."""
    gates = cell.gates(xs, states, training=training, masks=masks)
    a, b = cell.recurrence(gates)
    if keep is not None:
        # A masked step is the identity: h = 1 * h + 0.
        a = ops.where(keep[..., None], a, ops.ones_like(a))
        b = zeros_where_masked(keep, b)
        gates = cell.gates_type(*(zeros_where_masked(keep, gate) for gate in gates))
    return gates, scan(a, b, states[0])


def _piece_by_piece(
    cell: Any, scan: Any, xs: Any, states: Any, keep: Any, sequences: bool
) -> tuple[Carry, Carry]:
    """What a prediction needs, without room for all that is in between."""
    pieces = []
    for start in range(0, xs.shape[0], PIECE):
        part = slice(start, start + PIECE)
        kept = None if keep is None else keep[part]
        _, every = _all_at_once(cell, scan, xs[part], states, kept)
        states = [every[-1]]
        if sequences:
            pieces.append(every)
    outputs = ops.swapaxes(ops.concatenate(pieces), 0, 1) if sequences else None
    return Carry(states[0], states, ()), Carry(outputs, (), ())


def linear_scan(a: Any, b: Any, first: Any) -> Any:
    r"""$h_t = a_t h_{t-1} + b_t$ for every $t$, in a number of rounds that grows slowly with time.

    Two steps in a row are one, $h_t = (a_t a_{t-1}) h_{t-2} + (a_t b_{t-1} + b_t)$: so half as many
    steps give every second state, and one more product each gives the others.

    Args:
        a: `(time, batch, units)`, in [0, 1].
        b: `(time, batch, units)`.
        first: $h$ before the first step, `(batch, units)`.

    Returns:
        $h$ after every step, `(time, batch, units)`.
    """
    # No logarithms: a product of many `a` can only fade to zero, as it does step by step, and
    # nothing is ever divided by it. Nor `keras.ops.associative_scan`: on PyTorch it makes float32
    # of float64, and on TensorFlow it must know the number of steps.
    known = a.shape[0]
    levels = LEVELS if known is None else min(LEVELS, known.bit_length())
    time, batch, units = ops.shape(a)
    # The first state is a step too, whose `a` meets nothing; identities make the number even.
    ones = ops.ones((-(time + 1) % 2**levels, batch, units), dtype=a.dtype)
    a = ops.concatenate([ops.ones_like(first)[None], a, ones])
    b = ops.concatenate([first[None], b, ops.zeros_like(ones)])
    return _states(a, b, levels)[1 : time + 1]


def _states(a: Any, b: Any, levels: int) -> Any:
    """The states after every step, from the first one's `b` on."""
    if levels == 0:
        return _one_by_one(a, b)
    a_even, a_odd = a[0::2], a[1::2]
    b_even, b_odd = b[0::2], b[1::2]
    odd = _states(a_odd * a_even, a_odd * b_even + b_odd, levels - 1)
    even = ops.concatenate([b[:1], a_even[1:] * odd[:-1] + b_even[1:]])
    return ops.reshape(ops.stack([even, odd], axis=1), ops.shape(b))


def _one_by_one(a: Any, b: Any) -> Any:
    """The same by a loop, for the few steps that are left."""
    if b.shape[0] == 1:
        return b
    _, rest = _scan()(_linear_step, b[0], (a[1:], b[1:]))
    return ops.concatenate([b[:1], rest])


def _linear_step(h: Any, current: Any) -> tuple[Any, Any]:
    """Not a closure: JAX compiles it once a shape, also where it is called eagerly."""
    a_t, b_t = current
    h = a_t * h + b_t
    return h, h
