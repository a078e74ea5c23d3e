"""A graph of ONNX operators that is built call by call: its names, constants and nodes."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_rnnkit.interop.onnx.graph_nodes import attribute, names_in, without_unused

OPSET = 18
IR_VERSION = 8


@dataclass(frozen=True)
class Value:
    """A tensor of the graph, with what the exporter knows of it.

    Args:
        name: The name of the tensor in the graph.
        shape: Its shape; `None` for a dimension that is known at run time only.
        dtype: Its dtype as NumPy names it.
        mask: The name of the boolean tensor `(batch, time)` that travels with it, if any.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str = "float32"
    mask: str | None = None


class Graph:
    """Nodes, constants, inputs and outputs; `proto` turns them into a graph of ONNX.

    Args:
        prefix: What the names of tensors and nodes begin with.
    """

    def __init__(self, prefix: str = "") -> None:
        self._root = self
        self._prefix = prefix
        self._taken: set[str] = {""}
        self._counts: dict[str, int] = {}
        self._constants: dict[str, np.ndarray] = {}
        self._by_content: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._made: dict[str, tuple[str, ...]] = {}
        self._transposed: dict[str, tuple[str, list[int]]] = {}
        self._nodes: list[Any] = []
        self._inputs: list[Value] = []
        self._outputs: list[Value] = []

    @property
    def constants(self) -> dict[str, np.ndarray]:
        """The constants by name; those of a body belong to the graph around it."""
        return self._root._constants

    @property
    def inputs(self) -> tuple[Value, ...]:
        """The inputs in their order."""
        return tuple(self._inputs)

    @property
    def outputs(self) -> tuple[Value, ...]:
        """The outputs in their order."""
        return tuple(self._outputs)

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Append a node, or find the tensor that is the same: a transpose may undo another one.

        Args:
            op: The operator of ONNX.
            *inputs: Names of tensors; `""` leaves out an optional one.
            outputs: The number of outputs.
            **attributes: Of the operator: numbers, strings, lists, NumPy arrays, and a `Graph` for
                an operator with a body. `None` leaves an attribute out.

        Returns:
            The name of the output, or the tuple of names where there are several.
        """
        import onnx

        if op == "Transpose" and inputs[0] in self._transposed:
            before, axes = self._transposed[inputs[0]]
            if [axes[axis] for axis in attributes["perm"]] == list(range(len(axes))):
                return before
        given = {key: value for key, value in attributes.items() if value is not None}
        plain = not any(isinstance(value, Graph | np.ndarray) for value in given.values())
        key = repr((op, inputs, outputs, sorted(given.items()))) if plain else None
        names = self._made.get(key) if key is not None else None
        if names is None:
            names = tuple(self.unique(op.lower()) for _ in range(outputs))
            given = {name: attribute(value) for name, value in given.items()}
            node = onnx.helper.make_node(op, list(inputs), list(names), name=names[0], **given)
            self._nodes.append(node)
        if key is not None:
            self._made[key] = names
        if op == "Transpose":
            self._transposed[names[0]] = (inputs[0], list(attributes["perm"]))
        return names[0] if outputs == 1 else names

    def constant(self, value: Any, hint: str = "constant") -> str:
        """The name of a constant; equal arrays are stored once.

        Args:
            value: An array, or what NumPy makes one of.
            hint: What its name begins with.
        """
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        root = self._root
        content = hashlib.sha256(array.reshape(-1).view("uint8").data).digest()
        key = (str(array.dtype), array.shape, content)
        if key not in root._by_content:
            root._by_content[key] = self.unique(hint)
            root._constants[root._by_content[key]] = array
        return root._by_content[key]

    def ints(self, *values: int) -> str:
        """The name of a constant vector of int64."""
        return self.constant(np.array(values, "int64"), "ints")

    def input(self, name: str, dtype: str, shape: Sequence[int | None]) -> Value:
        """An input of the graph, under this name or the next one that is free."""
        value = Value(self._free(name), tuple(shape), dtype)
        self._inputs.append(value)
        return value

    def output(self, value: Value, name: str) -> Value:
        """Make a value an output of the graph, under this name or the next one that is free."""
        import onnx

        named = Value(self._free(name), value.shape, value.dtype)
        node = onnx.helper.make_node("Identity", [value.name], [named.name], name=named.name)
        self._nodes.append(node)
        self._outputs.append(named)
        return named

    def put_first(self, outputs: Sequence[Value]) -> None:
        """Move outputs to the front, in this order."""
        others = [value for value in self._outputs if value not in outputs]
        self._outputs = [*outputs, *others]

    def body(self) -> Graph:
        """An empty graph for an operator with a body; it may use the tensors of this one."""
        inner = Graph(self._prefix)
        inner._root = self._root
        inner._taken, inner._counts = self._taken, self._counts
        return inner

    @contextlib.contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Begin the names that are made within the block by `name/`."""
        before = self._prefix
        self._prefix = f"{before}{_readable(name)}/"
        try:
            yield
        finally:
            self._prefix = before

    def unique(self, hint: str) -> str:
        """A name for a tensor that no other has."""
        return self._free(f"{self._prefix}{_readable(hint)}")

    def used_constants(self) -> dict[str, np.ndarray]:
        """The constants that the outputs depend on, by name."""
        used = {name for node in self._used_nodes() for name in names_in(node)}
        return {name: array for name, array in self._constants.items() if name in used}

    def proto(
        self, name: str = "graph", tensor: Callable[[str, np.ndarray], Any] | None = None
    ) -> Any:
        """The graph as `onnx.GraphProto`, without the nodes that no output depends on.

        Args:
            name: The name of the graph.
            tensor: Function that makes the `onnx.TensorProto` of a constant from its name and
                array; `None` for one that holds the numbers.
        """
        import onnx

        tensor = tensor or (lambda key, array: onnx.numpy_helper.from_array(array, key))
        own = self.used_constants() if self is self._root else {}
        return onnx.helper.make_graph(
            self._used_nodes(),
            name,
            [_info(value) for value in self._inputs],
            [_info(value) for value in self._outputs],
            [tensor(key, array) for key, array in own.items()],
        )

    def _used_nodes(self) -> list[Any]:
        needed = {value.name for value in self._outputs}
        used = []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                used.append(without_unused(node, needed))
                needed.update(names_in(node))
        return used[::-1]

    def _free(self, name: str) -> str:
        found = name
        while found in self._taken:
            self._counts[name] = self._counts.get(name, 0) + 1
            found = f"{name}_{self._counts[name]}"
        self._taken.add(found)
        return found


def _readable(name: str) -> str:
    return re.sub(r"[^\w./-]", "_", name)


def _info(value: Value) -> Any:
    import onnx

    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype))
    shape = ["batch" if axis == 0 and n is None else n for axis, n in enumerate(value.shape)]
    return onnx.helper.make_tensor_value_info(value.name, kind, shape)
