"""The last recurrent layer of a model and the dense head behind it, for exact decompositions."""

from typing import Any, NamedTuple, NoReturn

import keras
import numpy as np
from keras import ops

from keras_rnnkit.layers import BidirectionalTrace
from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.models._attribute_alignment import steps_are_words
from keras_rnnkit.models._attribute_model import Question
from keras_rnnkit.models._calls import Target
from keras_rnnkit.models._keys import target_of
from keras_rnnkit.models._targets import targets_in
from keras_rnnkit.models.origins import Origin
from keras_rnnkit.models.tracing import trace


class Part(NamedTuple):
    """One direction of the last recurrent layer, with its rows of the head's kernel.

    Attributes:
        trace: Its trace.
        cell: Its cell, one of the kit.
        kernel: `(units, outputs)`.
        flipped: Whether its trace is in the reverse of the input's time.
    """

    trace: Any
    cell: Any
    kernel: np.ndarray
    flipped: bool

    @property
    def origin(self) -> Origin:
        """Where the trace comes from."""
        return self.trace.origin

    @property
    def mask(self) -> np.ndarray:
        """Booleans `(batch, time)`, false at padding, in the time of the input."""
        return self.trace.mask[:, ::-1] if self.flipped else self.trace.mask

    @property
    def running(self) -> slice:
        """The slice that turns the trace's time into the running order."""
        return slice(None, None, -1) if self.origin.backward else slice(None)

    def activate(self, values: np.ndarray) -> np.ndarray:
        """The activation of the cell, in float64 where it is tanh."""
        return applied(self.cell.activation, values)


class Last(NamedTuple):
    """The parts of the last recurrent layer of a model, and the bias of the head, `(outputs,)`."""

    key: str
    layer: Any
    parts: list[Part]
    bias: np.ndarray
    earlier: list[str]  # the keys of the recurrent layers before it


def last_of(question: Question, method: str) -> Last:
    """The last recurrent layer, after a check that the head takes its last hidden state.

    Raises:
        ValueError: If another layer is between, or the model has no such layer or head.
    """
    model, dense, rows = question.function.model, question.function.head.dense, question.rows
    if dense is None:
        reason = "its last layer is no `Dense` layer"
        if question.function.of == "output":
            reason = "`of='output'` takes the output behind an activation; take `of='logit'`"
        raise ValueError(_refused(method, model, reason))
    if not any(isinstance(layer, keras.layers.RNN) for layer in layers_in(model)):
        raise ValueError(_refused(method, model, "it has no recurrent layer"))
    traces = trace(model, rows.inputs, batch_size=rows.size)
    *earlier, key = traces
    target = target_of(targets_in(model), key)
    if not isinstance(target, Target):
        raise ValueError(_refused(method, model, f"its last recurrent layer, '{key}', is wrapped"))
    kernel, bias = _weights(dense)
    parts = _parts(target, traces[key], kernel)
    if parts is not None and parts[0].origin.resets is not None:
        refuse_cell(method, parts[0], "its `resets` start new sequences inside the rows")
    if parts is not None and _predicts(parts, kernel, bias, question.logits):
        if not steps_are_words(question.function, rows, target.layer, earlier):
            reason = f"its layer '{key}' gets the words in another order, or shifted"
            raise ValueError(_refused(method, model, reason))
        return Last(key, target.layer, parts, bias, earlier)
    reason = f"its head does not take the last hidden state of its last recurrent layer, '{key}'"
    raise ValueError(_refused(method, model, reason))


def applied(activation: Any, values: np.ndarray) -> np.ndarray:
    """An activation of Keras on an array of float64."""
    if activation is keras.activations.tanh:
        return np.tanh(values)
    if activation is keras.activations.sigmoid:
        return 0.5 * (1 + np.tanh(0.5 * values))
    tensor = ops.convert_to_tensor(values, dtype="float64")
    return np.asarray(ops.convert_to_numpy(activation(tensor)), "float64")


def last_hidden(part: Part) -> np.ndarray:
    """The hidden state after the last step, zero for a row without a valid step."""
    hidden = np.asarray(part.trace.hidden, "float64")[:, part.running][:, -1]
    return hidden * part.trace.mask.any(axis=1)[:, None]


def refuse_cell(method: str, part: Part, reason: str) -> NoReturn:
    """Refuse a cell for which a method is not defined."""
    raise ValueError(
        f"`method={method!r}` is not defined for the last recurrent layer of the model: {reason}. "
        "Take `method='integrated_gradients'`, which is defined for any model. "
        f"Received: cell={part.origin.cell}"
    )


def _weights(dense: Any) -> tuple[np.ndarray, np.ndarray]:
    kernel = np.asarray(ops.convert_to_numpy(dense.kernel), "float64")
    if dense.bias is None:
        return kernel, np.zeros(kernel.shape[1])
    return kernel, np.asarray(ops.convert_to_numpy(dense.bias), "float64")


def _parts(target: Target, trace: Any, kernel: np.ndarray) -> list[Part] | None:
    """The directions of the last layer, with the kernel's rows; `None` if these do not fit."""
    while isinstance(trace, dict):
        trace = list(trace.values())[-1]
    cells = [twin.cell for twin in target.twins]
    if isinstance(trace, BidirectionalTrace):
        width = trace.forward.hidden.shape[-1]
        if kernel.shape[0] != 2 * width:
            return None
        kernels = kernel[:width], kernel[width:]
        triples = zip(trace, cells[-2:], kernels, strict=True)
        return [Part(one, cell, rows, False) for one, cell, rows in triples]
    cell = cells[-1]
    if isinstance(trace, tuple) and not hasattr(trace, "_fields"):
        trace, cell = trace[-1], cell.cells[-1]
    if not hasattr(trace, "hidden") or trace.hidden.shape[-1] != kernel.shape[0]:
        return None
    return [Part(trace, cell, kernel, bool(target.twins[-1].go_backwards))]


def _predicts(parts: list[Part], kernel: np.ndarray, bias: np.ndarray, logits: Any) -> bool:
    """Whether the head makes the logits of the last hidden states of these parts."""
    hidden = np.concatenate([last_hidden(part) for part in parts], axis=-1)
    if hidden.ndim != 2 or hidden.shape != (len(logits), len(kernel)):
        return False
    tolerance = 2e-2 if parts[0].trace.hidden.dtype.itemsize < 4 else 1e-3
    scale = np.abs(hidden) @ np.abs(kernel) + np.abs(bias)
    return bool(np.all(np.abs(hidden @ kernel + bias - logits) <= tolerance * (1e-3 + scale)))


def _refused(method: str, model: Any, reason: str) -> str:
    return (
        f"`method={method!r}` needs a model that ends in a recurrent layer and one `Dense` layer "
        f"on its last hidden state, and of this model, {reason}. Take "
        "`method='integrated_gradients'`, which is defined for any model. "
        f"Received: model='{model.name}'"
    )
