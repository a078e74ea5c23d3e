"""Sequential and functional models from the configs of Keras 2."""

from typing import Any

import keras

from keras_rnnkit.interop.keras.bounded import check_states
from keras_rnnkit.interop.keras.keras2_layers import class_and_options, dtype_of, make_layer

_MOST_LAYERS = 10_000


class Builder:
    """Makes models, and remembers the order of their layers in the config, for the weights."""

    def __init__(self) -> None:
        self.order: dict[int, list[Any]] = {}

    def model(self, config: Any) -> Any:
        """The model of a config."""
        kind, options = class_and_options(config)
        layers = options.get("layers")
        if kind not in ("Functional", "Model", "Sequential") or not isinstance(layers, list):
            raise ValueError(
                f"its model of class '{kind[:80]}' is neither sequential nor functional; build it "
                "with Keras 3 and give it as `model`"
            )
        if len(layers) > _MOST_LAYERS:
            raise ValueError(f"its config has more than {_MOST_LAYERS} layers")
        if kind == "Sequential":
            return self._sequential(options, layers)
        return self._functional(options, layers)

    def _layer(self, config: Any) -> Any:
        return make_layer(config, self.model)

    def _sequential(self, options: dict[str, Any], configs: list[Any]) -> Any:
        first: Any = None
        if configs and class_and_options(configs[0])[0] == "InputLayer":
            first, configs = _input(configs[0]), configs[1:]
        layers = [self._layer(config) for config in configs]
        if not layers:
            raise ValueError("its sequential model has no layers")
        if first is None:
            first = _first_input(options, configs, layers)
        check_states(layers, [first])
        model = keras.Sequential([first, *layers], name=_name(options))
        self.order[id(model)] = layers
        return model

    def _functional(self, options: dict[str, Any], configs: list[Any]) -> Any:
        graph = _Graph()
        layers = []
        for config in configs:
            kind, of_layer = class_and_options(config)
            name, nodes = config.get("name", of_layer.get("name")), config.get("inbound_nodes")
            if not isinstance(nodes, list):
                raise ValueError(f"its layer of class '{kind[:80]}' has no `inbound_nodes`")
            if kind == "InputLayer":
                graph.outputs[name, 0] = [_input(config)]
            else:
                layers.append(self._layer(config))
                graph.add(name, layers[-1], nodes, _first_node(config))
        check_states(layers, [tensor for [tensor] in graph.outputs.values()])
        graph.run()
        inputs, outputs = (
            graph.tensors(options.get(f"{end}_layers")) for end in ("input", "output")
        )
        model = keras.Model(inputs, outputs, name=_name(options))
        self.order[id(model)] = layers
        return model


class _Graph:
    """The calls of a functional model, in an order in which their inputs are there."""

    def __init__(self) -> None:
        self.outputs: dict[tuple[Any, Any], list[Any]] = {}
        self._calls: list[tuple[Any, Any, Any]] = []

    def add(self, name: Any, layer: Any, nodes: list[Any], first: int) -> None:
        """Add the calls of a layer; the first has this index."""
        self._calls += [((name, first + i), layer, _node(node)) for i, node in enumerate(nodes)]

    def run(self) -> None:
        """Call the layers."""
        while self._calls:
            later = []
            for key, layer, (refs, states) in self._calls:
                if all(ref[:2] in self.outputs for ref in [*refs, *states]):
                    self.outputs[key] = self._call(layer, refs, states)
                else:
                    later.append((key, layer, (refs, states)))
            if len(later) == len(self._calls):
                raise ValueError(f"its layer '{later[0][0][0]}' has inputs that do not exist")
            self._calls = later

    def tensors(self, refs: Any) -> Any:
        """The inputs or outputs of a model, in the structure of their references."""
        if isinstance(refs, dict):
            return {name: self.tensors(ref) for name, ref in refs.items()}
        if not isinstance(refs, list) or not refs:
            raise ValueError("its model has no inputs or no outputs")
        if _is_reference(refs):
            return self._tensor(_reference(refs))
        return self.tensors(refs[0]) if len(refs) == 1 else [self.tensors(ref) for ref in refs]

    def _tensor(self, ref: tuple[Any, Any, Any]) -> Any:
        name, node, i = ref
        if (name, node) not in self.outputs or not 0 <= i < len(self.outputs[name, node]):
            raise ValueError(f"its model has no output {i} of the layer '{name}'")
        return self.outputs[name, node][i]

    def _call(self, layer: Any, refs: Any, states: Any) -> list[Any]:
        inputs = [self._tensor(ref) for ref in refs]
        given = [self._tensor(ref) for ref in states]
        if isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional):
            # Keras 2 has the initial states behind the sequences, in one list.
            inputs, given = inputs[:1], [*inputs[1:], *given]
        options = {"initial_state": given} if given else {}
        return keras.tree.flatten(layer(inputs if len(inputs) > 1 else inputs[0], **options))


