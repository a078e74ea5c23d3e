"""The recurrent layers of a model that are traced."""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_rnnkit.layers import LearnedInitialState, StackedRNN
from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.models._calls import Target, TimeDistributedTarget
from keras_rnnkit.models._keys import unique_keys
from keras_rnnkit.models._untracked import CELLS


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
    targets = unique_keys(
        _without_cells_of_layers(list(layers_by_path(model, _is_target, _is_target)))
    )
    if layers is not None:
        unknown = [key for key in layers if key not in targets]
        if unknown:
            raise ValueError(
                f"`layers` must name recurrent layers of the model: {', '.join(targets)}. "
                f"Received: layers={list(layers)}"
            )
        targets = {key: layer for key, layer in targets.items() if key in layers}
    if not targets:
        raise ValueError(
            f"`model` '{model.name}' has no recurrent layers, so that there is nothing to trace. "
            f"Received: model={type(model).__name__} '{model.name}'"
        )
    return {key: _target(layer) for key, layer in targets.items()}


_KINDS = (
    keras.layers.Bidirectional,
    keras.layers.RNN,
    LearnedInitialState,
    StackedRNN,
)


def _is_target(layer: Any) -> bool:
    if _is_distributed(layer):
        return any(isinstance(part, (*_KINDS, *CELLS)) for part in layers_in(layer.layer))
    return isinstance(layer, (*_KINDS, *CELLS))


def layers_by_path(
    value: Any,
    wanted: Callable[[Any], bool],
    whole: Callable[[Any], bool],
    path: str = "",
    seen: set[int] | None = None,
) -> Iterator[tuple[str, Any]]:
    """The paths and wanted layers held by a layer, in lists, tuples, sets and dicts too.

    Args:
        value: A layer, or what holds layers.
        wanted: Whether a layer is among them.
        whole: Whether a layer is one piece, in which nothing is looked for.
        path: The path of what holds `value`.
        seen: The ids of what was looked at; `None` for the first call, of the model itself.
    """
    top, seen = seen is None, set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, keras.layers.Layer):
        path = "" if top and not whole(value) else f"{path}/{value.name}".lstrip("/")
        if wanted(value):
            yield path, value
        held = [] if whole(value) else [*getattr(value, "layers", ()), *vars(value).values()]
    elif isinstance(value, dict):
        held = list(value.values())
    elif isinstance(value, list | tuple | set):
        held = list(value)
    else:
        return
    for part in held:
        yield from layers_by_path(part, wanted, whole, path, seen)


def _without_cells_of_layers(named_layers: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Without the cells that the model has as attributes and that recurrent layers of it run."""
    layers = [layer for _, layer in named_layers if not isinstance(layer, CELLS)]
    parts = {id(part) for layer in layers for part in layers_in(layer) if part is not layer}
    return [one for one in named_layers if not isinstance(one[1], CELLS) or id(one[1]) not in parts]


def _target(layer: Any) -> Any:
    """The target of a layer; `None` for one that the model has never called."""
    if isinstance(layer, CELLS):
        received = f"Received: layer={type(layer).__name__} '{layer.name}'"
        raise ValueError(
            f"The cell '{layer.name}' of class {type(layer).__name__} is called by the model's own "
            "code, step by step, so that there are no sequences to trace. Put it into "
            f"`keras_rnnkit.RNN`, or leave it out by `layers=`. {received}"
        )
    if not layer.built:
        return None
    if not _is_distributed(layer):
        return Target(layer)
    return TimeDistributedTarget(layer, targets_in(layer.layer), not _is_target(layer.layer))


def _is_distributed(layer: Any) -> bool:
    return isinstance(layer, keras.layers.TimeDistributed)
