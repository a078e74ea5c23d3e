"""Whole sequences on JAX: the shared kernels under `lax.scan`, with their own backward pass."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import keras
from jax import lax

from keras_rnnkit.kernels._cells import Functions
from keras_rnnkit.kernels._chunks import (
    added,
    all_gradients,
    fitting_length,
    gathered,
    no_sums,
)
from keras_rnnkit.kernels._jax_once import call_once, is_traced
from keras_rnnkit.kernels._linear import backward_pass
from keras_rnnkit.kernels._sequence import (
    Arguments,
    Plan,
    Steps,
    backward,
    forward,
    shown,
    sums_of,
)

__all__ = ["call_once", "compiled", "is_traced", "linear_scan", "run", "together"]

_TO = Functions(jax.nn.sigmoid, jax.numpy.tanh)

# Where the gradients of the pre-activations of all steps take more bytes than this, the backward
# pass on a CPU is chunked: it consumes those of one chunk of steps before it computes the next.
# With what they are made of, which
# is about twice as large (gates and old states), they would not fit in the 32 MiB that glibc keeps
# for the next call; of anything larger, the system clears every page anew in every call.
CHUNK_ABOVE_BYTES = 10 * 2**20

# What a block has of steps, at least, and of rows, its steps times the batch: its products are then
# large beside the sums of the gradients of the weights that each block adds to. These were set with
# `benchmarks/methods.py`.
STEPS, ROWS = 8, 512


def run(plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
    """The last states, and of the steps what the plan asks for.

    Args:
        plan: What is fixed.
        args: The tensors, time first.
        training: Not needed here: what the backward pass needs is saved where a gradient is asked.
    """
    return _run(plan, args)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _differentiable(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    return shown(plan, *forward(plan, args, _TO, _scan, save=False))


def _forward(plan: Plan, args: Arguments) -> tuple[Any, Any]:
    last, steps = forward(plan, args, _TO, _scan, save=True)
    return shown(plan, last, steps), (args, steps)


def _backward(plan: Plan, saved: Any, gradients: Any) -> tuple[Arguments]:
    (args, steps), (d_last, d_steps) = saved, gradients
    length = _block_length(plan, args)
    if length is None:
        return (all_gradients(plan, _back(plan), args, steps, d_last, d_steps),)
    return (_in_blocks(plan, args, steps, d_last, d_steps, length),)


def _back(plan: Plan) -> Callable[..., Any]:
    """The loop of the backward pass."""
    return functools.partial(backward, plan, to=_TO, scan=_scan)


def _in_blocks(
    plan: Plan, args: Arguments, steps: Steps, d_last: Any, d_steps: Any, length: int
) -> Arguments:
    """The gradients of all arguments by blocks of so many steps, the last one first."""

    def cut(tensor: Any) -> Any:
        return tensor.reshape(-1, length, *tensor.shape[1:])

    def block(carry: Any, current: Any) -> tuple[Any, Any]:
        d_states, sums = carry
        inputs, keep, own, d_own = current
        of_block = args._replace(inputs=inputs, keep=keep)
        found = all_gradients(plan, _back(plan), of_block, own, d_states, d_own)
        return (found.states, added(sums, found)), found.inputs

    blocks = jax.tree.map(cut, (args.inputs, args.keep, steps, d_steps))
    (d_first, sums), d_inputs = lax.scan(block, (d_last, no_sums(args)), blocks, reverse=True)
    return gathered(args, [d.reshape(-1, *d.shape[2:]) for d in d_inputs], d_first, sums)


def _block_length(plan: Plan, args: Arguments) -> int | None:
    """How many steps make a block of the backward pass; `None` for all at once.

    All at once, too, where no length divides the steps, or where an export leaves sizes open.
    """
    steps, batch, _ = args.inputs[0].shape
    if jax.default_backend() != "cpu" or not isinstance(steps, int) or not isinstance(batch, int):
        return None
    state = args.states[0]
    if (
        steps * batch * sums_of(plan.cell) * state.shape[-1] * state.dtype.itemsize
        <= CHUNK_ABOVE_BYTES
    ):
        return None
    return fitting_length(steps, max(STEPS, -(-ROWS // batch)))


_differentiable.defvjp(_forward, _backward)
_run = jax.jit(_differentiable, static_argnums=0)  # eager calls of one shape compile once


def compiled(function: Callable[..., Any], variables: list[Any], xla: bool) -> Callable[..., Any]:
    """The function of tensors, compiled once a shape; it reads and assigns the variables as usual.

    It reads them as they then are; those that it assigns, seeds say, get what it assigned.
    """

    @jax.jit
    def pure(values: list[Any], *args: Any) -> tuple[Any, dict[int, Any]]:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))) as scope:
            before = list(map(scope.get_current_value, variables))
            result = function(*args)
            after = list(map(scope.get_current_value, variables))
        pairs = enumerate(zip(before, after, strict=True))
        return result, {i: new for i, (old, new) in pairs if new is not old}

    def run(*args: Any) -> Any:
        result, assigned = pure([variable.value for variable in variables], *args)
        for i, value in assigned.items():
            variables[i].assign(value)
        return result

    return run


def _scan(
    step: Callable[..., Any], carry: Any, xs: Any, widths: Any, reverse: bool = False
) -> tuple[Any, Any]:
    return lax.scan(step, carry, xs, reverse=reverse)


def together(function: Callable[..., Any], variables: list[Any]) -> Callable[..., Any]:
    """The function itself: XLA sees the whole model."""
    return function


@jax.custom_vjp
def linear_scan(a: Any, b: Any, first: Any) -> Any:
    """H = a h + b, step by step.

    Args:
        a: `(time, batch, units)`.
        b: `(time, batch, units)`.
        first: `(batch, units)`.

    Returns:
        The state after every step, `(time, batch, units)`.
    """
    return _linear(a, b, first)


@functools.partial(jax.jit, static_argnames="reverse")
def _linear(a: Any, b: Any, first: Any, reverse: bool = False) -> Any:
    def step(h: Any, current: Any) -> tuple[Any, Any]:
        a_t, b_t = current
        h = a_t * h + b_t
        return h, h

    return lax.scan(step, first, (a, b), reverse=reverse)[1]


def _linear_forward(a: Any, b: Any, first: Any) -> tuple[Any, Any]:
    every = _linear(a, b, first)
    return every, (a, first, every)


def _linear_backward(saved: Any, d_every: Any) -> tuple[Any, Any, Any]:
    a, first, every = saved
    return backward_pass(_linear, a, first, every, d_every)


linear_scan.defvjp(_linear_forward, _linear_backward)