def _node(node: Any) -> tuple[list[Any], list[Any]]:
    """The references to the inputs of a call, and to the initial states among its options."""
    refs, states = [], []
    entries: list[Any] = node if isinstance(node, list) and node else [None]
    for entry in entries:
        refs.append(_reference(entry))
        options = entry[3] if len(entry) > 3 else {}
        for name, value in options.items() if isinstance(options, dict) else [("", options)]:
            if name == "initial_state" and isinstance(value, list):
                many = [value] if _is_reference(value) else value
                states += [_reference(one) for one in many]
            elif value is not None and (name, value) != ("training", False):
                raise ValueError(
                    f"its layer after '{refs[0][0]}' is called with `{name[:80]}`, which cannot "
                    "be loaded; build the model with Keras 3 and give it as `model`"
                )
    return refs, states


def _is_reference(value: list[Any]) -> bool:
    return len(value) in (3, 4) and isinstance(value[0], str) and isinstance(value[1], int)


def _reference(value: Any) -> tuple[Any, Any, Any]:
    if not isinstance(value, list) or not _is_reference(value) or not isinstance(value[2], int):
        raise ValueError(f"its config has a call of the unknown form {repr(value)[:80]}")
    return value[0], value[1], value[2]


def _first_node(config: dict[str, Any]) -> int:
    """The index of a layer's first call: a model with inputs has one before, its own."""
    kind, options = class_and_options(config)
    if kind not in ("Functional", "Model", "Sequential"):
        return 0
    layers = options.get("layers") or [None]
    first, of_first = class_and_options(layers[0])
    return int(kind != "Sequential" or first == "InputLayer" or "batch_input_shape" in of_first)


def _input(config: Any) -> Any:
    """The `keras.Input` of an `InputLayer`."""
    _, options = class_and_options(config)
    if options.get("sparse") or options.get("ragged"):
        raise ValueError("it has sparse or ragged inputs")
    shape = options.get("batch_input_shape", options.get("batch_shape"))
    return keras.Input(
        batch_shape=_shape(shape), dtype=dtype_of(options.get("dtype")), name=options.get("name")
    )


def _first_input(options: dict[str, Any], configs: list[Any], layers: list[Any]) -> Any:
    """The input of a `Sequential` model that has no `InputLayer`."""
    if layers and isinstance(layers[0], keras.Model):
        return keras.Input(batch_shape=layers[0].input_shape, dtype=layers[0].input.dtype)
    of_first = class_and_options(configs[0])[1] if configs else {}
    shape = of_first.get("batch_input_shape") or options.get("build_input_shape")
    if shape is None:
        raise ValueError(
            "its sequential model has no input shape; build it with Keras 3 and give it as `model`"
        )
    is_ids = isinstance(layers[0], keras.layers.Embedding)
    return keras.Input(batch_shape=_shape(shape), dtype="int32" if is_ids else None)


def _shape(shape: Any) -> tuple[Any, ...]:
    if not isinstance(shape, list) or not all(
        size is None or (type(size) is int and 0 < size < 2**31) for size in shape
    ):
        raise ValueError(f"it has an input of the unknown shape {repr(shape)[:80]}")
    return tuple(shape)


def _name(options: dict[str, Any]) -> Any:
    name = options.get("name")
    return name if isinstance(name, str) else None
