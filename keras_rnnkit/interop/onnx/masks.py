"""Masks as Keras passes them from layer to layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
from keras import tree

from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.weights import as_value, cast


class Masks:
    """The masks of the values in a graph.

    A value has the name of its mask; the masks themselves are booleans, most of them
    `(batch, time)`.

    Args:
        graph: The graph.
        operation: Function that adds the nodes of an operation of `keras.ops`, from the
            operation, its arguments and its symbolic outputs.
    """

    def __init__(self, graph: Graph, operation: Callable[..., list[Value]]) -> None:
        self._graph = graph
        self._operation = operation
        self._by_name: dict[str, Value] = {}

    def of(self, value: Any) -> Value | None:
        """The mask of a value."""
        mask = value.mask if isinstance(value, Value) else None
        return None if mask is None else self._by_name.get(mask, Value(mask, (None, None), "bool"))

    def known(self, mask: Any) -> Value:
        """A mask as booleans, which can be found by its name from now on."""
        value = as_value(self._graph, mask, "bool")
        self._by_name[value.name] = value
        return value

    def of_steps(self, mask: Value) -> Value:
        """A mask with an entry for each step: whether any part of the step is valid."""
        if len(mask.shape) == 2:
            return mask
        axes = self._graph.ints(*range(2, len(mask.shape)))
        numbers = cast(self._graph, mask.name, "int32")
        found = self._graph.add("ReduceMax", numbers, axes, keepdims=0)
        return self.known(Value(cast(self._graph, found, "bool"), mask.shape[:2], "bool"))

    def fill_in(self, layer: Any, given: dict[str, Any]) -> None:
        """Give a layer the masks of its inputs where the model gives none, as Keras does.

        Args:
            layer: The layer.
            given: The arguments of the call by name, in their order.
        """
        names = inspect.signature(layer.call).parameters
        for name in [name for name in given if name == "mask" or name.endswith("_mask")]:
            given[name] = tree.map_structure(
                lambda mask: None if mask is None else self.known(mask), given[name]
            )
        tensors = [
            name
            for name, value in given.items()
            if any(isinstance(part, Value) for part in tree.flatten(value))
        ]
        for tensor in tensors:
            mask = "mask" if len(tensors) == 1 else f"{tensor}_mask"
            if mask in names and given.get(mask) is None:
                given[mask] = tree.map_structure(self.of, given[tensor])

    def before(self, inputs: Any, mask: Any) -> Any:
        """The mask that a layer passes on: its argument, or the one of its first argument."""
        return tree.map_structure(self.of, inputs) if mask is None else mask

    def after(self, layer: Any, inputs: Any, previous: Any, outputs: list[Value]) -> list[Value]:
        """The outputs of a layer with their masks.

        Args:
            layer: The layer.
            inputs: Its first argument.
            previous: The masks before it, in the same structure.
            outputs: Its outputs, flat; masks that they have already are kept.
        """
        computed = all(value.mask is not None for value in outputs)
        if computed or not layer.supports_masking:
            return outputs
        masks = self._computed(layer, inputs, previous)
        padded = [*masks, *[None] * len(outputs)][: len(outputs)]
        return [
            value if value.mask is not None or mask is None else replace(value, mask=mask.name)
            for value, mask in zip(outputs, padded, strict=True)
        ]

    def _computed(self, layer: Any, inputs: Any, previous: Any) -> list[Value | None]:
        """What `compute_mask` of a layer returns, flat; its operations become nodes."""
        if type(layer).compute_mask is keras.layers.Layer.compute_mask:
            return tree.flatten(previous)
        symbols: dict[int, Value] = {}
        kept = []  # an id belongs to one object as long as that exists

        def symbol(value: Value | None) -> Any:
            if value is None:
                return None
            tensor = keras.KerasTensor(value.shape, dtype=value.dtype)
            kept.append(tensor)
            symbols[id(tensor)] = value
            return tensor

        made = layer.compute_mask(
            tree.map_structure(symbol, inputs), tree.map_structure(symbol, previous)
        )
        if made is None:
            return []
        return [
            None if mask is None else self._traced(mask, symbols) for mask in tree.flatten(made)
        ]

    def _traced(self, tensor: Any, known: dict[int, Value]) -> Value:
        """The value of a symbolic tensor that `compute_mask` has made."""

        def value(x: Any) -> Any:
            return self._traced(x, known) if isinstance(x, keras.KerasTensor) else x

        if id(tensor) not in known:
            history = tensor._keras_history
            node = history.operation._inbound_nodes[history.node_index]
            given = (node.arguments.args, node.arguments.kwargs)
            args, kwargs = tree.map_structure(value, given)
            outputs = self._operation(history.operation, args, kwargs, node.outputs)
            known[id(tensor)] = outputs[history.tensor_index]
        return self.known(known[id(tensor)])
