"""The recurrent layers of a model that are traced, and how a call of each is captured."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.cells import GatedCell
from keras_rnnkit.layers import (
    Bidirectional,
    BidirectionalTrace,
    LearnedInitialState,
    StackedRNN,
    TimeDistributed,
)
from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.models._intercept import intercepting
from keras_rnnkit.models._twins import (
    bidirectional_twin,
    time_distributed_twin,
    twin_of,
)
from keras_rnnkit.models.records import record_of
from keras_rnnkit.running.capture import capturing

# What is captured of one recurrent layer: its trace, and the states that it started from.
Captured = tuple[Any, Any]
_CELLS: Any = (
    GatedCell,
    keras.layers.GRUCell,
    keras.layers.LSTMCell,
    keras.layers.SimpleRNNCell,
    keras.layers.StackedRNNCells,
)


class Target:
    """A recurrent layer of a model, or a wrapper around some, that is reported as one."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.leaves = list(_leaves(layer))
        self.twins = [twin_of(leaf) for leaf, _ in self.leaves]
        self._call = self._call_of_twins()

    def _call_of_twins(self) -> Callable[..., Any] | None:
        """What runs in place of the layer's own call, where that would not run the twins."""
        if all(twin is leaf for twin, (leaf, _) in zip(self.twins, self.leaves, strict=True)):
            return None
        if isinstance(self.layer, keras.layers.RNN):
            return self.twins[0].call
        if type(self.layer).call in (Bidirectional.call, keras.layers.Bidirectional.call):
            return bidirectional_twin(self.layer, *self.twins).call
        raise ValueError(
            f"The layer '{self.layer.name}' of class {type(self.layer).__name__} has code of its "
            "own around recurrent layers of `keras.layers`, and what that computes is not known. "
            "Put the kit's layers of the same names in their place. "
            f"Received: layer={type(self.layer).__name__} '{self.layer.name}'"
        )

    def run(
        self, edits: list[Any] | None, original: Any, *args: Any, **kwargs: Any
    ) -> tuple[Any, list[Captured]]:
        """What a call of the layer returns, and what is captured of each recurrent layer in it.

        Args:
            edits: Those of each recurrent layer in it, if any.
            original: The layer's own call.
            *args: Of the call, as are `**kwargs`.
            **kwargs: Of the call.
        """
        keys = list(map(id, self.twins))
        by_layer = {} if edits is None else dict(zip(keys, edits, strict=True))
        with capturing(capture_gates=True, edits=by_layer) as capture:
            outputs = (self._call or original)(*args, **kwargs)
        if any(key not in capture.traces for key in keys):
            raise ValueError(
                f"The layer '{self.layer.name}' of class {type(self.layer).__name__} does not call "
                "every recurrent layer in it, so that it cannot be traced. "
                f"Received: layer={type(self.layer).__name__} '{self.layer.name}'"
            )
        return outputs, [(capture.traces[key], capture.initial_states[key]) for key in keys]

    def record(self, captured: list[Captured]) -> Any:
        """The record of one call, from arrays."""
        parts = zip(self.leaves, self.twins, captured, strict=True)
        records = iter([record_of(twin.cell, backward, *of) for (_, backward), twin, of in parts])
        return _arranged(self.layer, records)


