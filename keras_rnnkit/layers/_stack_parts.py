"""The layers inside a stack: how they are built, and how their outputs become the stack's."""

from typing import Any, NamedTuple

import keras

from keras_rnnkit.layers._stack_cells import cell_layer
from keras_rnnkit.layers._states import directions, last_valid, named_states
from keras_rnnkit.layers.bidirectional import Bidirectional
from keras_rnnkit.running.loop import output_size


class Collected(NamedTuple):
    """What the layers return in addition to their outputs, by name."""

    states: dict[str, Any]
    traces: dict[str, Any]


def recurrent_layer(stack: Any, i: int, cell: Any, seed: int | None) -> Any:
    """The recurrent layer at a place of the stack.

    Args:
        stack: The stack, with its options set.
        i: The place, counted from zero.
        cell: The entry of the stack's `cell` for this layer.
        seed: The seed of its dropout masks.
    """
    last = i == len(stack.units) - 1
    dropout = {
        "dropout": stack.dropout[i],
        "recurrent_dropout": stack.recurrent_dropout[i],
        "seed": seed,
    }
    layer = cell_layer(
        f"StackedRNN '{stack.name}'",
        cell,
        stack.units[i],
        dropout,
        {name: _own(value) for name, value in stack.cell_options.items()},
        return_sequences=stack.return_sequences or not last,
        return_state=stack.return_state,
        return_gates=stack.return_gates,
        stateful=stack.stateful,
        path=stack.requested_path,
        recompute=stack.recompute,
        dtype=stack.dtype_policy,
        name=f"rnn_{i}",
    )
    if not stack.bidirectional:
        return layer
    return Bidirectional(
        layer, merge_mode=stack.merge_mode, dtype=stack.dtype_policy, name=layer.name
    )


def _own(option: Any) -> Any:
    """A copy of an initializer without a seed, which draws the same numbers again and again.

    One of a user is left alone: its config may not have all that it needs.
    """
    known = type(option).__module__.partition(".")[0] in ("keras", "keras_rnnkit")
    is_initializer = isinstance(option, keras.initializers.Initializer)
    if known and is_initializer and option.get_config().get("seed", 0) is None:
        return option.clone()
    return option


def norm_before(stack: Any, i: int) -> Any:
    """The layer normalization before a layer of the stack."""
    return keras.layers.LayerNormalization(dtype=stack.dtype_policy, name=f"norm_{i}")


def projection(stack: Any, i: int) -> Any:
    """The `Dense` layer from the width of a layer's input to that of its output, if they differ."""
    before, width = (width_of(stack, layer) for layer in stack.recurrent_layers[i - 1 : i + 1])
    if before == width:
        return None
    options = {"use_bias": False, "dtype": stack.dtype_policy, "name": f"projection_{i}"}
    return keras.layers.Dense(width, **options)


def width_of(stack: Any, layer: Any) -> int:
    """The width of the output of a recurrent layer of the stack, both directions included."""
    factor = 2 if stack.bidirectional and stack.merge_mode == "concat" else 1
    return factor * output_size(directions(layer)[0].cell)


def take_output(stack: Any, layer: Any, returned: Any, collected: Collected) -> Any:
    """The output of a layer; its states and its trace are put into `collected`."""
    parts = list(returned) if isinstance(returned, list | tuple) else [returned]
    if stack.return_gates:
        collected.traces[layer.name] = parts.pop()
    if stack.return_state:
        collected.states[layer.name] = named_states(layer, parts[1:])
    return parts[0]


def with_collected(stack: Any, output: Any, collected: Collected) -> Any:
    """What a call of the stack returns: the output, the states and traces where requested."""
    others = [collected.states] * stack.return_state + [collected.traces] * stack.return_gates
    return (output, *others) if others else output


def add_residual(stack: Any, layer: Any, projected: Any, x: Any, y: Any, mask: Any) -> Any:
    """The output of a layer, plus its input where the stack has residual connections.

    Args:
        stack: The stack.
        layer: The recurrent layer.
        projected: Its projection, or `None`.
        x: Its input, `(batch, time, width)`.
        y: Its output, `(batch, width)` or `(batch, time, width)`.
        mask: Boolean tensor `(batch, time)`, or `None`.
    """
    if not stack.residual or layer is stack.recurrent_layers[0]:
        return y
    if not directions(layer)[0].return_sequences:
        x = last_valid(x, mask)
    return y + (x if projected is None else projected(x))
