"""The inputs of an ONNX graph: arrays by name, with the dtypes and shapes that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import tree

from keras_rnnkit.models._arrays import as_inputs

_DTYPES = {
    "tensor(bool)": "bool",
    "tensor(double)": "float64",
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(string)": "object",
    **{
        f"tensor({kind}{bits})": f"{kind}{bits}"
        for kind in ("int", "uint")
        for bits in (8, 16, 32, 64)
    },
}


@dataclass(frozen=True)
class Port:
    """An input or output of a graph.

    Args:
        name: Its name.
        dtype: Its dtype.
        shape: Its shape: a number, or the name of a size that the graph leaves open, or `None`.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        sizes = ("?" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype} ({', '.join(sizes)})"


def ports_of(nodes: Any) -> dict[str, Port]:
    """The ports of a session by name.

    Args:
        nodes: What `get_inputs` or `get_outputs` of the session returns.

    Raises:
        ValueError: For one that is no tensor of numbers, booleans or strings.
    """
    for node in nodes:
        if node.type not in _DTYPES:
            raise ValueError(
                "`path_or_model` must have inputs and outputs that are tensors of numbers, "
                f"booleans or strings. Received: name={node.name!r}, type={node.type!r}"
            )
    ports = (Port(node.name, np.dtype(_DTYPES[node.type]), tuple(node.shape)) for node in nodes)
    return {port.name: port for port in ports}


def arrays_by_name(x: Any, structure: Any) -> dict[str, np.ndarray]:
    """The arrays of `x` by the names of the inputs.

    Args:
        x: Arrays in the structure of the inputs, or a dict by their names.
        structure: The names in this structure.

    Raises:
        ValueError: If `x` has another structure, or is not made of arrays.
    """
    names, x = tree.flatten(structure), as_inputs(x)
    if isinstance(x, dict) and x.keys() == set(names):
        return x
    if isinstance(structure, str) and isinstance(x, list | tuple) and len(x) == 1:
        x = x[0]
    try:
        tree.assert_same_structure(_as_lists(structure), _as_lists(x))
    except (TypeError, ValueError) as error:
        received = f"keys={sorted(map(str, x))}" if isinstance(x, dict) else f"x={_kinds(x)}"
        raise ValueError(
            f"`x` must have the inputs of the model, {structure!r}: arrays in this structure, or a "
            f"dict by these names. Received: {received}"
        ) from error
    return dict(zip(names, tree.flatten(x), strict=True))


def _kinds(x: Any) -> Any:
    """The structure with the word "array" for each array."""
    return tree.map_structure(lambda array: "array", x)


def _as_lists(structure: Any) -> Any:
    """The structure with a list for each tuple, as Keras takes either."""
    if isinstance(structure, dict):
        return {key: _as_lists(part) for key, part in structure.items()}
    if isinstance(structure, list | tuple):
        return [_as_lists(part) for part in structure]
    return structure


def checked(arrays: dict[str, np.ndarray], ports: dict[str, Port]) -> dict[str, np.ndarray]:
    """The arrays in the dtypes of the graph, each with the same number of rows.

    Raises:
        ValueError: For a shape or dtype that the graph does not take; the message names the input.
    """
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        _check_shape(array, ports[name], sizes)
    if len({len(array) for array in arrays.values()}) > 1:
        rows = {name: len(array) for name, array in arrays.items()}
        raise ValueError(
            f"`x` must have the same number of rows in each input. Received: rows={rows}"
        )
    return {name: _as_dtype(array, ports[name]) for name, array in arrays.items()}


def _check_shape(array: np.ndarray, port: Port, sizes: dict[str, int]) -> None:
    """Check all sizes but that of the batch; those of one name must be the same."""
    fits = array.ndim == len(port.shape) > 0
    for size, expected in zip(array.shape[1:], port.shape[1:], strict=False):
        known = sizes.setdefault(expected, size) if isinstance(expected, str) else expected
        fits = fits and size > 0 and known in (None, size)
    if not fits:
        row = array.ndim == len(port.shape) - 1
        hint = "; one row is a batch too, `x[None]`" if row else ""
        expected = ", ".join("?" if size is None else str(size) for size in port.shape)
        raise ValueError(
            f"`x` must have the shape ({expected}) in the input {port.name!r}, with no axis of "
            f"size 0 but the first{hint}. Received: shape={array.shape}"
        )


def _as_dtype(array: np.ndarray, port: Port) -> np.ndarray:
    """The array in the dtype of the port, where no value changes but by rounding."""
    if array.dtype == port.dtype:
        return array
    kind, wanted = array.dtype.kind, port.dtype.kind
    if wanted == "O" and kind in "SU":
        return array.astype(object)
    if wanted == "f" and kind in "biuf":
        with np.errstate(over="ignore"):
            return array.astype(port.dtype)
    if wanted in "biu" and kind in "biuf" and _within(array, port.dtype):
        return array.astype(port.dtype)
    raise ValueError(
        f"`x` must have values of dtype {port.dtype} in the input {port.name!r}. "
        f"Received: dtype={array.dtype}{_range(array)}"
    )


def _within(array: np.ndarray, dtype: np.dtype) -> bool:
    """Whether all values are whole and in the range of an integer or boolean dtype."""
    if not array.size:
        return True
    if not np.all(np.isfinite(array) & (array == np.trunc(array))):
        return False
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    # As Python integers: as float32, the largest int32 is rounded to a number above it.
    return int(array.min()) >= low and int(array.max()) <= high


def _range(array: np.ndarray) -> str:
    if array.dtype.kind not in "iuf" or not array.size:
        return ""
    return f", values from {array.min()} to {array.max()}"
