"""States by name: of one layer, of both directions, of a whole stack."""

import functools
from collections import namedtuple
from typing import Any, NamedTuple

import keras
from keras import ops, tree

from keras_rnnkit.cells.zoneout import state_names
from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.running.names import (
    flat_states,
    has_names,
    is_list_of_structures,
    states_in_order,
    values_in_order,
)


class BidirectionalStates(NamedTuple):
    """The states of the two directions."""

    forward: Any
    backward: Any


def state_count(layer: Any) -> int:
    """How many state tensors a recurrent layer, or both directions of one, has."""
    return sum(len(tree.flatten(part.state_size)) for part in directions(layer))


def directions(layer: Any) -> list[Recurrent]:
    """The recurrent layer itself, or the two of a `Bidirectional`."""
    if isinstance(layer, keras.layers.Bidirectional):
        return [layer.forward_layer, layer.backward_layer]
    return [layer]


def named_states(layer: Any, flat: list[Any]) -> Any:
    """The state tensors of a layer, by name: `States(hidden=..., cell=...)` for an LSTM.

    Args:
        layer: A recurrent layer of the kit, or a `Bidirectional` around one.
        flat: Its state tensors, those of the forward direction first.
    """
    named = []
    for part in directions(layer):
        count = state_count(part)
        named.append(_states_type(state_names(part.cell))(*flat[:count]))
        flat = flat[count:]
    return BidirectionalStates(*named) if len(named) == 2 else named[0]


def split_states(owner: str, states: Any, layers: list[Any]) -> list[Any]:
    """Split the states that a user gives to a stack: a list of tensors for each layer.

    Args:
        owner: The stack's name in an error.
        states: A dict or NamedTuple by layer name, a list with an entry for each layer, or a flat
            list of all tensors. The entry of a layer is a list in the order of its states, or a
            dict or NamedTuple by their names.
        layers: The recurrent layers of the stack.
    """
    counts = {layer.name: state_count(layer) for layer in layers}
    if has_names(states):
        states = values_in_order(owner, states, tuple(counts), "initial_state")
    elif not is_list_of_structures(states, len(layers)):
        states = _cut(flat_states(owner, states, "initial_state"), counts)
    parts = [
        states_in_order(owner, layer, given, f"initial_state[{layer.name!r}]")
        for layer, given in zip(layers, states, strict=True)
    ]
    for (name, count), part in zip(counts.items(), parts, strict=True):
        if len(part) != count:
            raise ValueError(
                f"{owner}: expected `initial_state` to hold {count} tensor(s) for layer {name!r}, "
                "as `stack.get_initial_state(batch_size)` returns them; states of a bidirectional "
                f"stack go through `merge_states` first. Received: len(states)={len(part)}"
            )
    return parts


def _cut(flat: list[Any], counts: dict[str, int]) -> list[list[Any]]:
    """Cut a flat list into one list for each layer; the last one gets surplus tensors."""
    parts, rest = [], list(flat)
    for count in counts.values():
        parts.append(rest[:count])
        rest = rest[count:]
    parts[-1] += rest
    return parts


def last_valid(x: Any, mask: Any) -> Any:
    """The values `(batch, width)` of the last step where the mask is true, for each sequence."""
    if mask is None:
        return x[:, -1]
    time = ops.shape(x)[1]
    last = time - 1 - ops.argmax(ops.cast(ops.flip(mask, axis=1), "int32"), axis=1)
    return ops.take_along_axis(x, last[:, None, None], axis=1)[:, 0]


@functools.cache
def _states_type(names: tuple[str, ...]) -> Any:
    return namedtuple("States", names)


def merge_states(states: Any, mode: str = "concat") -> Any:
    """The states of both directions as those of a one-directional layer, to start a decoder.

    Args:
        states: What a `StackedRNN(..., bidirectional=True, return_state=True)` returned: a
            dict with a `BidirectionalStates` for each layer. Or the list of states that a
            `Bidirectional(..., return_state=True)` returned after its output: those of the
            forward layer, then those of the backward one, each `(batch, units)`.
        mode: `"concat"` concatenates the two directions, so that a decoder needs twice the
            units; `"sum"`, `"mul"` and `"ave"` keep the width.

    Returns:
        For a stack a dict of `States` with the same names, ready to be the `initial_state` of a
        `StackedRNN`; for a list a list half as long, ready to be that of a recurrent layer.

    Raises:
        ValueError: For an unknown mode, or states of two directions that differ in number or width.
        TypeError: For states that are not those of two directions.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> x = np.ones((2, 5, 3), "float32")
    >>> encoder = kit.StackedRNN([4, 3], bidirectional=True, return_state=True)
    >>> _, states = encoder(x)
    >>> decoder = kit.StackedRNN([8, 6], return_sequences=True)
    >>> tuple(decoder(x, initial_state=kit.merge_states(states)).shape)
    (2, 5, 6)
    >>> _, *states = kit.Bidirectional(kit.LSTM(4, return_state=True))(x)
    >>> tuple(kit.LSTM(8)(x, initial_state=kit.merge_states(states)).shape)
    (2, 8)
    """
    if mode not in _MERGES:
        modes = ", ".join(map(repr, _MERGES))
        raise ValueError(f"`mode` of merge_states must be one of {modes}. Received: mode={mode!r}")
    if isinstance(states, BidirectionalStates):
        return _merged("states", states, mode)
    if isinstance(states, list | tuple) and not has_names(states):
        return _merged_list(list(states), mode)
    if not isinstance(states, dict):
        raise TypeError(
            "`states` of merge_states must be the dict of states that a bidirectional StackedRNN "
            "returns with `return_state=True`, or the list of those that a Bidirectional returns "
            f"after its output. Received: type(states)={type(states).__name__}"
        )
    return {name: _merged(f"states[{name!r}]", both, mode) for name, both in states.items()}


_MERGES = {
    "concat": lambda a, b: ops.concatenate([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
}


def _merged_list(states: list[Any], mode: str) -> list[Any]:
    """The states of a `Bidirectional`, which are a flat list."""
    half, odd = divmod(len(states), 2)
    if odd or not half or not all(hasattr(state, "shape") for state in tree.flatten(states)):
        raise TypeError(
            "a list as `states` of merge_states must hold the tensors of the forward layer, then "
            "as many of the backward one, without the output before them. "
            f"Received: types={[type(s).__name__ for s in states]}"
        )
    return [_merged_pair(*pair, mode) for pair in zip(states[:half], states[half:], strict=True)]


def _merged_pair(forward: Any, backward: Any, mode: str) -> Any:
    if isinstance(forward, list | tuple):  # of one cell in a stack of cells
        return [_merged_pair(*pair, mode) for pair in zip(forward, backward, strict=True)]
    if mode != "concat" and tuple(forward.shape) != tuple(backward.shape):
        raise ValueError(
            f"`states` of merge_states must have the same shape in both directions for "
            f'mode={mode!r}; "concat" takes any width. '
            f"Received: forward.shape={tuple(forward.shape)}, "
            f"backward.shape={tuple(backward.shape)}"
        )
    return _MERGES[mode](forward, backward)


def _merged(argument: str, both: Any, mode: str) -> Any:
    if not isinstance(both, list | tuple) or len(both) != 2 or not isinstance(both[0], tuple):
        raise TypeError(
            f"`{argument}` must hold the states of two directions, `(forward, backward)`. "
            f"Only bidirectional stacks need merging. Received: type(states)={type(both).__name__}"
        )
    forward, backward = both
    pairs = zip(forward, backward, strict=True)
    return type(forward)(*(_merged_pair(a, b, mode) for a, b in pairs))
