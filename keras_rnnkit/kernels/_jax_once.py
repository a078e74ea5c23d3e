"""Functions of a cell that JAX compiles once a shape, though they are called eagerly."""

import functools
import weakref
from collections.abc import Callable, Hashable
from typing import Any

import jax
import keras

# By cell: what was compiled for it goes when the cell goes.
_compiled: weakref.WeakKeyDictionary[Any, dict[Any, Any]] = weakref.WeakKeyDictionary()


def is_traced(*values: Any) -> bool:
    """Whether any tensor in these structures belongs to a function that JAX is tracing."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))


def call_once(
    cell: Any, function: Callable[..., Any], fixed: Hashable, *args: Any, **options: Any
) -> Any:
    """The function of a cell and tensors, compiled once a shape.

    Args:
        cell: The cell. Its variables are read as they are now.
        function: Called as `function(cell, *args, **options)`; it changes nothing.
        fixed: Everything else about the cell that the function depends on.
        *args: Structures of tensors.
        **options: What is fixed when the function is compiled.
    """
    compiled = _compiled.setdefault(cell, {})
    if function not in compiled:
        compiled[function] = _pure(weakref.ref(cell), function)
    values = [variable.value for variable in cell.variables]
    return compiled[function](values, args, fixed=fixed, options=tuple(sorted(options.items())))


def _pure(cell: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the values of the cell's variables as an argument; it keeps no cell."""

    @functools.partial(jax.jit, static_argnames=("fixed", "options"))
    def pure(values: list[Any], args: Any, fixed: Hashable, options: Any) -> Any:
        own = cell()
        mapping = list(zip(own.variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return function(own, *args, **dict(options))

    return pure
