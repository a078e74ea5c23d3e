"""The portable path: the loop over the cell. On JAX, eager calls are compiled here.

JAX compiles a loop again for every new function object as its body, and keeps the compiled code.
So an eager call of one of the kit's cells is compiled once for each shape. A user's own cell may
depend on anything, which compiled code would not see change: it runs step by step.
"""

from collections.abc import Hashable
from typing import Any

from keras_rnnkit.cells import Zoneout
from keras_rnnkit.cells._min import positive
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running.calls import Call, Carry
from keras_rnnkit.running.loop import is_of_the_kit, run_loop
from keras_rnnkit.running.options import is_activation_of_keras, plain_options


def run_portable(layer: Any, call: Call, method: str) -> tuple[Carry, Carry]:
    """The runner of the loop over the cell; the contract is in `running/run.py`."""
    cell, unroll = layer.cell, layer.unroll
    if not unroll and _recompiles_loops(cell, call):
        if _is_known(cell):
            tensors, flags = _split(call)
            return backend_kernels().call_compiled(cell, _run, _fixed(cell), *tensors, **flags)
        unroll = True
    return run_loop(cell, call, unroll)


def _split(call: Call) -> tuple[list[Any], dict[str, bool]]:
    """The tensors of a call, and its flags by name, which are fixed when it is compiled."""
    flags = {name: value for name, value in call._asdict().items() if isinstance(value, bool)}
    return [value for name, value in call._asdict().items() if name not in flags], flags


def _run(cell: Any, *tensors: Any, **flags: Any) -> tuple[Carry, Carry]:
    names = (name for name in Call._fields if name not in flags)
    return run_loop(cell, Call(**dict(zip(names, tensors, strict=True)), **flags))


def _recompiles_loops(cell: Any, tensors: Any) -> bool:
    values = [variable.value for variable in getattr(cell, "variables", ())]
    return backend_kernels().recompiles_loops(tensors, values)


def _is_known(cell: Any) -> bool:
    """Whether everything that a step of the cell depends on is known."""
    return is_of_the_kit(cell) and all(map(_is_known_activation, _activations(cell)))


def _is_known_activation(activation: Any) -> bool:
    return activation is positive or is_activation_of_keras(activation)


def _activations(cell: Any) -> list[Any]:
    return [
        getattr(part, name)
        for part in _parts(cell)
        for name in ("activation", "recurrent_activation")
        if hasattr(part, name)
    ]


def _parts(cell: Any) -> list[Any]:
    """The cell, and the cells in it."""
    inner = [cell.cell] if isinstance(cell, Zoneout) else getattr(cell, "cells", [])
    return [cell, *(part for one in inner for part in _parts(one))]


def _fixed(cell: Any) -> Hashable:
    """What a step of the cell depends on besides its variables; a user may change all of it."""
    options = tuple(tuple(plain_options(part).items()) for part in _parts(cell))
    return options, tuple(_activations(cell)), cell.compute_dtype
