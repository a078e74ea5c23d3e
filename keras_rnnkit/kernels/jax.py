"""Whole sequences on JAX: the shared kernels under `lax.scan`, with their own backward pass."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax import lax

from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps, outputs
from keras_rnnkit.kernels._cells import Functions
from keras_rnnkit.kernels._chunks import added, chunk_length, gathered, zero_totals
from keras_rnnkit.kernels._gradients import all_gradients
from keras_rnnkit.kernels._jax_calls import JaxCalls
from keras_rnnkit.kernels._linear import linear_backward_pass, linear_step
from keras_rnnkit.kernels._sequence import backward_pass, forward_pass

_FUNCTIONS = Functions(jax.nn.sigmoid, jax.numpy.tanh)

# The backward pass on a CPU is chunked where the gradients of the pre-activations of all steps take
# more bytes than this. The gates and the previous states take about twice as many. Above 32 MiB in
# all, glibc returns a buffer to the system when it is freed, and the system clears every page again
# when the next call allocates it, which takes longer than the work of a step.
CHUNK_ABOVE_BYTES = 10 * 2**20

# A chunk has at least so many steps, and so many rows (steps times batch). Each chunk adds its
# gradients of the weights to totals, which costs little only beside products of many rows.
# Set with `benchmarks/methods.py`.
CHUNK_STEPS, CHUNK_ROWS = 8, 512


class Jax(JaxCalls):
    """The kernels on JAX."""

    def run(self, plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
        return _run(plan, args)  # JAX itself calls `_forward` where a gradient is requested

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
    """The gradients of all arguments by chunks of so many steps, the last one first."""

    def cut(tensor: Any) -> Any:
        return tensor.reshape(-1, length, *tensor.shape[1:])

    def of_chunk(carry: Any, current: Any) -> tuple[Any, Any]:
        d_states, totals = carry
        inputs, mask, own, d_own = current
        own_args = args._replace(inputs=inputs, mask=mask)
        found = all_gradients(plan, loop, own_args, own, d_states, d_own)
        return (found.states, added(totals, found)), found.inputs

    chunks = jax.tree.map(cut, (args.inputs, args.mask, steps, d_steps))
    carry = (d_last, zero_totals(args))
    (d_first, totals), d_inputs = lax.scan(of_chunk, carry, chunks, reverse=True)
    return gathered(args, [d.reshape(-1, *d.shape[2:]) for d in d_inputs], d_first, totals)


def _chunk_length(plan: Plan, args: Arguments) -> int | None:
    """How many steps make a chunk of the backward pass; `None` for no chunks.

    No chunks, too, where no length divides the steps, or where an export leaves sizes open.
    """
    steps, batch, _ = args.inputs[0].shape
    if jax.default_backend() != "cpu" or not isinstance(steps, int) or not isinstance(batch, int):
        return None
    state = args.states[0]
    a_step = batch * plan.cell.preactivations * state.shape[-1] * state.dtype.itemsize
    if steps * a_step <= CHUNK_ABOVE_BYTES:
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