class TimeDistributedTarget:
    """A `TimeDistributed` around recurrent layers, which has an outer axis of time."""

    def __init__(self, layer: Any) -> None:
        if type(layer).call not in (TimeDistributed.call, keras.layers.TimeDistributed.call):
            raise ValueError(
                f"The layer '{layer.name}' of class {type(layer).__name__} has code of its own "
                "around recurrent layers, and what that computes is not known. Put that code into "
                "a layer before or after a `TimeDistributed`. "
                f"Received: layer={type(layer).__name__} '{layer.name}'"
            )
        self.layer = layer
        self.targets = targets_in(layer.layer)
        self._twin = time_distributed_twin(layer)

    def run(
        self, edits: dict[str, Any] | None, original: Any, *args: Any, **kwargs: Any
    ) -> tuple[Any, list[dict[str, Any]]]:
        """What a call of the layer returns, and what is captured of each inner call."""
        captured: list[dict[str, Any]] = []
        inputs = args[0] if args else kwargs["inputs"]
        with intercepting(handlers_for(self.targets, captured, edits)):
            outputs = self._twin.call(*args, **kwargs)
        shape = tuple(ops.shape(inputs)[:2])

        def unfolded(tensor: Any) -> Any:
            return ops.reshape(tensor, (*shape, *ops.shape(tensor)[1:]))

        return outputs, tree.map_structure(unfolded, captured)

    def record(self, captured: list[dict[str, Any]]) -> Any:
        """The record of one call, from arrays: a dict of records around a model."""
        records = records_by_call(self.targets, captured)
        return records if self.around_a_model else next(iter(records.values()))

    @property
    def around_a_model(self) -> bool:
        """Whether there is a model inside, so that a record is a dict of records."""
        return not _is_target(self.layer.layer)

    def target_of(self, key: str) -> Any:
        """The inner target of the key of a call."""
        return target_of(self.targets, key)


def handlers_for(
    targets: dict[str, Any], captured: list[dict[str, Any]], edits: dict[str, Any] | None = None
) -> dict[Any, Any]:
    """Handlers, by layer, that append what they capture, by the key of the layer.

    Args:
        targets: By key.
        captured: The list to append to.
        edits: By the key of a call, those for `run` of its target.
    """
    return {
        target.layer: _handler(key, target, captured, edits or {})
        for key, target in targets.items()
        if target is not None
    }


def _handler(
    key: str, target: Any, captured: list[dict[str, Any]], edits: dict[str, Any]
) -> Callable[..., Any]:
    def handler(original: Any, *args: Any, **kwargs: Any) -> Any:
        call = call_key(key, sum(key in of_call for of_call in captured))
        outputs, of_call = target.run(edits.get(call), original, *args, **kwargs)
        captured.append({key: of_call})
        return outputs

    return handler


def call_key(key: str, calls: int) -> str:
    """The key of a call of a layer, after that many calls before it."""
    return f"{key}:{calls}" if calls else key


def target_of(targets: dict[str, Any], key: str) -> Any:
    """The target of the key of a call, such as `"lstm:1"`."""
    return targets[key] if key in targets else targets[key.rpartition(":")[0]]


def records_by_call(targets: dict[str, Any], captured: list[dict[str, Any]]) -> dict[str, Any]:
    """The records in the order of the calls: `"lstm"`, and `"lstm:1"` for a second call."""
    calls: Counter[str] = Counter()
    records: dict[str, Any] = {}
    for of_call in captured:
        ((key, value),) = of_call.items()
        name = call_key(key, calls[key])
        _check_new(name, records)
        records[name] = targets[key].record(value)
        calls[key] += 1
    return records


def targets_in(model: Any, layers: list[str] | None = None) -> dict[str, Any]:
    """The recurrent layers of a model, or those of the keys given, by key.

    Args:
        model: A built model or layer.
        layers: Keys; `None` for all.

    Returns:
        A `Target`, or a `TimeDistributedTarget`, by the layer's name, or by its path where several
        have that name; in the order of the model's attributes. `None` for a layer without weights,
        which the model has never called.

    Raises:
        ValueError: For a layer that cannot be traced, an unknown key, and a model without recurrent
            layers.
    """
    found = _keyed(list(_found(model, "", set(), top=True)))
    if layers is not None:
        unknown = [key for key in layers if key not in found]
        if unknown:
            raise ValueError(
                f"`layers` must name recurrent layers of the model: {', '.join(found)}. "
                f"Received: layers={list(layers)}"
            )
        found = {key: layer for key, layer in found.items() if key in layers}
    if not found:
        raise ValueError(
            f"`model` '{model.name}' has no recurrent layers, so that there is nothing to trace. "
            f"Received: model={type(model).__name__} '{model.name}'"
        )
    return {key: _target(layer) for key, layer in found.items()}


