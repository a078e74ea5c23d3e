"""Whole sequences on JAX: the shared kernels under `lax.scan`, with their own backward pass."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax import lax

from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps, outputs
from keras_rnnkit.kernels._cells import Functions
from keras_rnnkit.kernels._chunks import added, chunk_length, gathered, zero_totals
from keras_rnnkit.kernels._defaults import (
    as_one_program,
    exporting,
    exporting_to_onnx,
    has_onednn,
    transforming,
    with_batch_size,
)
from keras_rnnkit.kernels._gradients import all_gradients
from keras_rnnkit.kernels._jax_calls import (
    call_compiled,
    compiled,
    on_gpu,
    recompiles_loops,
    scan,
    value_and_gradients,
)
from keras_rnnkit.kernels._linear import backward_pass
from keras_rnnkit.kernels._sequence import backward, forward

__all__ = [
    "as_one_program",
    "call_compiled",
    "compiled",
    "exporting",
    "exporting_to_onnx",
    "has_onednn",
    "linear_scan",
    "on_gpu",
    "recompiles_loops",
    "run",
    "scan",
    "transforming",
    "value_and_gradients",
    "with_batch_size",
]

_FUNCTIONS = Functions(jax.nn.sigmoid, jax.numpy.tanh)

# Where the gradients of the pre-activations of all steps take more bytes than this, the backward
# pass on a CPU is chunked. With gates and previous states, which take about twice as much, they
# would not fit in the 32 MiB that glibc keeps for the next call; of anything larger, the system
# clears every page anew in every call.
CHUNK_ABOVE_BYTES = 10 * 2**20

# What a chunk has at least of steps, and of rows (steps times batch): its products are then large
# compared with the totals of the weight gradients that each chunk adds to. These were set with
# `benchmarks/methods.py`.
CHUNK_STEPS, CHUNK_ROWS = 8, 512


def run(plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
    """Run a cell over whole sequences; a gradient that is asked for saves what it needs."""
    return _run(plan, args)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _differentiable(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    return outputs(plan, *forward(plan, args, _FUNCTIONS, _loop, save=False))


def _forward(plan: Plan, args: Arguments) -> tuple[Any, Any]:
    last, steps = forward(plan, args, _FUNCTIONS, _loop, save=True)
    return outputs(plan, last, steps), (args, steps)


def _backward(plan: Plan, saved: Any, gradients: Any) -> tuple[Arguments]:
    (args, steps), (d_last, d_steps) = saved, gradients
    loop = functools.partial(backward, plan, functions=_FUNCTIONS, loop=_loop)
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


@jax.custom_vjp
def linear_scan(a: Any, b: Any, first: Any) -> Any:
    """The states of `h = a h + b` after every step, in sequence."""
    return _linear_scan(a, b, first)


@functools.partial(jax.jit, static_argnames="reverse")
def _linear_scan(a: Any, b: Any, first: Any, reverse: bool = False) -> Any:
    def step(h: Any, current: Any) -> tuple[Any, Any]:
        a_t, b_t = current
        h = a_t * h + b_t
        return h, h

    return lax.scan(step, first, (a, b), reverse=reverse)[1]


def _linear_forward(a: Any, b: Any, first: Any) -> tuple[Any, Any]:
    states = _linear_scan(a, b, first)
    return states, (a, first, states)


def _linear_backward(saved: Any, d_states: Any) -> tuple[Any, Any, Any]:
    a, first, states = saved
    return backward_pass(_linear_scan, a, first, states, d_states)


linear_scan.defvjp(_linear_forward, _linear_backward)
