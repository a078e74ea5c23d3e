"""Variables that a user's cell assigns in a step: seeds, running means, counters.

`jax.lax.scan` traces the step once, so the assigned variables must be part of the carry. Otherwise
every step would start from the same values, and a tracer would be left in the variable.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def non_trainable_variables(cell: Any) -> list[Any]:
    """The variables that a step may assign, including the seeds of dropout."""
    return list(getattr(cell, "non_trainable_variables", ()))


def with_variables_in_carry(scan: Callable[..., Any], variables: list[Any]) -> Callable[..., Any]:
    """The scan, with these variables in its carry; the changed ones are assigned after it."""
    if not variables:
        return scan

    def run(step: Callable[..., Any], init: Any, xs: Any) -> tuple[Any, Any]:
        changed: set[int] = set()

        def inner(carry: Any, current: Any) -> tuple[Any, Any]:
            first, values = carry
            with NestedScope(state_mapping=list(zip(variables, values, strict=True))) as scope:
                new, out = step(first, current)
            after = [scope.get_current_value(variable) for variable in variables]
            changed.update(i for i, value in enumerate(after) if value is not values[i])
            return (new, after), out

        values = [ops.cast(ops.convert_to_tensor(v), v.dtype) for v in variables]
        (last, values), steps = scan(inner, (init, values), xs)
        for i in sorted(changed):
            variables[i].assign(values[i])
        return last, steps

    return run


class NestedScope(keras.StatelessScope):
    """A nested `StatelessScope`: variables that it does not map come from the outer scope."""

    def get_current_value(self, variable: Any) -> Any:
        value = super().get_current_value(variable)
        if value is None and self.original_scope is not None:
            value = self.original_scope.get_current_value(variable)
        # Keras asks for the values of regularized weights, which this scope may not have mapped.
        return variable._value if value is None else value
