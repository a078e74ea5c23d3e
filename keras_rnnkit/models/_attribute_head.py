"""The end of a model: its output before the last activation."""

from typing import Any

import keras
from keras import ops, tree

_DENSE = (keras.layers.Dense, keras.layers.EinsumDense)
_ACTIVATIONS = (keras.layers.Activation, keras.layers.Softmax)
HEADS = (*_DENSE, *_ACTIVATIONS)

Call = tuple[Any, Any, Any, Any]  # layer, args, kwargs, outputs


class Head:
    """The layer that makes the output of a model, in one of its calls.

    Attributes:
        layer: The layer whose pre-activation is taken; `None` where the output is taken as it is.
        number: Which of its calls makes the output.
        dense: The `Dense` layer that makes the logits, if one does.
    """

    def __init__(self, layer: Any, number: int, dense: Any) -> None:
        self.layer, self.number, self.dense = layer, number, dense

    def handlers(self) -> dict[Any, Any]:
        """What takes the pre-activation in place of the layer's call, in one run of the model."""
        if self.layer is None:
            return {}
        count = 0

        def handler(original: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count - 1 != self.number:
                return original(*args, **kwargs)
            return _before_activation(self.layer, args, kwargs)

        return {self.layer: handler}

    def logits(self, outputs: Any) -> Any:
        """The output of a run as `(batch, outputs)`."""
        (output,) = tree.flatten(outputs)
        return output if len(output.shape) == 2 else ops.expand_dims(output, -1)


def head_of(model: Any, outputs: Any, calls: list[Call], of: str) -> tuple[Head, Any]:
    """The head of a model, and the logits, from the calls in a run of it.

    Raises:
        ValueError: If there is not one output `(batch, outputs)`, or no pre-activation of it.
    """
    output = _only_output(model, outputs)
    if of == "output":
        head = Head(None, 0, _dense_of(output, calls))
        return head, head.logits(output)
    made = [
        i
        for i, call in enumerate(calls)
        if call[3] is output and isinstance(call[0], HEADS) and not _passes_on(call[0])
    ]
    if not made or not _runs_keras_code(calls[made[-1]][0]):
        raise ValueError(_no_logit(model, [calls[i] for i in made]))
    layer, args, kwargs, _ = calls[made[-1]]
    number = sum(call[0] is layer for call in calls[: made[-1]])
    if isinstance(layer, _DENSE) and layer.activation in (None, keras.activations.linear):
        head = Head(None, 0, _dense_of(output, calls))
        return head, head.logits(output)
    logits = _before_activation(layer, args, kwargs)
    dense = layer if isinstance(layer, keras.layers.Dense) else _dense_of(logits, calls)
    head = Head(layer, number, dense)
    return head, head.logits(logits)


def _passes_on(layer: Any) -> bool:
    """Whether an `Activation` is linear, as those are that cast the output to float32."""
    linear = (None, keras.activations.linear)
    return isinstance(layer, keras.layers.Activation) and layer.activation in linear


def _only_output(model: Any, outputs: Any) -> Any:
    flat = tree.flatten(outputs)
    if len(flat) != 1:
        raise ValueError(
            "`model` must have one output. Make a model of the one to explain: "
            "`keras.Model(model.inputs, model.outputs[0])`. "
            f"Received: model='{model.name}', len(outputs)={len(flat)}"
        )
    if len(flat[0].shape) not in (1, 2):
        raise ValueError(
            "`model` must return one prediction for a whole sequence, `(batch, outputs)`. Make a "
            "model of the step to explain: `keras.Model(model.inputs, model.outputs[0][:, t])`, "
            f"with `of='output'`. Received: model='{model.name}', output.shape={flat[0].shape}"
        )
    return flat[0]


def _dense_of(tensor: Any, calls: list[Call]) -> Any:
    """The `Dense` layer without an activation that made a tensor, if one did."""
    for layer, _, _, outputs in calls:
        if outputs is tensor and isinstance(layer, keras.layers.Dense):
            return layer if layer.activation in (None, keras.activations.linear) else None
    return None


def _before_activation(layer: Any, args: Any, kwargs: Any) -> Any:
    """What a call of the layer would apply its activation to."""
    if isinstance(layer, _ACTIVATIONS):
        return args[0] if args else kwargs["inputs"]
    twin = object.__new__(type(layer))  # a view of the layer, which is not changed
    vars(twin).update(vars(layer), activation=keras.activations.linear)
    return type(layer).call(twin, *args, **kwargs)


def _runs_keras_code(layer: Any) -> bool:
    return any(type(layer).call is one.call for one in HEADS)


def _no_logit(model: Any, made: list[Call]) -> str:
    if made:
        layer = made[-1][0]
        reason = f"the layer '{layer.name}' of class {type(layer).__name__} has code of its own"
    else:
        reason = "its output is not that of a `Dense`, `Activation` or `Softmax` layer"
    return (
        f"`of='logit'` takes the output of `model` before its last activation, and {reason}. Pass "
        "`of='output'` to explain the output itself, or end the model in a `Dense` layer. "
        f"Received: model='{model.name}', of='logit'"
    )
