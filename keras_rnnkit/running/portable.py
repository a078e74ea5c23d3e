"""The portable path: the loop over the cell, and on JAX how it goes where nothing compiles it.

JAX compiles a loop anew whenever its body is a new function, and keeps what it compiled. So an
eager call of one of the kit's cells is compiled once a shape; a cell of somebody's own, of which
nobody knows what else it looks at, goes step by step.
"""

from collections.abc import Hashable
from typing import Any

import keras
from keras import tree

from keras_rnnkit.cells import Zoneout
from keras_rnnkit.cells._min import positive
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running.calls import Call, Carry
from keras_rnnkit.running.loop import is_of_the_kit, run_loop


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
    """The tensors of a call, and what is fixed when it is compiled, by name."""
    flags = {name: value for name, value in call._asdict().items() if isinstance(value, bool)}
    return [value for name, value in call._asdict().items() if name not in flags], flags


def _run(cell: Any, *tensors: Any, **flags: Any) -> tuple[Carry, Carry]:
    names = (name for name in Call._fields if name not in flags)
    return run_loop(cell, Call(**dict(zip(names, tensors, strict=True)), **flags))


def _recompiles_loops(cell: Any, tensors: Any) -> bool:
    values = [variable.value for variable in getattr(cell, "variables", ())]
    return backend_kernels().recompiles_loops(tensors, values)


def _is_known(cell: Any) -> bool:
    """Whether all that a step of the cell depends on is known."""
    return is_of_the_kit(cell) and all(map(_is_known_activation, _activations(cell)))


def _is_known_activation(activation: Any) -> bool:
    name = getattr(activation, "__name__", "")
    return activation is positive or getattr(keras.activations, name, None) is activation


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
    """What a step of the cell depends on beside its variables; all of it can be set anew."""
    plain = (bool, int, float, str)
    settings = tuple(
        (name, value)
        for part in _parts(cell)
        for name, value in vars(part).items()
        if isinstance(value, plain)
    )
    rates = [rate for part in _parts(cell) for rate in tree.flatten(getattr(part, "rates", ()))]
    return settings, tuple(rates), tuple(_activations(cell)), cell.compute_dtype
