"""The fused kernels on JAX: the shared passes of `_sequence.py` in a `lax.scan`."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import keras
from jax import lax

from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps, outputs
from keras_rnnkit.kernels._cells import Functions
from keras_rnnkit.kernels._chunks import added, chunk_length, gathered, zero_totals
from keras_rnnkit.kernels._gradients import all_gradients
from keras_rnnkit.kernels._jax_calls import JaxCalls
from keras_rnnkit.kernels._linear import linear_backward_pass, linear_step
from keras_rnnkit.kernels._sequence import backward_pass, forward_pass, with_fresh_gradients

_FUNCTIONS = Functions(jax.nn.sigmoid, jax.numpy.tanh)

# On a CPU, the backward pass runs in chunks where the gradients of all pre-activations take more
# bytes than this. Together with the gates and the previous states, they take about three times as
# many. glibc returns a buffer of more than 32 MiB to the system when it is freed. The next call has
# to allocate it anew, and the system clears its pages, which takes longer than the work of a step.
CHUNK_ABOVE_BYTES = 10 * 2**20

# A chunk has at least this many steps, and this many rows (steps times batch). Each chunk computes
# the gradients of the weights and adds them to a sum. The addition is cheap only relative to matrix
# products of many rows. The values were chosen with `benchmarks/methods.py`.
CHUNK_STEPS, CHUNK_ROWS = 8, 512


class Jax(JaxCalls):
    """The kernels on JAX."""

    def run(self, plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
        plan = plan._replace(distributed=keras.distribution.distribution() is not None)
        return _run(plan, args)  # JAX calls `_forward` instead where a gradient is requested

    def linear_recurrence(self, a: Any, b: Any, first: Any) -> Any:
        return _linear_recurrence(a, b, first)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _differentiable(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    return outputs(plan, *forward_pass(plan, args, _FUNCTIONS, _loop, save=False))


def _forward(plan: Plan, args: Arguments) -> tuple[Any, Any]:
    last, steps = forward_pass(plan, args, _FUNCTIONS, _loop, save=True)
    return outputs(plan, last, steps), (args, steps)


def _backward(plan: Plan, saved: Any, gradients: Any) -> tuple[Arguments]:
    (args, steps), (d_last, d_steps) = saved, gradients
    loop = functools.partial(backward_pass, plan, functions=_FUNCTIONS, loop=_loop)
    length = _chunk_length(plan, args)
    if length is None:
        return (all_gradients(plan, loop, args, steps, d_last, d_steps),)
    return (_by_chunks(plan, loop, args, steps, d_last, d_steps, length),)


_differentiable.defvjp(_forward, _backward)
_run = jax.jit(_differentiable, static_argnums=0)  # eager calls of one shape compile once


def _loop(
    step: Callable[..., Any], carry: Any, xs: Any, widths: Any, reverse: bool = False
) -> tuple[Any, Any]:
    return lax.scan(step, carry, xs, reverse=reverse)


def _by_chunks(
    plan: Plan, loop: Any, args: Arguments, steps: Steps, d_last: Any, d_steps: Steps, length: int
) -> Arguments:
    """The gradients of all arguments, in chunks of `length` steps, from the last to the first."""

    def in_chunks(tensor: Any) -> Any:
        return tensor.reshape(-1, length, *tensor.shape[1:])

    def backward_of_chunk(carry: Any, current: Any) -> tuple[Any, Any]:
        d_states, totals = carry
        inputs, mask, resets, chunk_steps, d_chunk_steps = current
        chunk_args = args._replace(inputs=inputs, mask=mask, resets=resets)
        d_args = all_gradients(plan, loop, chunk_args, chunk_steps, d_states, d_chunk_steps)
        d_states = [*d_args.states, *d_args.fresh]
        return (d_states, added(totals, d_args)), d_args.inputs

    chunks = jax.tree.map(in_chunks, (args.inputs, args.mask, args.resets, steps, d_steps))
    carry = (with_fresh_gradients(args, d_last), zero_totals(args))
    (d_first, totals), d_inputs = lax.scan(backward_of_chunk, carry, chunks, reverse=True)
    return gathered(args, [d.reshape(-1, *d.shape[2:]) for d in d_inputs], d_first, totals)


def _chunk_length(plan: Plan, args: Arguments) -> int | None:
    """How many steps a chunk of the backward pass has; `None` for a pass without chunks.

    There are chunks only on a CPU and above `CHUNK_ABOVE_BYTES`, where the number of steps has a
    suitable divisor, and where the sizes are known: an export may leave them open. There are none
    where rows are on several devices, which would exchange the gradients of the weights in each.
    """
    if plan.distributed:
        return None
    steps, batch, _ = args.inputs[0].shape
    if jax.default_backend() != "cpu" or not isinstance(steps, int) or not isinstance(batch, int):
        return None
    state = args.states[0]
    bytes_per_step = batch * plan.cell.preactivations * state.shape[-1] * state.dtype.itemsize
    if steps * bytes_per_step <= CHUNK_ABOVE_BYTES:
        return None
    return chunk_length(steps, max(CHUNK_STEPS, -(-CHUNK_ROWS // batch)))


@functools.partial(jax.jit, static_argnames="reverse")
def _linear_loop(a: Any, b: Any, first: Any, reverse: bool = False) -> Any:
    return lax.scan(linear_step, first, (a, b), reverse=reverse)[1]


def _linear_forward(a: Any, b: Any, first: Any) -> tuple[Any, Any]:
    states = _linear_loop(a, b, first)
    return states, (a, first, states)


def _linear_backward(saved: Any, d_states: Any) -> tuple[Any, Any, Any]:
    a, first, states = saved
    return linear_backward_pass(_linear_loop, a, first, states, d_states)


_linear_recurrence = jax.custom_vjp(lambda a, b, first: _linear_loop(a, b, first))
_linear_recurrence.defvjp(_linear_forward, _linear_backward)

KERNELS = Jax()
