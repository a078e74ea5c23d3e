"""What `export_onnx` writes into a file beside the graph, and how it is read and checked."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from keras import tree

KEY = "keras_rnnkit"  # of the entry in the file's `metadata_props`
FORMAT = 1


@dataclass(frozen=True)
class State:
    """A state of a recurrent layer, which is an input and an output of the graph.

    Args:
        input: The name of the input.
        output: The name of the output.
        shape: Its shape; `None` for the batch.
    """

    input: str
    output: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Metadata:
    """What a file says of itself.

    Args:
        inputs: The names of the inputs, in the structure of the inputs of the model.
        outputs: The names of the outputs likewise.
        states: The states that are inputs and outputs.
        streaming: Whether a run computes one time step.
        steps: For each output of a streaming file, whether it is a step of a sequence.
        fingerprint: That of the weights, or `None` for a file of another program.
    """

    inputs: Any
    outputs: Any
    states: tuple[State, ...] = ()
    streaming: bool = False
    steps: tuple[bool, ...] = ()
    fingerprint: str | None = None

    def to_json(self) -> str:
        """The entry of the file."""
        entry = {
            "format": FORMAT,
            "inputs": tree.flatten(self.inputs),
            "outputs": tree.flatten(self.outputs),
            "structures": {"inputs": _encoded(self.inputs), "outputs": _encoded(self.outputs)},
            "states": [vars(state) for state in self.states],
            "streaming": self.streaming,
            "steps": list(self.steps),
            "fingerprint": self.fingerprint,
        }
        return json.dumps(entry)


def foreign(inputs: list[str], outputs: list[str]) -> Metadata:
    """The metadata of a file of another program: its names in their order."""
    return Metadata(_one_or_list(inputs), _one_or_list(outputs))


def _one_or_list(names: list[str]) -> Any:
    return names[0] if len(names) == 1 else names


def parsed(text: str, inputs: Collection[str], outputs: Collection[str]) -> Metadata:
    """The entry of a file.

    Args:
        text: The JSON of the entry.
        inputs: The names of the inputs that the graph has.
        outputs: The names of its outputs.

    Raises:
        ValueError: If it is not what `to_json` writes for this graph. The message says why.
    """
    try:
        entry = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(entry, dict) or entry.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}, the one that this version reads")
    names = {key: _names(entry, key) for key in ("inputs", "outputs")}
    states = tuple(map(_state, _list(entry, "states")))
    _check_same(inputs, [*names["inputs"], *(state.input for state in states)], "inputs")
    _check_same(outputs, [*names["outputs"], *(state.output for state in states)], "outputs")
    structures = {key: _structure(entry, key, names[key]) for key in names}
    steps = tuple(_list(entry, "steps")) if "steps" in entry else ()
    streaming, digest = entry.get("streaming"), entry.get("fingerprint")
    if type(streaming) is not bool or not isinstance(digest, str):
        raise ValueError("'streaming' must be true or false, and 'fingerprint' a string")
    sizes = (0, len(names["outputs"]))
    if not all(type(step) is bool for step in steps) or len(steps) not in sizes:
        raise ValueError("'steps' must have true or false for each output")
    return Metadata(
        **structures, states=states, streaming=streaming, steps=steps, fingerprint=digest
    )


def _list(entry: dict[str, Any], key: str) -> list[Any]:
    if not isinstance(entry.get(key), list):
        raise ValueError(f"'{key}' must be a list")
    return entry[key]


def _names(entry: dict[str, Any], key: str) -> list[str]:
    names = _list(entry, key)
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"'{key}' must be a list of names")
    return names


def _state(entry: Any) -> State:
    if isinstance(entry, dict) and {"input", "output", "shape"} <= entry.keys():
        shape = entry["shape"]
        sizes = isinstance(shape, list) and all(
            size is None or (type(size) is int and size > 0) for size in shape
        )
        if sizes and isinstance(entry["input"], str) and isinstance(entry["output"], str):
            return State(entry["input"], entry["output"], tuple(shape))
    raise ValueError("each of 'states' must have the names 'input' and 'output' and a 'shape'")


def _check_same(found: Collection[str], named: list[str], kind: str) -> None:
    if sorted(found) != sorted(named):
        raise ValueError(f"it names the {kind} {named}, and the graph has {list(found)}")


def _structure(entry: dict[str, Any], key: str, names: list[str]) -> Any:
    """The names in their structure; a file without one has a list, or a single name."""
    structures = entry.get("structures")
    if structures is None:
        return _one_or_list(names)
    if not isinstance(structures, dict) or key not in structures:
        raise ValueError("'structures' must have those of the inputs and of the outputs")
    structure = _decoded(structures[key])
    if tree.flatten(structure) != names:
        raise ValueError(f"the structure of the {key} does not have their names")
    return structure


def _encoded(structure: Any) -> Any:
    """A structure of names in JSON: each list, tuple and dict has its kind beside it."""
    if isinstance(structure, dict):
        return {"dict": {key: _encoded(part) for key, part in structure.items()}}
    if isinstance(structure, list | tuple):
        kind = "list" if isinstance(structure, list) else "tuple"
        return {kind: [_encoded(part) for part in structure]}
    return structure


def _decoded(encoded: Any) -> Any:
    match encoded:
        case str():
            return encoded
        case {"dict": dict(parts), **rest} if not rest:
            return {key: _decoded(part) for key, part in parts.items()}
        case {"list": list(parts), **rest} if not rest:
            return [_decoded(part) for part in parts]
        case {"tuple": list(parts), **rest} if not rest:
            return tuple(_decoded(part) for part in parts)
    raise ValueError("'structures' must consist of names, lists, tuples and dicts")
