"""The name of a layer in errors, and states given by name or as a list, in the layer's order."""

from typing import Any

import keras

from keras_rnnkit.cells.zoneout import state_names

DIRECTIONS = ("forward", "backward")


def name_of(layer: Any) -> str:
    """The layer's type and name, with which errors begin."""
    return f"{type(layer).__name__} '{layer.name}'"


def states_in_order(owner: str, layer: Any, states: Any, argument: str) -> list[Any]:
    """The state tensors of a recurrent layer, flat and in its order.

    Args:
        owner: The layer's name in an error.
        layer: A recurrent layer, or a `Bidirectional` around one.
        states: A tensor, a list in the layer's order, or a dict or NamedTuple by the names of the
            states; for both directions a list of the two, or by `forward` and `backward`.
        argument: The name of the caller's argument.

    Raises:
        ValueError: For a name that is unknown or missing.
    """
    if not isinstance(layer, keras.layers.Bidirectional):
        return _states_of_cell(owner, layer.cell, states, argument)
    layers = (layer.forward_layer, layer.backward_layer)
    if has_names(states):
        states = values_in_order(owner, states, DIRECTIONS, argument)
    elif not is_list_of_structures(states, len(layers)):
        return flat_states(owner, states, argument)
    return [
        tensor
        for part, part_states in zip(layers, states, strict=True)
        for tensor in states_in_order(owner, part, part_states, argument)
    ]


def has_names(states: Any) -> bool:
    """Whether states are given by name."""
    return isinstance(states, dict) or hasattr(states, "_fields")


def is_list_of_structures(states: Any, count: int) -> bool:
    """Whether states are a list of `count` structures, one for each part of a layer."""
    is_list = isinstance(states, list | tuple) and len(states) == count
    return is_list and any(isinstance(part, list | tuple | dict) for part in states)


def values_in_order(owner: str, states: Any, names: tuple[str, ...], argument: str) -> list[Any]:
    """The values of a dict or NamedTuple in the order of these names, which must be its names.

    A NamedTuple must have that order too: Keras saves it as a plain list.
    """
    given = tuple(states) if isinstance(states, dict) else tuple(states._fields)
    complete = set(given) == set(names) if isinstance(states, dict) else given == names
    if not complete:
        unknown = sorted(set(map(str, given)) - set(names))
        missing = [name for name in names if name not in given]
        raise ValueError(
            f"{owner}: `{argument}` must have the names {', '.join(map(repr, names))}"
            + ("" if isinstance(states, dict) else ", in this order")
            + (f"; unknown: {', '.join(map(repr, unknown))}" if unknown else "")
            + (f"; missing: {', '.join(map(repr, missing))}" if missing else "")
            + f". Received: names={list(given)}"
        )
    return [states[name] for name in names] if isinstance(states, dict) else list(states)


def _states_of_cell(owner: str, cell: Any, states: Any, argument: str) -> list[Any]:
    stack = isinstance(cell, keras.layers.StackedRNNCells)
    if stack and not has_names(states) and is_list_of_structures(states, len(cell.cells)):
        return [
            tensor
            for part, part_states in zip(cell.cells, states, strict=True)
            for tensor in _states_of_cell(owner, part, part_states, argument)
        ]
    if has_names(states) and not stack:
        values = values_in_order(owner, states, state_names(cell), argument)
        return flat_states(owner, values, argument)
    if not stack and is_list_of_structures(states, 1):  # a structure in a list of its own
        return _states_of_cell(owner, cell, states[0], argument)
    return flat_states(owner, states, argument)


def flat_states(owner: str, states: Any, argument: str) -> list[Any]:
    """The tensors of nested lists, without dicts or NamedTuples in them."""
    if has_names(states):
        raise ValueError(
            f"{owner}: `{argument}` must be a list here, with an entry for each part of the layer, "
            f"not a structure with names. Received: type({argument})={type(states).__name__}"
        )
    if isinstance(states, list | tuple):
        return [tensor for part in states for tensor in flat_states(owner, part, argument)]
    return [states]
