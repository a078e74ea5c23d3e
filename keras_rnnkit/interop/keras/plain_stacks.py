"""Keras layers in the place of a `StackedRNN`, in the configs of models.

In a `Sequential` model and in a functional one, the layers of the stack become layers of the model:
`stack` with the layers `rnn_0` and `rnn_1` becomes `stack_rnn_0` and `stack_rnn_1`. Inside a
wrapper, such as `TimeDistributed`, they become a `Sequential` with the name of the stack.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras

from keras_rnnkit.interop.keras.plain_configs import KIT, refusal
from keras_rnnkit.layers import StackedRNN

_STACK = f"{KIT}StackedRNN"


class _Part(NamedTuple):
    """A layer of a stack, and the earlier outputs that it takes, by the place of their layer.

    Place -1 is the input of the stack.
    """

    config: dict[str, Any]
    inputs: list[int]
    is_recurrent: bool


def expand(config: dict[str, Any], place: str) -> dict[str, Any]:
    """The config of a model or layer, in which Keras layers replace each `StackedRNN`."""
    inner = config.get("config")
    if not isinstance(inner, dict):
        return config
    here = f"{place}/{inner['name']}" if place and "name" in inner else inner.get("name", place)
    if isinstance(inner.get("layers"), list) and "output_layers" in inner:
        return {**config, "config": _in_graph(inner, here)}
    if config["class_name"] == "Sequential" and isinstance(inner.get("layers"), list):
        layers = [one for layer in inner["layers"] for one in _in_sequence(layer, here)]
        return {**config, "config": {**inner, "layers": layers}}
    if _is_stack(inner.get("layer")):
        return {**config, "config": {**inner, "layer": _as_sequential(inner["layer"], here)}}
    return config


def parts_by_name(stack: Any) -> dict[str, Any]:
    """The layers of a stack, by their names in the model of Keras layers."""
    return {f"{stack.name}_{layer.name}": layer for layer in stack.layers}


def _is_stack(config: Any) -> bool:
    return isinstance(config, dict) and config.get("registered_name") == _STACK


def _parts(config: dict[str, Any], place: str) -> list[_Part]:
    """The layers of a stack, in the order in which they run."""
    stack = StackedRNN.from_config(config["config"])
    _check(stack, config, f"{place}/{stack.name}")
    parts: list[_Part] = []
    x = -1

    def add(layer: Any, *inputs: int) -> int:
        if not stack.trainable:
            layer.trainable = False
        serialized = keras.saving.serialize_keras_object(layer)
        serialized["config"]["name"] = f"{stack.name}_{layer.name}"
        recurrent = layer in stack.recurrent_layers
        parts.append(_Part(serialized, list(inputs), recurrent))
        return len(parts) - 1

    steps = zip(stack.norms, stack.recurrent_layers, stack.projections, strict=True)
    for i, (norm, layer, projected) in enumerate(steps):
        y = x if norm is None else add(norm, x)
        y = add(layer, y)
        if stack.residual and i:
            x = x if projected is None else add(projected, x)
            y = add(keras.layers.Add(name=f"add_{i}", dtype=stack.dtype_policy), y, x)
        x = y
    return parts


def _check(stack: Any, config: dict[str, Any], place: str) -> None:
    """Refuse the options of a stack that layers of Keras in a row do not have."""
    if stack.return_gates:
        reason = "returns its gates, which a Keras layer cannot"
    elif stack.return_state:
        reason = "returns its states as one structure by layer, which no Keras layer does"
    elif stack.residual and not stack.return_sequences:
        reason = "adds the last valid step of its input, for which Keras has no layer"
    else:
        return
    raise refusal(config, place, reason, "Build the model from single layers and set their weights")


def _in_sequence(layer: dict[str, Any], place: str) -> Iterator[dict[str, Any]]:
    """The layers of a `Sequential` model that replace this one."""
    if not _is_stack(layer):
        yield layer
        return
    parts = _parts(layer, place)
    if any(part.inputs != [i - 1] for i, part in enumerate(parts)):
        raise refusal(
            layer,
            f"{place}/{layer['config']['name']}",
            "has residual connections, which a `Sequential` model cannot have",
            "Build the model with `keras.Model(inputs, outputs)`",
        )
    yield from (part.config for part in parts)


def _as_sequential(layer: dict[str, Any], place: str) -> dict[str, Any]:
    """A `Sequential` model in the place of a stack inside a wrapper."""
    layers = list(_in_sequence(layer, place))
    shape = layer["build_config"]["input_shape"]
    options = {"batch_shape": list(shape), "name": f"{layer['config']['name']}_input"}
    of_keras = {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None}
    return {
        "module": "keras",
        "class_name": "Sequential",
        "registered_name": None,
        "config": {
            "name": layer["config"]["name"],
            "trainable": layer["config"]["trainable"],
            "layers": [{**of_keras, "config": options}, *layers],
        },
    }


def _in_graph(config: dict[str, Any], place: str) -> dict[str, Any]:
    """The config of a functional model, with the layers of each stack as layers of the model."""
    chains = {layer["name"]: _parts(layer, place) for layer in config["layers"] if _is_stack(layer)}
    if not chains:
        return config
    _check_names(chains, [layer["name"] for layer in config["layers"]], place)
    last = {name: chain[-1].config["config"]["name"] for name, chain in chains.items()}
    layers: list[Any] = []
    for layer in config["layers"]:
        nodes = _redirected(layer["inbound_nodes"], last)
        if layer["name"] in chains:
            layers += _as_layers(layer, nodes, chains[layer["name"]], place)
        else:
            layers.append({**layer, "inbound_nodes": nodes})
    ends = _redirected_ends(config["output_layers"], last)
    return {**config, "layers": layers, "output_layers": ends}


def _check_names(chains: dict[str, list[_Part]], names: list[str], place: str) -> None:
    """Refuse a stack whose layers would have the names of other layers of the model."""
    for stack, chain in chains.items():
        for part in chain:
            name = part.config["config"]["name"]
            if name in names:
                raise ValueError(
                    f"`model` has a layer '{name}', the name that a layer of the StackedRNN "
                    f"'{stack}' at '{place}' gets. Give the layer or the stack another name. "
                    f"Received: layer='{name}'"
                )
            names.append(name)


def _as_layers(
    stack: dict[str, Any], nodes: list[Any], chain: list[_Part], place: str
) -> Iterator[dict[str, Any]]:
    """The layers of a functional model that replace a stack; each call becomes a call of each."""
    names = [part.config["config"]["name"] for part in chain]
    for node in nodes:
        if len(node["args"]) > 1 or node["kwargs"].get("initial_state") is not None:
            raise refusal(
                stack,
                f"{place}/{stack['name']}",
                "gets initial states in its call, as one structure by layer",
                "Build the model from single layers and set their weights",
            )
    for part, name in zip(chain, names, strict=True):
        inbound = []
        for i, node in enumerate(nodes):
            args = [node["args"][0] if j < 0 else _output(names[j], i) for j in part.inputs]
            taken = ("mask", "training") if part.is_recurrent else ()
            kwargs = {key: value for key, value in node["kwargs"].items() if key in taken}
            inbound.append({"args": [args] if len(args) > 1 else args, "kwargs": kwargs})
        yield {**part.config, "name": name, "inbound_nodes": inbound}


def _output(name: str, node: int) -> dict[str, Any]:
    """The serialized output of a call; Keras replaces it by the real one and its shape."""
    options = {"shape": [], "dtype": "float32", "keras_history": [name, node, 0]}
    return {"class_name": "__keras_tensor__", "config": options}


def _redirected(value: Any, last: dict[str, str]) -> Any:
    """The arguments of calls, where the output of a stack is that of its last layer."""
    if isinstance(value, list | tuple):
        return [_redirected(part, last) for part in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "__keras_tensor__":
        name, *rest = value["config"]["keras_history"]
        history = [last.get(name, name), *rest]
        return {**value, "config": {**value["config"], "keras_history": history}}
    return {key: _redirected(part, last) for key, part in value.items()}


def _redirected_ends(value: Any, last: dict[str, str]) -> Any:
    """The outputs of the model, `[layer, node, tensor]`, in any structure."""
    if isinstance(value, dict):
        return {key: _redirected_ends(part, last) for key, part in value.items()}
    if not isinstance(value, list | tuple):
        return value
    if len(value) == 3 and isinstance(value[0], str):
        return [last.get(value[0], value[0]), *value[1:]]
    return [_redirected_ends(part, last) for part in value]
