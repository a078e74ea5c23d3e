"""`to_keras`: a model of plain `keras.layers` with the weights of one with the kit's layers."""

from typing import Any

import keras
from keras import tree

from keras_rnnkit.interop.keras.plain_configs import plain
from keras_rnnkit.interop.keras.plain_stacks import expand, parts_by_name
from keras_rnnkit.layers import LearnedInitialState, StackedRNN
from keras_rnnkit.layers._walk import layers_in, stateful_layers
from keras_rnnkit.models.conversion import check_convertible, copy_adapted

_RECURRENT: Any = (keras.layers.RNN, keras.layers.Bidirectional)
_WITH_RESETS: Any = (*_RECURRENT, StackedRNN, LearnedInitialState)


def to_keras(model: Any) -> Any:
    """A copy of a model with layers of `keras.layers` in place of the kit's.

    The inverse of `keras_rnnkit.from_keras`. The copy and the files it is saved in do not need
    keras_rnnkit. It has the weights of the model, the adapted state of preprocessing layers, the
    states of stateful layers, and the compile options, with a new optimizer. The original model is
    not changed. The layers of a `StackedRNN` become layers of the model: `stack_rnn_0`,
    `stack_rnn_1` and so on.

    The copy has the errors of Keras: on JAX, stateful layers start every batch of `fit` and
    `predict` from zeros.

    Args:
        model: A built model or layer that Keras can serialize: functional, `Sequential`, or of a
            class with its own `get_config`.

    Returns:
        A model of the same kind, with the same layer names, whose outputs have the same shapes,
        dtypes and numbers. `unroll` is off in its layers, because Keras' unrolled loops compute
        other numbers where steps are masked.

    Raises:
        TypeError: If `model` is not a Keras layer or model.
        ValueError: If `model` is not built, or has a layer, an option or a call that
            `keras.layers` has no equal for. The message names the layer and its place in the model.

    Example:

    >>> import keras
    >>> import keras_rnnkit as kit
    >>> mine = keras.Sequential([keras.Input((5, 3)), kit.LSTM(4)])
    >>> theirs = kit.to_keras(mine)
    >>> type(theirs.layers[0]) is keras.layers.LSTM
    True
    """
    check_convertible(model)
    _check_single_stack(model)
    for layer in layers_in(model):
        _check_calls(layer, model)
        _check_time_distributed(layer, model)
    config = keras.saving.serialize_keras_object(model)
    copy = keras.saving.deserialize_keras_object(plain(config, "", expand))
    _check_converted(copy)
    _transfer(model, copy)
    return copy


def _transfer(theirs: Any, mine: Any) -> None:
    """Copy weights, states and adapted values, with the layers of a stack found by their names."""
    if isinstance(theirs, keras.layers.TimeDistributed):
        theirs, mine = theirs.layer, mine.layer
    if not any(isinstance(layer, StackedRNN) for layer in layers_in(theirs)):
        mine.set_weights(theirs.get_weights())
        copy_adapted(mine, theirs)
        for one, other in zip(stateful_layers(mine), stateful_layers(theirs), strict=True):
            for variable, value in zip(
                tree.flatten(one.states), tree.flatten(other.states), strict=True
            ):
                variable.assign(value)
        return
    pairs = _children(theirs)
    by_name = {layer.name: layer for layer in mine.layers}
    for name, layer in pairs.items():
        _transfer(layer, by_name[name])


def _children(model: Any) -> dict[str, Any]:
    """The layers of a model or stack, by their names in the converted model."""
    if isinstance(model, StackedRNN):
        return parts_by_name(model)
    children: dict[str, Any] = {}
    for layer in model.layers:
        of_stack = isinstance(layer, StackedRNN)
        children |= parts_by_name(layer) if of_stack else {layer.name: layer}
    return children


def _check_single_stack(model: Any) -> None:
    if isinstance(model, StackedRNN):
        raise ValueError(
            "`model` must be a model around the StackedRNN, whose layers then become layers of "
            "the model, as `keras.layers` has no stack in one layer. Put it into a "
            f"`keras.Sequential`. Received: model=StackedRNN '{model.name}'"
        )


def _check_calls(layer: Any, model: Any) -> None:
    """Refuse a call with initial states and a mask that is attached to the sequences.

    Keras ignores such a mask without an error, so the outputs would be others. And refuse one with
    resets, which no layer of Keras takes.
    """
    for node in layer._inbound_nodes if isinstance(layer, _WITH_RESETS) else ():
        if node.arguments.kwargs.get("resets") is not None:
            name = f"{type(layer).__name__} '{layer.name}'"
            raise ValueError(
                f"`model` cannot be made of `keras.layers` alone: {name} in '{model.name}' is "
                "called with `resets`, which `keras.layers` have not. Give each sequence a row of "
                f"its own, and build the model without `resets`. Received: layer={name}"
            )
    if not isinstance(layer, _RECURRENT):
        return
    for node in layer._inbound_nodes:
        args, kwargs = node.arguments.args, node.arguments.kwargs
        has_states = len(args) > 1 or kwargs.get("initial_state") is not None
        masked = getattr(node.input_tensors[0], "_keras_mask", None) is not None
        if has_states and masked and kwargs.get("mask") is None:
            name = f"{type(layer).__name__} '{layer.name}'"
            raise ValueError(
                f"`model` cannot be made of `keras.layers` alone: {name} in '{model.name}' is "
                "called with `initial_state` on masked sequences, and Keras then ignores the mask "
                "without an error. Build the model with `mask=` in that call. "
                f"Received: layer={name}"
            )


def _check_time_distributed(layer: Any, model: Any) -> None:
    """Refuse what `keras.layers.TimeDistributed` computes wrong without an error."""
    if not isinstance(layer, keras.layers.TimeDistributed):
        return
    inner = layers_in(layer.layer)
    steps = layer.get_build_config()["input_shape"][1]
    if keras.config.backend() == "tensorflow" and steps is None:
        reason = "computes wrong numbers on TensorFlow for an unknown number of steps"
        advice = "Give `keras.Input` the number of steps"
    elif any(isinstance(one, keras.layers.Masking) or _masks(one) for one in inner):
        reason = "drops the mask that a layer inside it makes"
        advice = "Make the mask outside of it"
    elif any(getattr(one, "activity_regularizer", None) is not None for one in inner):
        reason = "ignores an `activity_regularizer` of its layer"
        advice = "Build the model without the regularizer and set its weights"
    else:
        return
    name = f"TimeDistributed '{layer.name}'"
    raise ValueError(
        f"`model` cannot be made of `keras.layers` alone: {name} in '{model.name}' would compute "
        f"something else, as that of Keras {reason}. {advice}. Received: layer={name}"
    )


def _masks(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Embedding) and layer.mask_zero


def _check_converted(copy: Any) -> None:
    """Refuse a copy with a layer of the kit: of a class that makes its layers in its code."""
    left = [layer.name for layer in layers_in(copy) if _is_of_kit(layer)]
    if left:
        raise ValueError(
            f"`model` '{copy.name}' makes its layers in its own code, or has layers whose classes "
            "derive from those of keras_rnnkit, so that they cannot be replaced. Put layers of "
            "`keras.layers` there, and load the weights of the model into them. "
            f"Received: layers={left}"
        )


def _is_of_kit(layer: Any) -> bool:
    return any(base.__module__.startswith("keras_rnnkit.") for base in type(layer).__mro__)
