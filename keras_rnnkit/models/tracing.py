"""The gates and states of every recurrent layer of a trained model."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import tree

from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.layers._traceable import check_variables_are_here
from keras_rnnkit.layers._walk import stateful_layers
from keras_rnnkit.models._arrays import as_array, as_input, row_count
from keras_rnnkit.models._intercept import intercepting
from keras_rnnkit.models._progress import Progress
from keras_rnnkit.models._settings import settings_of
from keras_rnnkit.models._targets import handlers_for, records_by_call, target_of, targets_in
from keras_rnnkit.models.statistics import Accumulator
from keras_rnnkit.models.traces import Traces
from keras_rnnkit.running.moving_variables import InnerScope


def trace(
    model: Any, x: Any, layers: list[str] | None = None, batch_size: int | None = None
) -> Traces:
    """The gates and states of every recurrent layer of a trained model, at every step.

    The model may be of `keras.layers` or of the kit's layers, in any structure: `Sequential`,
    functional, nested, or a class that calls its layers in its own code. It runs in inference mode
    and is not changed; stateful layers start from their states, and leave them as they are.

    The recurrent layers of `keras.layers` run as the kit's layers of the same names, on the same
    variables. So the traces are those of the model, and the outputs are equal to those of
    `predict` up to rounding.

    Args:
        model: A built model or layer.
        x: The model's input, as `predict` takes it: an array, or a list or dict of arrays.
        layers: The keys of the layers to trace; `None` for all. Others run as they do otherwise.
        batch_size: Rows that run at a time; `None` chooses. A model with a stateful layer takes
            one batch, of all rows.

    Returns:
        `Traces`, a mapping from layer name to record, in the order of the calls. Where several
        layers have a name, the key is the path, `"encoder/lstm"`; where a layer is called again,
        `"lstm:1"`, `"lstm:2"`, ... A record is the trace type of the cell (`LSTMTrace`,
        `GRUTrace`, ...) with NumPy arrays `(batch, time, units)` in the compute dtype and `mask`,
        `(batch, time)`. A `Bidirectional` has `.forward` and `.backward`, both in the order of the
        input's time; a layer with `go_backwards` is in the order of running. A `StackedRNN` is a
        dict by inner layer, `RNN` around a stack of cells a tuple, and a `TimeDistributed` around a
        layer has fields `(batch, outer time, time, units)`, around a model a dict.

    Raises:
        TypeError: If `model` is not a Keras layer or model.
        ValueError: For a model that is not built or has no recurrent layers, for a layer that
            cannot be traced (the message names it, with the reason), and for input without rows.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([
    ...     keras.Input((5,)), keras.layers.Embedding(10, 3), keras.layers.LSTM(4, name="lstm"),
    ... ])
    >>> traces = kit.trace(model, np.ones((2, 5), "int32"))
    >>> traces["lstm"].forget.shape
    (2, 5, 4)
    """
    runner = runner_for(model, layers)
    parts = [runner.run(batch) for batch in runner.batches(x, batch_size)]
    return runner.traces(parts)


_PLACE = "_keras_rnnkit_trace_runners"
_BYTES = 16 * 2**20  # about what the captured tensors of a batch take


class Runner:
    """A model as a function that also returns what is captured, compiled where that is usual."""

    def __init__(self, model: Any, layers: list[str] | None) -> None:
        self.model = model
        self.targets = targets_in(model, layers)
        self.settings = settings_of(model)
        self.edited: dict[Any, Any] = {}  # compiled functions for `keras_rnnkit.edit`
        kernels = backend_kernels()
        self._function = kernels.compiled(self._captured, variables=model.variables, xla=False)

    def _captured(self, inputs: Any) -> tuple[Any, list[dict[str, Any]]]:
        captured: list[dict[str, Any]] = []
        with InnerScope(), intercepting(handlers_for(self.targets, captured)):
            outputs = self.model(inputs, training=False)
        return outputs, captured

    def run(self, inputs: Any) -> tuple[Any, list[dict[str, Any]]]:
        """The outputs and what is captured, as arrays."""
        return tree.map_structure(as_array, self._function(inputs))

    def target_of(self, key: str) -> Any:
        """The target of the key of a call, such as `"lstm:1"`."""
        return target_of(self.targets, key)

    def batches(self, x: Any, batch_size: int | None) -> Iterator[Any]:
        """The rows in batches: all at once for a stateful model."""
        x = tree.map_structure(as_input, x)
        count = row_count(x)
        if stateful_layers(self.model):
            batch_size = count
        size = batch_size or self.batch_size(x)
        for start in range(0, count, size):
            yield tree.map_structure(lambda array: array[start : start + size], x)  # noqa: B023

    def copies_at_a_time(self, batch: Any) -> int:
        """How many copies of a batch may run as one; a fixed batch size allows one."""
        fixed = any(a.shape[0] is not None for a in tree.flatten(getattr(self.model, "inputs", [])))
        if fixed or stateful_layers(self.model):
            return 1
        return max(1, self.batch_size(batch) // row_count(batch))

    def batch_size(self, x: Any) -> int:
        """Rows whose captured tensors take about `_BYTES`, 32 at least and 1,024 at most."""
        steps = max((a.shape[1] for a in tree.flatten(x) if len(a.shape) > 1), default=1)
        widths = sum(
            sum(tree.flatten(twin.state_size)) * 3
            for target in self.targets.values()
            for twin in getattr(target, "twins", ())
        )
        return int(np.clip(_BYTES // (4 * steps * max(widths, 64)), 32, 1024))

    def traces(self, parts: list[Any]) -> Traces:
        """The traces of all batches."""
        outputs, captured = tree.map_structure(lambda *arrays: _joined(arrays), *parts)
        records = records_by_call(self.targets, captured)
        called = {key for of_call in captured for key in of_call}
        return Traces(records, outputs, [key for key in self.targets if key not in called])


def runner_for(model: Any, layers: list[str] | None) -> Runner:
    """The runner of a model: the stored one, or a new one if the model has changed.

    It is stored on the model, where Keras does not track it, and is freed with the model.
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"`model` must be a Keras model or layer. Received: model={model!r}")
    if not model.built:
        raise ValueError(
            "`model` must be built, so that it has weights. Call it on data, or give it a "
            f"`keras.Input`. Received: model='{model.name}', model.built=False"
        )
    check_variables_are_here(model)
    runners = vars(model).setdefault(_PLACE, {})
    key = None if layers is None else tuple(layers)
    runner = runners.get(key)
    if runner is None or runner.model is not model or runner.settings != settings_of(model):
        runner = runners[key] = Runner(model, layers)
    return runner


