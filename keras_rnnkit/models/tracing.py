"""The gates and states of every recurrent layer of a trained model."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_rnnkit._checks import check_integer
from keras_rnnkit.models._arrays import as_inputs, inputs_of_batch, row_count
from keras_rnnkit.models._progress import Progress
from keras_rnnkit.models._runner import Runner, runner_for
from keras_rnnkit.models.statistics import Accumulator
from keras_rnnkit.models.traces import Traces


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

    What is compiled for a model is kept until an attribute of it or of its layers changes. So a
    model whose own `call` changes one, such as a counter, is compiled anew every time; a
    `keras.Variable` in its place is not compiled in.

    Args:
        model: A built model or layer.
        x: The model's input, as `predict` takes it: an array, or a list or dict of arrays.
        layers: The keys of the layers to trace; `None` for all. Others run as they do otherwise.
        batch_size: Rows that run at a time; `None` chooses. A model with a stateful layer takes
            one batch, of all rows.

    Returns:
        `Traces`, a mapping from layer name to trace, in the order of the calls. Where several
        layers have a name, the key is the path, `"encoder/lstm"`; where a layer is called again,
        `"lstm:1"`, `"lstm:2"`, ... A trace is of the type that its cell has (`LSTMTrace`,
        `GRUTrace`, ...) with NumPy arrays `(batch, time, units)` in the compute dtype and `mask`,
        `(batch, time)`. A `Bidirectional` has `.forward` and `.backward`, both in the order of the
        input's time; a layer with `go_backwards` is in running order. A `StackedRNN` is a
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
    return runner_for(model, layers).trace(x, batch_size)


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
            an iterable of batches, such as a `tf.data.Dataset` or a `DataLoader` of PyTorch. A
            batch that is a tuple or a list is `(x,)`, `(x, y)` or `(x, y, sample_weight)`, as in
            Keras' `predict`.
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
    >>> parts = kit.trace_batches(model, x, batch_size=4, progress=False)
    >>> [traces["gru"].update.shape for traces in parts]
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
    runner = runner_for(model, layers)
    run = runner.views if reduce == "statistics" else runner.run
    traces = _each_batch(runner, run, data, batch_size, progress)
    if reduce is None:
        return traces
    if callable(reduce):
        return [reduce(part) for part in traces]
    sums = Accumulator()
    for part in traces:
        sums.add(part)
    return sums.result()


def _each_batch(
    runner: Runner, run: Callable[..., Any], data: Any, batch_size: int | None, progress: Any
) -> Iterator[Traces]:
    batches, count = _batches_of(runner, data, batch_size)
    bar = Progress(count, progress)
    for batch in batches:
        yield runner.traces([run(batch)])
        bar.advance()
    bar.close()


def _batches_of(
    runner: Runner, data: Any, batch_size: int | None
) -> tuple[Iterator[Any], int | None]:
    """The inputs in batches, and how many batches there are, if that is known."""
    check_integer(batch_size, "batch_size", least=1, optional=True)
    if isinstance(data, keras.utils.PyDataset):
        count = data.num_batches
        if count is not None:
            return (inputs_of_batch(data[i]) for i in range(count)), count
        return (inputs_of_batch(data[i]) for i in itertools.count()), None
    in_memory = isinstance(data, list | tuple | dict) or hasattr(data, "shape")
    if in_memory:
        x = as_inputs(data)
        size = batch_size or runner.even_batch_size(x)
        return runner.batches(x, size), -(-row_count(x) // size)
    return (inputs_of_batch(batch) for batch in data), _length_of(data)


def _length_of(data: Any) -> int | None:
    """How many batches an iterable has, if it knows."""
    try:
        return len(data)
    except TypeError:  # no length, or a `tf.data.Dataset` of unknown length
        return None
