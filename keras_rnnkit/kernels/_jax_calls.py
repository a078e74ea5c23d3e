"""How JAX compiles and differentiates functions of the package."""

import functools
import weakref
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import keras
import numpy as np

from keras_rnnkit.kernels.protocol import Kernels

# By cell: what was compiled for it goes when the cell goes.
_compiled: weakref.WeakKeyDictionary[Any, dict[Any, Any]] = weakref.WeakKeyDictionary()


class JaxCalls(Kernels):
    """The members of the protocol beside the kernels themselves."""

    def recomputing_loop(
        self,
        step: Callable[..., Any],
        variables: list[Any],
        carry: Any,
        xs: Any,
        kinds: Any,
        draws: bool = False,
    ) -> tuple[Any, list[Any]]:
        # A loop prevents by itself that XLA merges the second run with the first.
        return jax.lax.scan(jax.checkpoint(step, prevent_cse=False), carry, xs)

    def compiled(
        self, function: Callable[..., Any], variables: list[Any], xla: bool
    ) -> Callable[..., Any]:
        @jax.jit
        def pure(values: list[Any], *args: Any) -> tuple[Any, dict[int, Any]]:
            """The result, and the new values of the variables that the function assigns."""
            mapping = list(zip(variables, values, strict=True))
            with keras.StatelessScope(state_mapping=mapping) as scope:
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

    def recompiles_loops(self, *values: Any) -> bool:
        # Not in a function that JAX compiles as a whole.
        return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))

    def call_compiled(
        self, cell: Any, function: Callable[..., Any], fixed: Hashable, *args: Any, **options: Any
    ) -> Any:
        functions = _compiled.setdefault(cell, {})
        if function not in functions:
            functions[function] = _pure(weakref.ref(cell), function)
        values = [variable.value for variable in cell.variables]
        sorted_options = tuple(sorted(options.items()))
        return functions[function](values, args, fixed=fixed, options=sorted_options)

    def value_and_gradients(
        self, function: Callable[..., Any], tensors: list[Any]
    ) -> tuple[Any, list[Any]]:
        return jax.value_and_grad(lambda values: function(*values))(list(tensors))

    def as_array(self, tensor: Any) -> Any:
        if not isinstance(tensor, jax.Array):
            return super().as_array(tensor)
        return np.asarray(tensor)

    def shared(self, *layers: Any) -> AbstractContextManager[None]:
        return nullcontext()

    def on_gpu(self, variable: Any) -> bool:
        # Where the device is not known, as under jit, the default one.
        value = None if variable is None else _value_of(variable)
        if isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer):
            return any(device.platform == "gpu" for device in value.devices())
        default = jax.config.jax_default_device  # `None`, a device, or the name of a platform
        if default is None:
            return jax.default_backend() == "gpu"
        return getattr(default, "platform", default) in ("gpu", "cuda", "rocm")


def _pure(cell: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the values of the cell's variables as an argument; it keeps no cell."""

    @functools.partial(jax.jit, static_argnames=("fixed", "options"))
    def pure(values: list[Any], args: Any, fixed: Hashable, options: Any) -> Any:
        own = cell()
        mapping = list(zip(own.variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return function(own, *args, **dict(options))

    return pure


def _value_of(variable: Any) -> Any:
    """The value of a variable; `None` while the trainer holds it."""
    try:
        return variable.value
    except TypeError:  # Keras tries to initialize the variable, but its initializer is gone
        return None