_KINDS = (
    keras.layers.Bidirectional,
    keras.layers.RNN,
    LearnedInitialState,
    StackedRNN,
)


def _is_target(layer: Any) -> bool:
    if _is_distributed(layer):
        return any(isinstance(part, (*_KINDS, *_CELLS)) for part in layers_in(layer.layer))
    return isinstance(layer, (*_KINDS, *_CELLS))


def _found(value: Any, path: str, seen: set[int], top: bool = False) -> Iterator[tuple[str, Any]]:
    """The paths and layers of the targets held by a layer, in lists, tuples, sets and dicts too."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, keras.layers.Layer):
        path = "" if top and not _is_target(value) else f"{path}/{value.name}".lstrip("/")
        if _is_target(value):
            yield path, value
            return
        held = [*getattr(value, "layers", ()), *vars(value).values()]
    elif isinstance(value, dict):
        held = list(value.values())
    elif isinstance(value, list | tuple | set):
        held = list(value)
    else:
        return
    for part in held:
        yield from _found(part, path, seen)


def _keyed(found: list[tuple[str, Any]]) -> dict[str, Any]:
    names, paths = Counter(layer.name for _, layer in found), Counter(path for path, _ in found)
    keyed: dict[str, Any] = {}
    for path, layer in found:
        key = layer.name if names[layer.name] == 1 else path
        number = sum(call == key or call.startswith(f"{key}#") for call in keyed)
        key = f"{key}#{number + 1}" if paths[path] > 1 and number else key
        _check_new(key, keyed)
        keyed[key] = layer
    return keyed


def _check_new(key: str, others: Any) -> None:
    """Refuse a key that another layer or call has already."""
    if key in others:
        raise ValueError(
            "The recurrent layers of the model must have names from which their keys are unique; "
            "rename one of them. ':' and '#' in a name may cause this. "
            f"Received: two layers or calls with the key={key!r}"
        )


def _target(layer: Any) -> Any:
    """The target of a layer; `None` for one that the model has never called."""
    if isinstance(layer, _CELLS):
        received = f"Received: layer={type(layer).__name__} '{layer.name}'"
        raise ValueError(
            f"The cell '{layer.name}' of class {type(layer).__name__} is called by the model's own "
            "code, step by step, so that there are no sequences to trace. Put it into "
            f"`keras_rnnkit.RNN`, or leave it out by `layers=`. {received}"
        )
    if not layer.built:
        return None
    return (TimeDistributedTarget if _is_distributed(layer) else Target)(layer)


def _is_distributed(layer: Any) -> bool:
    return isinstance(layer, keras.layers.TimeDistributed)


def _leaves(layer: Any) -> Iterator[tuple[Any, bool]]:
    """The recurrent layers in a target, and whether each runs backward in the input's time."""
    if isinstance(layer, LearnedInitialState):
        yield from _leaves(layer.layer)
    elif isinstance(layer, StackedRNN):
        for part in layer.recurrent_layers:
            yield from _leaves(part)
    elif isinstance(layer, keras.layers.Bidirectional):
        yield layer.forward_layer, bool(layer.forward_layer.go_backwards)
        yield layer.backward_layer, bool(layer.backward_layer.go_backwards)
    else:
        yield layer, False


def _arranged(layer: Any, records: Iterator[Any]) -> Any:
    """The records of the recurrent layers in a target, in its structure."""
    if isinstance(layer, LearnedInitialState):
        return _arranged(layer.layer, records)
    if isinstance(layer, StackedRNN):
        return {part.name: _arranged(part, records) for part in layer.recurrent_layers}
    if isinstance(layer, keras.layers.Bidirectional):
        return BidirectionalTrace(next(records), next(records))
    return next(records)
