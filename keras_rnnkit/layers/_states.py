"""States by name: of one layer, of both directions, of a whole stack."""

import functools
from collections import namedtuple
from typing import Any, NamedTuple

import keras
from keras import ops, tree

from keras_rnnkit.layers._recurrent import Recurrent


class BidirectionalStates(NamedTuple):
    """The states of the two directions."""

    forward: Any
    backward: Any


def state_count(layer: Any) -> int:
    """How many state tensors a recurrent layer, or both directions of one, have."""
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
        names = getattr(part.cell, "state_names", ())
        if len(names) != count:
            names = tuple(f"state_{i}" for i in range(count))
        named.append(_states_type(names)(*flat[:count]))
        flat = flat[count:]
    return BidirectionalStates(*named) if len(named) == 2 else named[0]


def split_states(owner: str, states: Any, counts: dict[str, int]) -> list[Any]:
    """The state tensors of each layer of a stack, from how a user may give them.

    Args:
        owner: The stack, as an error calls it.
        states: A dict by layer, a list of one structure for each layer, or a flat list of tensors.
        counts: The number of state tensors of each layer, by name.
    """
    if isinstance(states, dict):
        if set(states) != set(counts):
            raise ValueError(
                f"{owner}: expected `initial_state` for the layers {list(counts)}, but a dict with "
                f"{list(states)} came."
            )
        parts = [tree.flatten(states[name]) for name in counts]
    else:
        nested = _is_nested(states, counts)
        parts = list(map(tree.flatten, states)) if nested else _cut(tree.flatten(states), counts)
    for (name, count), part in zip(counts.items(), parts, strict=True):
        if len(part) != count:
            raise ValueError(
                f"{owner}: expected `initial_state` to hold {count} tensor(s) for layer {name!r}, "
                f"but {len(part)} came. `stack.get_initial_state(batch_size)` has the right "
                "structure; states of a bidirectional stack go through `merge_states` first."
            )
    return parts


def _is_nested(states: Any, counts: dict[str, int]) -> bool:
    """Whether there is one structure for each layer."""
    right = isinstance(states, list | tuple) and len(states) == len(counts)
    return right and any(isinstance(part, list | tuple) for part in states)


def _cut(flat: list[Any], counts: dict[str, int]) -> list[list[Any]]:
    """A flat list cut into one for each layer; what is too much goes to the last."""
    parts, rest = [], list(flat)
    for count in counts.values():
        parts.append(rest[:count])
        rest = rest[count:]
    parts[-1] += rest
    return parts


def last_kept(x: Any, mask: Any) -> Any:
    """The last step of `(batch, time, width)` that the mask keeps."""
    if mask is None:
        return x[:, -1]
    time = ops.shape(x)[1]
    last = time - 1 - ops.argmax(ops.cast(ops.flip(mask, axis=1), "int32"), axis=1)
    return ops.take_along_axis(x, last[:, None, None], axis=1)[:, 0]


@functools.cache
def _states_type(names: tuple[str, ...]) -> Any:
    return namedtuple("States", names)


def merge_states(states: Any, mode: str = "concat") -> Any:
    """The states of a bidirectional stack as those of a one-directional one, to start a decoder.

    Args:
        states: What a `StackedRNN(..., bidirectional=True, return_state=True)` returned: a
            `BidirectionalStates` for each layer.
        mode: `"concat"` puts the two directions side by side, so that a decoder needs twice the
            units; `"sum"`, `"mul"` and `"ave"` keep the width.

    Returns:
        A dict of `States` with the same names, ready to be the `initial_state` of a `StackedRNN`.

    Raises:
        ValueError: For an unknown mode.
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
    """
    if mode not in _MERGES:
        modes = ", ".join(map(repr, _MERGES))
        raise ValueError(f"`mode` of merge_states must be one of {modes}, but {mode!r} came.")
    if not isinstance(states, dict):
        raise TypeError(
            "`states` of merge_states must be the dict that a bidirectional StackedRNN returns "
            f"with `return_state=True`, but {type(states).__name__} came."
        )
    return {name: _merged(name, both, _MERGES[mode]) for name, both in states.items()}


_MERGES = {
    "concat": lambda a, b: ops.concatenate([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
}


def _merged(name: str, both: Any, merge: Any) -> Any:
    if not isinstance(both, list | tuple) or len(both) != 2 or not isinstance(both[0], tuple):
        raise TypeError(
            f"`states[{name!r}]` must hold the states of two directions, `(forward, backward)`, "
            f"but {type(both).__name__} came. Only bidirectional stacks need merging."
        )
    forward, backward = both
    return type(forward)(*(merge(a, b) for a, b in zip(forward, backward, strict=True)))
