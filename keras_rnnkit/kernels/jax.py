"""Whole sequences on JAX: the shared kernels under `lax.scan`, with their own backward pass."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import keras
from jax import lax

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
    d_first, d_pre = backward(plan, args, steps, d_last, d_steps, _TO, _scan)
    found = weight_gradients(plan, args, steps, d_first, d_pre)
    return (found._replace(inputs=input_gradients(plan, args, d_pre)),)


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
