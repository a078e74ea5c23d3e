"""The gradient of a loss with respect to every gate and state at every step."""

from functools import partial
from typing import Any

import numpy as np
from keras import ops, tree

from keras_rnnkit.cells._edits import Addition, edit_tensors, with_edit_tensors
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.models._arrays import as_array, as_inputs, row_count
from keras_rnnkit.models._changes import parts_of_trace
from keras_rnnkit.models._losses import loss_of, targets_like
from keras_rnnkit.models._runner import runner_for
from keras_rnnkit.models.editing import for_target
from keras_rnnkit.models.origins import with_origin
from keras_rnnkit.models.traces import Traces


def trace_gradients(
    model: Any, x: Any, y: Any, loss: Any = None, layers: list[str] | None = None
) -> Traces:
    """The gradient of the loss with respect to every gate and state, at every step.

    It tells where learning reaches back to: the norm of the gradient of `hidden` and `cell` over
    time vanishes, explodes or stays. Each gradient is the total one: all that follows from a gate
    or state is counted, in the same step and in all later steps. So the gradient of an LSTM's cell
    state counts the hidden state of the same step, as in backpropagation through time. At masked
    steps, where nothing is computed, it is zero.

    The model is not changed, and runs in inference mode, without dropout. All rows run at a time;
    where the loss is a mean over rows, as those of Keras are, the gradient of a row is one over the
    number of rows.

    Args:
        model: A built model, as in `keras_rnnkit.trace`.
        x: The model's input.
        y: The targets.
        loss: The loss: `None` for the one that the model is compiled with, including what layers
            add to it, such as that of an `activity_regularizer`; or, by itself, a function of
            targets and outputs, or the name of a loss of Keras.
        layers: As in `keras_rnnkit.trace`.

    Returns:
        `Traces` like those of `keras_rnnkit.trace`, whose arrays are gradients by that gate or
        state, and whose `outputs` are those of the model.

    Raises:
        ValueError: If there is no loss; and as `keras_rnnkit.trace`.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([
    ...     keras.Input((5, 3)), keras.layers.LSTM(4, name="lstm"), keras.layers.Dense(1),
    ... ])
    >>> x, y = np.ones((2, 5, 3), "float32"), np.ones((2, 1), "float32")
    >>> gradients = kit.trace_gradients(model, x, y, loss="mean_squared_error")
    >>> np.linalg.norm(gradients["lstm"].cell, axis=-1).shape  # by row and step
    (2, 5)
    """
    function = loss_of(model, loss)
    runner = runner_for(model, layers)
    x = as_inputs(x)
    (inputs,) = runner.batches(x, row_count(x))
    before = runner.traces([runner.run(inputs)])
    targets = tree.map_structure(ops.convert_to_tensor, targets_like(y, before.outputs))
    zeros = {
        key: for_target(runner.target_of(key), _zeros(trace), trace)
        for key, trace in before.items()
    }

    def gradients(inputs: Any, targets: Any, tensors: Any) -> Any:
        def value(*added: Any) -> Any:
            edits = with_edit_tensors(zeros, list(added))
            return runner.captured(inputs, edits, partial(function, inputs, targets))[0]

        return backend_kernels().value_and_gradients(value, tensors)[1]

    compiled = runner.compiled(gradients)
    tensors = [ops.convert_to_tensor(array) for array in edit_tensors(zeros)]
    arrays = iter([as_array(gradient) for gradient in compiled(inputs, targets, tensors)])
    traces = {key: _gradients_like(trace, arrays) for key, trace in before.items()}
    return Traces(traces, before.outputs, before.not_called)


def _zeros(trace: Any) -> Any:
    """Zeros that are added to every gate and state, in the structure of a trace, time first."""
    parts = parts_of_trace(trace)
    if parts is not None:
        return {key: _zeros(part) for key, part in parts.items()}
    edits = {}
    for name in trace._fields:
        values = getattr(trace, name)
        if name != "mask":
            rows = int(np.prod(values.shape[:-2]))
            shape = (values.shape[-2], rows, values.shape[-1])
            edits[name] = [Addition(np.zeros(shape, values.dtype))]
    return edits


def _gradients_like(trace: Any, gradients: Any) -> Any:
    """The gradients in the structure and the time of a trace, which may have parts."""
    parts = parts_of_trace(trace)
    if parts is None:
        return with_origin(_gradients_of_trace(trace, gradients), trace.origin)
    made = {key: _gradients_like(part, gradients) for key, part in parts.items()}
    if isinstance(trace, dict):
        return made
    return type(trace)(**made) if hasattr(trace, "_fields") else tuple(made.values())


def _gradients_of_trace(trace: Any, gradients: Any) -> Any:
    fields = []
    for name in trace._fields[:-1]:
        shape = getattr(trace, name).shape
        values = next(gradients).swapaxes(0, 1)
        values = values[:, ::-1] if trace.origin.backward else values
        fields.append(np.ascontiguousarray(values).reshape(shape))
    made: Any = type(trace).__base__  # the trace type, without an origin
    return made(*fields, trace.mask)