def _joined(arrays: tuple[np.ndarray, ...]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def trace_batches(
    model: Any,
    data: Any,
    batch_size: int | None = None,
    layers: list[str] | None = None,
    reduce: Any = None,
    progress: bool | str = "auto",
) -> Any:
    """The traces of a data set that need not fit into memory, batch by batch.

    Args:
        model: As in `trace`.
        data: Arrays as `trace` takes them, also memory-mapped ones; a `keras.utils.PyDataset`; or
            an iterable of batches. A batch that is a tuple is `(x, y)` or `(x, y, weights)`.
        batch_size: Rows of a batch, for arrays; `None` chooses so that a batch takes little memory.
        layers: As in `trace`.
        reduce: `None` to get every batch; `"statistics"` to keep `TraceStatistics` alone; or a
            function of `Traces`, whose results are kept.
        progress: Whether to draw a progress bar; `"auto"` for work of more than a few seconds.

    Returns:
        Without `reduce`, an iterator of `Traces`. With `"statistics"`, the `TraceStatistics` of all
        batches: for each field and unit the mean, quantiles, the fractions of saturated steps and
        the steps with the highest values, and the half-life of each unit. With a function, the list
        of its results.

    Raises:
        ValueError: As `trace`, and for an unknown `reduce`.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([keras.Input((5, 3)), keras.layers.GRU(4, name="gru")])
    >>> x = np.ones((6, 5, 3), "float32")
    >>> [traces["gru"].update.shape for traces in kit.trace_batches(model, x, batch_size=4)]
    [(4, 5, 4), (2, 5, 4)]
    >>> found = kit.trace_batches(model, x, reduce="statistics")
    >>> found["gru"]["update"].mean.shape, found["gru"].half_life.shape
    ((4,), (4,))
    """
    if reduce is not None and reduce != "statistics" and not callable(reduce):
        raise ValueError(
            "`reduce` must be None, 'statistics' or a function of Traces. "
            f"Received: reduce={reduce!r}"
        )
    traces = _each_batch(runner_for(model, layers), data, batch_size, progress)
    if reduce is None:
        return traces
    if callable(reduce):
        return [reduce(part) for part in traces]
    sums = Accumulator()
    for part in traces:
        sums.add(part)
    return sums.result()


def _each_batch(runner: Runner, data: Any, batch_size: int | None, progress: Any) -> Iterator[Any]:
    batches, count = _batches_of(runner, data, batch_size)
    bar = Progress(count, progress)
    for batch in batches:
        yield runner.traces([runner.run(batch)])
        bar.advance()
    bar.close()


def _batches_of(
    runner: Runner, data: Any, batch_size: int | None
) -> tuple[Iterator[Any], int | None]:
    """The inputs in batches, and how many batches there are, if that is known."""
    if isinstance(data, keras.utils.PyDataset):
        count = data.num_batches
        return (tree.map_structure(as_input, _inputs_of(data[i])) for i in range(count)), count
    in_memory = isinstance(data, list | tuple | dict) or hasattr(data, "shape")
    if in_memory:
        x = tree.map_structure(as_input, data)
        size = batch_size or runner.batch_size(x)
        return runner.batches(x, size), -(-row_count(x) // size)
    batches = (tree.map_structure(as_input, _inputs_of(batch)) for batch in data)
    return batches, len(data) if hasattr(data, "__len__") else None


def _inputs_of(batch: Any) -> Any:
    return batch[0] if isinstance(batch, tuple) else batch
