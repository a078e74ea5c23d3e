"""Whether a model can be trained in chunks of its sequences."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras
from keras import tree

from keras_rnnkit.layers import LearnedInitialState, StackedRNN
from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.layers._walk import layers_in, stateful_layers
from keras_rnnkit.models.reset import made_stateful
from keras_rnnkit.running.names import name_of

_WHOLE = "Train on whole sequences by `fit`, in bounded memory with `recompute=True` in the layers"
_layers = keras.layers
# Layers that combine steps: at the borders of a chunk they miss those of its neighbours.
_COMBINES = (
    _layers.AdditiveAttention,
    _layers.Attention,
    _layers.AveragePooling1D,
    _layers.GlobalAveragePooling1D,
    _layers.GlobalMaxPooling1D,
    _layers.GroupQueryAttention,
    _layers.MaxPooling1D,
    _layers.MultiHeadAttention,
)
_CONVOLUTIONS = (
    _layers.Conv1D,
    _layers.Conv1DTranspose,
    _layers.DepthwiseConv1D,
    _layers.SeparableConv1D,
)


def lanes_of(model: Any) -> int:
    """The fixed batch size of a model that can be trained in chunks.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If it is not built, or a layer cannot be cut; the message names it.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a Keras model. Received: model={model!r}")
    for layer in _over_time(model):
        _refuse(layer, _why_not(layer))
    for graph in layers_in(model):
        _check_calls(getattr(graph, "_nodes_by_depth", {}))
    stateful = stateful_layers(model)
    if not model.built or not stateful:
        raise ValueError(
            "`model` must be built, with at least one recurrent layer made with `stateful=True`: "
            "give it a `keras.Input(batch_shape=(rows, None, features))`, or call it on a batch. "
            f"Received: model.built={model.built}, stateful layers={len(stateful)}"
        )
    sizes = {name_of(layer): int(tree.flatten(layer.states)[0].shape[0]) for layer in stateful}
    if len(set(sizes.values())) > 1:
        raise ValueError(
            "`model` must have one batch size in all of its stateful layers. "
            f"Received: batch sizes={sizes}"
        )
    return next(iter(sizes.values()))


def check_steps(model: Any, steps: int, time: int, argument: str) -> None:
    """Refuse chunks of other lengths than the model's, where its inputs have a fixed one."""
    lengths = {steps, time % steps or steps} if steps < time else {time}
    for spec in tree.flatten(getattr(model, "inputs", None) or []):
        fixed = spec.shape[1] if len(spec.shape) > 1 else None
        if fixed is not None and lengths != {fixed}:
            raise ValueError(
                f"`steps` must give chunks of {fixed} steps, which the model's inputs have: pass "
                f"`steps={fixed}` and a time that is a multiple of it, or build the model for any "
                "number of steps, with `keras.Input(batch_shape=(rows, None, features))`. "
                f"Received: steps={steps}, {argument}.shape[1]={time}"
            )


def check_execution(model: Any) -> None:
    """Refuse several batches in one call, between which no state can be reset."""
    if getattr(model, "steps_per_execution", 1) != 1:
        raise ValueError(
            "`steps_per_execution` must be 1 in `compile`, as the states are reset between "
            f"batches. Received: steps_per_execution={model.steps_per_execution}"
        )


def _over_time(model: Any) -> Iterator[Any]:
    """The layers whose steps are those of the model: not those inside of a `TimeDistributed`."""
    found = layers_in(model)
    wrappers = [layer for layer in found if isinstance(layer, _layers.TimeDistributed)]
    inside = {id(part) for wrapper in wrappers for part in layers_in(wrapper.layer)}
    return (layer for layer in found if id(layer) not in inside)


def _check_calls(nodes_by_depth: dict[int, list[Any]]) -> None:
    """Refuse calls in a functional model that start a layer from other states than its own."""
    nodes = [node for nodes in nodes_by_depth.values() for node in nodes]
    calls = Counter(layer for node in nodes for layer in stateful_layers(node.operation))
    for layer, count in calls.items():
        if count > 1:
            _refuse(
                layer,
                f"it is called {count} times in a model, and has its states only once, so that a "
                "call would start from the last states of another. Make a layer for each call",
            )
    for node in nodes:
        given = node.arguments
        states = given.kwargs.get("initial_state", given.args[1] if len(given.args) > 1 else None)
        if isinstance(node.operation, Recurrent | StackedRNN) and states is not None:
            _refuse(
                node.operation,
                "it is called with an `initial_state`, and would start each chunk from it. "
                + _WHOLE,
            )


def _refuse(layer: Any, reason: str | None) -> None:
    if reason is not None:
        raise ValueError(
            f"{name_of(layer)} cannot be trained in chunks: {reason}. "
            f"Received: layer={layer.name!r}"
        )


def _why_not(layer: Any) -> str | None:
    """Why a layer cannot run chunk by chunk; `None` if it can, or is not known."""
    if isinstance(layer, _layers.Bidirectional) or getattr(layer, "bidirectional", False):
        return f"its backward direction starts at the end of the sequence. {_WHOLE}"
    if getattr(layer, "go_backwards", False):
        return f"it starts at the end of the sequence (`go_backwards=True`). {_WHOLE}"
    if isinstance(layer, LearnedInitialState):
        return f"it would start each chunk from its learned states. {_WHOLE}"
    if isinstance(layer, _layers.TimeDistributed) and made_stateful(layer.layer):
        return (
            "the layer in it is made with `stateful=True`, and would carry its states from one "
            "step of the model to the next. Make it without"
        )
    if isinstance(layer, _COMBINES) or (
        isinstance(layer, _CONVOLUTIONS) and max(layer.kernel_size) > 1
    ):
        return (
            f"it combines several steps, and at the borders of a chunk some are missing. {_WHOLE}"
        )
    return _why_not_recurrent(layer) if isinstance(layer, _layers.RNN | StackedRNN) else None


def _why_not_recurrent(layer: Any) -> str | None:
    if not isinstance(layer, Recurrent | StackedRNN):
        return (
            "in `fit`, layers of `keras.layers` do not carry their states on JAX and PyTorch. Use "
            "the layer of keras_rnnkit; `kit.from_keras(model)` converts a whole model"
        )
    if not layer.stateful:
        return (
            "it must carry its states from chunk to chunk. Make it with `stateful=True`, in a "
            "model of a fixed batch size, such as `keras.Input(batch_shape=(32, None, features))`"
        )
    if not layer.return_sequences:
        return (
            "it must have an output for the target of each step. Make it with "
            f"`return_sequences=True`. For a single target for each sequence: {_WHOLE}"
        )
    return None
