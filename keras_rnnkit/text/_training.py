"""The training of a text classifier."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_rnnkit.callbacks import progress
from keras_rnnkit.callbacks.parts import SkippingEarlyStopping
from keras_rnnkit.text._resuming import is_resumable

Callbacks = Sequence[keras.callbacks.Callback]


def train(
    settings: Any, model: keras.Model, training: Any, validation: Any, callbacks: Callbacks
) -> dict[str, list[float]]:
    """Train a model and leave the weights of its best epoch in it.

    Args:
        settings: The classifier, with its arguments.
        model: The model. It shares its layers with the one that is compiled here, so that neither
            the optimizer nor the loss are stored with it.
        training: Batches to train with.
        validation: Batches to find the best epoch with, or `None`.
        callbacks: Those of the user.

    Returns:
        The losses and metrics of every epoch, lists by name.
    """
    binary = model.output_shape[-1] == 1
    trained = keras.Model(model.inputs, model.outputs, name=model.name)
    trained.compile(
        keras.optimizers.Adam(settings.learning_rate),
        "binary_crossentropy" if binary else "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    run = trained.fit(
        training,
        epochs=settings.epochs,
        validation_data=validation,
        callbacks=[
            *callbacks,
            *_own_callbacks(settings, validation, callbacks),
            *(progress() if settings.verbose == 1 else []),
        ],
        shuffle=False,  # the batches come in a seeded order, which Keras would shuffle unseeded
        verbose=settings.verbose,
    )
    return {name: [float(value) for value in values] for name, values in run.history.items()}


def _own_callbacks(settings: Any, validation: Any, callbacks: Callbacks) -> Callbacks:
    if is_resumable(callbacks):  # it stops on NaN, and saves the state of its own callbacks only
        return []
    own = [keras.callbacks.TerminateOnNaN()]
    if validation is None or any(
        isinstance(one, keras.callbacks.EarlyStopping) for one in callbacks
    ):
        return own
    return [
        *own,
        SkippingEarlyStopping(
            monitor="val_loss", patience=settings.patience, restore_best_weights=True
        ),
    ]
