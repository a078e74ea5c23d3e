"""Whole sequences on JAX: the shared kernels under `lax.scan`, with their own backward pass."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import keras
from jax import lax
from keras import tree

from keras_rnnkit.kernels._cells import Functions
from keras_rnnkit.kernels._linear import way_back
from keras_rnnkit.kernels._sequence import (
    Arguments,
    Plan,
    Steps,
    backward,
    forward,
    input_gradients,
    shown,
    weight_gradients,
)

_TO = Functions(jax.nn.sigmoid, jax.numpy.tanh)

# Gradients of the sums that take more bytes than this, of all steps together, are made and used up
# block by block on a CPU. They and what they are made of would not fit in the 32 MiB that glibc
# gives back to the next call; of what is larger, the system clears every page anew in every call.
AT_ONCE = 10 * 2**20

# What a block has of steps, at least, and of rows, its steps times the batch: its products are then
# large beside the sums of the gradients of the weights that each block adds to.
STEPS, ROWS = 8, 512


def run(plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
    """The last states, and of the steps what the plan asks for.

    Args:
        plan: What is fixed.
        args: The tensors, time first.
        training: Not needed here: what the way back takes is kept where a gradient is asked for.
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
    length = _block(args)
    if length is None:
        return (_way_back(plan, args, steps, d_last, d_steps),)

    def cut(tensor: Any) -> Any:
        return tensor.reshape(-1, length, *tensor.shape[1:])

    def block(carry: Any, current: Any) -> tuple[Any, Any]:
        d_states, sums = carry
        inputs, keep, steps, d_steps = current
        found = _way_back(plan, args._replace(inputs=inputs, keep=keep), steps, d_states, d_steps)
        sums = [total + part for total, part in zip(sums, _of_weights(found), strict=True)]
        return (found.states, sums), found.inputs

    none = [jax.numpy.zeros(w.shape, _no_less_than_single(w)) for w in _of_weights(args)]
    by_block = tree.map_structure(cut, (args.inputs, args.keep, steps, d_steps))
    (d_first, sums), d_inputs = lax.scan(block, (d_last, none), by_block, reverse=True)
    d_kernel, d_recurrent, d_bias = (
        total.astype(weights.dtype) for total, weights in zip(sums, _of_weights(args), strict=True)
    )
    return (
        Arguments(
            inputs=[d.reshape(-1, *d.shape[2:]) for d in d_inputs],
            states=d_first,
            kernel=d_kernel,
            recurrent_kernel=d_recurrent,
            bias=d_bias,
            keep=[None for _ in args.keep],
            drop=[None for _ in args.drop],
        ),
    )


def _way_back(plan: Plan, args: Arguments, steps: Steps, d_last: Any, d_steps: Any) -> Arguments:
    """All gradients, of steps that are taken in one go."""
    d_first, d_pre = backward(plan, args, steps, d_last, d_steps, _TO, _scan)
    found = weight_gradients(plan, args, steps, d_first, d_pre)
    return found._replace(inputs=input_gradients(plan, args, d_pre))


def _block(args: Arguments) -> int | None:
    """How many steps make a block of the way back; `None` for all in one go."""
    steps, batch, _ = args.inputs[0].shape
    columns = args.kernel.shape[-1]
    if jax.default_backend() != "cpu" or steps * batch * columns * args.kernel.itemsize <= AT_ONCE:
        return None
    fewest = max(STEPS, -(-ROWS // batch))
    return next((length for length in range(fewest, steps // 2 + 1) if steps % length == 0), None)


def _of_weights(args: Arguments) -> list[Any]:
    return [args.kernel, args.recurrent_kernel, args.bias]


def _no_less_than_single(weights: Any) -> Any:
    """The dtype to sum in."""
    return jax.numpy.promote_types(weights.dtype, jax.numpy.float32)


_differentiable.defvjp(_forward, _backward)
_run = jax.jit(_differentiable, static_argnums=0)  # eager calls of one shape compile once


def compiled(function: Callable[..., Any], variables: list[Any], xla: bool) -> Callable[..., Any]:
    """The function of tensors, compiled once a shape; it reads the variables as they then are."""

    @jax.jit
    def pure(values: list[Any], *args: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*args)

    return lambda *args: pure([variable.value for variable in variables], *args)


def _scan(
    step: Callable[..., Any], carry: Any, xs: Any, widths: Any, reverse: bool = False
) -> tuple[Any, Any]:
    return lax.scan(step, carry, xs, reverse=reverse)


def together(function: Callable[..., Any]) -> Callable[..., Any]:
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
    return way_back(_linear, a, first, every, d_every)


linear_scan.defvjp(_linear_forward, _linear_backward)
