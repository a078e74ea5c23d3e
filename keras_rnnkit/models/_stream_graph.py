"""The graph of a model: its inputs, its calls in their order, and the shapes of their outputs."""

from typing import Any

import keras
from keras import tree

from keras_rnnkit.models._stream_rules import output_spec, own_code_is_known


class Sized:
    """A tensor's specs for two numbers of steps."""

    def __init__(self, few: Any, more: Any) -> None:
        self.few, self.more = few, more

    @property
    def with_time(self) -> bool:
        return self.few.shape != self.more.shape


def is_graph(model: Any) -> bool:
    """Whether Keras knows how a model's layers are connected."""
    connected = isinstance(model, keras.Sequential) or hasattr(model, "operations")
    return connected and own_code_is_known(model)


def inputs_of(model: Any) -> list[Sized]:
    """The inputs of a model for two numbers of steps, after a check that each has a time axis."""
    for x in model.inputs:
        if len(x.shape) < 2:
            raise ValueError(
                f"`model` '{model.name}' cannot be fed step by step: every input needs a time "
                "axis, (batch, time, features), or (batch, time) for integer tokens. "
                f"Received: input '{x.name}', input.shape={tuple(x.shape)}"
            )
    return [sized(x) for x in model.inputs]


def check_lengths(model: Any) -> None:
    """Refuse inputs with different numbers of steps."""
    known = sorted({x.shape[1] for x in model.inputs} - {None})
    if len(known) > 1:
        raise ValueError(
            f"`model` '{model.name}' cannot be fed step by step: all inputs must have the "
            f"same number of steps. Received: steps={known}"
        )


def sized(x: Any) -> Sized:
    few, more = (
        keras.KerasTensor((x.shape[0], time, *x.shape[2:]), dtype=x.dtype) for time in _TIMES
    )
    return Sized(few, more)


_TIMES = (2, 3)


def nodes_of(model: Any) -> list[Any]:
    """The calls in a functional model, each after those whose outputs it takes."""
    nodes = [node for operation in model.operations for node in operation._inbound_nodes]
    made = {id(x): node for node in nodes for x in node.outputs}
    inputs = {id(x) for x in model.inputs}
    done: dict[Any, None] = {}
    stack = [made[id(x)] for x in model.outputs if id(x) not in inputs]
    while stack:
        node = stack[-1]
        before = [made[id(x)] for x in node.input_tensors if id(x) not in inputs]
        waiting = [other for other in before if other not in done]
        if waiting:
            stack += waiting
        else:
            done[stack.pop()] = None
    return list(done)


def outputs_of(operation: Any, args: Any, kwargs: Any) -> list[Sized]:
    """The outputs of a call, for both numbers of steps."""

    def specs(which: str) -> list[Any]:
        given = tree.map_structure(
            lambda x: getattr(x, which) if isinstance(x, Sized) else x, (args, kwargs)
        )
        return tree.flatten(output_spec(operation, *given))

    return [Sized(*both) for both in zip(specs("few"), specs("more"), strict=True)]
