"""The portable path: the loop over the cell.

On JAX, an eager call of `lax.scan` compiles its body again unless the body is the same function
object as before. The loop makes a new function in every call, so every eager call would compile.
Instead, this path compiles the whole call of one of the kit's cells, once for each shape and each
set of options. A user's own cell may read anything, for example a global variable, and compiled
code would not see that it changed: such a cell runs in a Python loop.
"""

from collections.abc import Hashable
from typing import Any

from keras_rnnkit.cells import Zoneout
from keras_rnnkit.cells._min import positive
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running.calls import Call, Carry, Steps
from keras_rnnkit.running.loop import is_of_the_kit, recompiles_loops, run_loop
from keras_rnnkit.running.options import is_activation_of_keras, plain_options


def run_portable(layer: Any, call: Call, method: str) -> tuple[Carry, Steps]:
    """The runner of the loop over the cell; the contract is in `running/run.py`."""
    cell, unroll = layer.cell, layer.unroll
    if not unroll and recompiles_loops(cell, call):
        if _is_pure(cell):
            tensors, flags = _split(call)
            key = _compile_key(cell)
            return backend_kernels().call_compiled(cell, _run, key, *tensors, **flags)
        unroll = True
    return run_loop(cell, call, unroll)


def _split(call: Call) -> tuple[list[Any], dict[str, bool]]:
    """The tensors of a call, and its flags by name: it is compiled again for new flags."""
    flags = {name: value for name, value in call._asdict().items() if isinstance(value, bool)}
    return [value for name, value in call._asdict().items() if name not in flags], flags


def _run(cell: Any, *tensors: Any, **flags: Any) -> tuple[Carry, Steps]:
    names = (name for name in Call._fields if name not in flags)
    return run_loop(cell, Call(**dict(zip(names, tensors, strict=True)), **flags))


def _is_pure(cell: Any) -> bool:
    """Whether a step depends only on its arguments, the variables and what `_compile_key` has."""
    return is_of_the_kit(cell) and all(map(_is_pure_activation, _activations(cell)))


def _is_pure_activation(activation: Any) -> bool:
    return activation is positive or is_activation_of_keras(activation)


def _activations(cell: Any) -> list[Any]:
    return [
        getattr(part, name)
        for part in _with_inner_cells(cell)
        for name in ("activation", "recurrent_activation")
        if hasattr(part, name)
    ]


def _with_inner_cells(cell: Any) -> list[Any]:
    """The cell, and the cells in it."""
    inner = [cell.cell] if isinstance(cell, Zoneout) else getattr(cell, "cells", [])
    return [cell, *(part for one in inner for part in _with_inner_cells(one))]


def _compile_key(cell: Any) -> Hashable:
    """What a step of the cell reads besides variables. A change of it needs a new compilation."""
    options = tuple(tuple(plain_options(part).items()) for part in _with_inner_cells(cell))
    return options, tuple(_activations(cell)), cell.compute_dtype
