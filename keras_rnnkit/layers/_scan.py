"""All steps of a minimal cell at once, by a parallel scan over time."""

from typing import Any

from keras import ops

from keras_rnnkit.layers._loop import Carry, _scan, zeros_where_masked

# So many halvings leave a 64th of the steps, which go one by one. The number is fixed, so that the
# length need not be known when a graph is made.
LEVELS = 6


def run_scan(
    layer: Any, sequences: Any, states: Any, mask: Any, *, training: bool, record: bool
) -> tuple[Carry, Carry]:
    """The last carry, and the carry of every step, as the portable loop returns them.

    Args:
        layer: The layer; the dropout mask of its minimal cell is drawn.
        sequences: `(batch, time, features)`.
        states: The first states.
        mask: `(batch, time)`, or `None`.
        training: Whether dropout applies.
        record: Whether gates and states are asked for.
    """
    cell = layer.cell
    gates = cell.gates(sequences, states, training=training)
    a, b = cell.recurrence(gates)
    if mask is not None:
        # A masked step is the identity: h = 1 * h + 0.
        a = ops.where(mask[..., None], a, ops.ones_like(a))
        b = zeros_where_masked(mask, b)
        gates = cell.gates_type(*(zeros_where_masked(mask, gate) for gate in gates))
    every = linear_scan(a, b, states[0])
    last = every[:, -1]
    return Carry(last, [last], ()), Carry(every, [every], gates if record else ())


def linear_scan(a: Any, b: Any, first: Any) -> Any:
    r"""$h_t = a_t h_{t-1} + b_t$ for every $t$, in a number of rounds that grows slowly with time.

    Two steps in a row are one, $h_t = (a_t a_{t-1}) h_{t-2} + (a_t b_{t-1} + b_t)$: so half as many
    steps give every second state, and one more product each gives the others.

    Args:
        a: `(batch, time, units)`, in [0, 1].
        b: `(batch, time, units)`.
        first: $h$ before the first step, `(batch, units)`.

    Returns:
        $h$ after every step, `(batch, time, units)`.
    """
    # No logarithms: a product of many `a` can only fade to zero, as it does step by step, and
    # nothing is ever divided by it. Nor `keras.ops.associative_scan`: on PyTorch it makes float32
    # of float64, and on TensorFlow it must know the number of steps.
    time = a.shape[1]
    levels = LEVELS if time is None else min(LEVELS, time.bit_length())
    time = ops.shape(a)[1]
    # The first state is a step too, whose `a` meets nothing; identities make the number even.
    behind = -(time + 1) % 2**levels
    shape = ops.shape(a)
    ones = ops.ones((shape[0], behind, shape[2]), dtype=a.dtype)
    first = first[:, None]
    a = ops.concatenate([ops.ones_like(first), a, ones], axis=1)
    b = ops.concatenate([first, b, ops.zeros_like(ones)], axis=1)
    return _states(a, b, levels)[:, 1 : time + 1]


def _states(a: Any, b: Any, levels: int) -> Any:
    """The states after every step, from the first one's `b` on."""
    if levels == 0:
        return _one_by_one(a, b)
    a_even, a_odd = a[:, 0::2], a[:, 1::2]
    b_even, b_odd = b[:, 0::2], b[:, 1::2]
    odd = _states(a_odd * a_even, a_odd * b_even + b_odd, levels - 1)
    even = ops.concatenate([b[:, :1], a_even[:, 1:] * odd[:, :-1] + b_even[:, 1:]], axis=1)
    return ops.reshape(ops.stack([even, odd], axis=2), ops.shape(b))


def _one_by_one(a: Any, b: Any) -> Any:
    """The same by a loop, for the few steps that are left."""
    if b.shape[1] == 1:
        return b

    def step(h: Any, current: Any) -> tuple[Any, Any]:
        a_t, b_t = current
        h = a_t * h + b_t
        return h, h

    xs = (ops.swapaxes(a[:, 1:], 0, 1), ops.swapaxes(b[:, 1:], 0, 1))
    _, rest = _scan()(step, b[:, 0], xs)
    return ops.concatenate([b[:, :1], ops.swapaxes(rest, 0, 1)], axis=1)
