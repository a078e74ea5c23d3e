"""Training on long sequences in chunks: truncated backpropagation through time."""

from typing import Any

import keras
from keras import tree

from keras_rnnkit._checks import check_integer
from keras_rnnkit.models._chunk_checks import check_execution, check_steps, lanes_of
from keras_rnnkit.models._chunk_probe import check_agrees
from keras_rnnkit.models._chunks import Chunks, ChunkStates, StateKeeper, chunks_of


def fit_chunks(
    model: Any,
    x: Any,
    y: Any,
    steps: int,
    *,
    epochs: int = 1,
    initial_epoch: int = 0,
    sample_weight: Any = None,
    validation_data: Any = None,
    validation_freq: Any = 1,
    callbacks: Any = None,
    verbose: Any = "auto",
) -> keras.callbacks.History:
    """Trains a stateful model on long sequences in chunks of `steps` steps.

    This is truncated backpropagation through time (Williams and Peng, 1990): the recurrent layers
    carry their states from each chunk to the next one, and the gradients end at the borders of the
    chunk. There is one optimizer step for each chunk. Memory grows with `steps`, and not with the
    length of the sequences. Where a chunk is the whole sequence, this is `fit` without shuffling.

    The fixed batch size of the model is the number of lanes: so many rows are trained side by
    side, chunk by chunk, to their end, then the next ones, from initial states again. Rows are not
    shuffled. If `steps` does not divide the time, the first chunk of each row is the shorter one;
    it is an optimizer step like the others, and on JAX compiled by itself.

    The model runs in `fit`, so that callbacks, logs, and `stop_training` are those of `fit`; a
    batch is a chunk. As for batches in `fit`, the loss and the metrics of an epoch are means over
    its chunks. The validation starts from initial states, and afterwards the states of the training
    are put back, as they are after what a callback predicts or evaluates with the model. After the
    call, the layers have the states after the last chunk; `kit.reset_states(model)` resets them.

    Recurrent layers that run forward, and layers that treat each step separately, can be cut.
    Layers that combine several steps, such as attention, pooling and convolutions over time, would
    miss steps at the borders of a chunk, and are refused by name. A model with layers that may or
    may not combine steps, such as your own, operations of `keras.ops` or a normalization, first
    predicts its first two chunks, at once and one after the other, and is refused where the results
    differ; not if it takes one number of steps alone. A layer inside of `kit.TimeDistributed` may
    be any that is not stateful. For models that cannot be cut, make the recurrent layers with
    `recompute=True` and call `fit`.

    Args:
        model: A compiled and built model whose recurrent layers are those of the kit, made with
            `stateful=True` and `return_sequences=True`, for a fixed number of rows and any number
            of steps: `keras.Input(batch_shape=(rows, None, features))`.
        x: An array `(rows, time, ...)`, or a list or dict of such for several inputs, one of which
            may be the `resets` or a mask of the model. The number of rows is a multiple of the
            model's batch size. Arrays may be memory-mapped: only a chunk is read at a time.
            `kit.data.lanes` makes rows of one long series.
        y: The targets `(rows, time, ...)`, one for each step, or a list or dict of such for several
            outputs; `None` for a model that adds its own loss.
        steps: The number of steps in a chunk.
        epochs: The number of the epoch at which to end, as in `fit`.
        initial_epoch: The number of the epoch at which to begin, as in `fit`.
        sample_weight: Weights `(rows, time)`, or a structure of such.
        validation_data: `(x, y)` or `(x, y, sample_weight)`, evaluated in chunks of `steps` at the
            end of an epoch. It may have other numbers of rows and steps.
        validation_freq: As in `fit`.
        callbacks: A list of Keras callbacks, as in `fit`.
        verbose: As in `fit`.

    Returns:
        The `keras.callbacks.History` of `fit`.

    Raises:
        TypeError: If `model` is not a Keras model, or `callbacks` not a list of callbacks.
        ValueError: For a layer that cannot be cut or does not carry its states, also as it is
            called with an `initial_state`, or several times (the message names it), for a model
            that is not built or has `steps_per_execution` above 1, for arrays that do not have an
            entry for each row and step, and for chunks of another length than the model's inputs.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([
    ...     keras.Input(batch_shape=(4, None, 2)),
    ...     kit.LSTM(8, stateful=True, return_sequences=True), keras.layers.Dense(1),
    ... ])
    >>> model.compile("adam", "mse")
    >>> x = np.random.default_rng(0).normal(size=(8, 1000, 2))
    >>> y = np.cumsum(x, axis=1)[:, :, :1] / 30
    >>> history = kit.fit_chunks(model, x, y, steps=100, epochs=2, verbose=0)
    >>> len(history.history["loss"]), int(model.optimizer.iterations)
    (2, 40)
    """
    steps = check_integer(steps, "steps", least=1)
    callbacks = tree.flatten([] if callbacks is None else callbacks)
    for callback in callbacks:
        is_list = isinstance(callback, keras.callbacks.CallbackList)
        if is_list or not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "`callbacks` must be a list of Keras callbacks. "
                f"Received: type(callback)={type(callback).__name__}"
            )
    lanes = lanes_of(model)
    check_execution(model)
    training = chunks_of((x, y, sample_weight), lanes, steps)
    check_steps(model, steps, training.time, "x")
    validation = _validation(model, validation_data, lanes, steps)
    check_agrees(model, training)
    keeper = StateKeeper() if callbacks else None
    states = ChunkStates(training, validation, keeper)
    return model.fit(
        training,
        epochs=epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        validation_data=validation,
        validation_freq=validation_freq,
        callbacks=[*([keeper] if keeper else []), *callbacks, states],
        verbose=verbose,
    )


def _validation(model: Any, data: Any, lanes: int, steps: int) -> Chunks | None:
    if data is None:
        return None
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        raise ValueError(
            "`validation_data` must be (x, y) or (x, y, sample_weight). "
            f"Received: type(validation_data)={type(data).__name__}"
        )
    three = (*data, None)[:3]
    chunks = chunks_of(three, lanes, steps, "validation_data.")
    check_steps(model, steps, chunks.time, "validation_data.x")
    return chunks
