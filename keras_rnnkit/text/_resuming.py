"""A fit that goes on after an interruption: the checkpoint must be one of the same texts."""

import hashlib
from collections.abc import Iterable
from typing import Any

import keras

from keras_rnnkit._checks import is_integer
from keras_rnnkit.callbacks._resume import ResumableRun
from keras_rnnkit.text._samples import Samples

# Those that change the batches or the steps, beside those of which the model is built.
_ARGUMENTS = (
    *("max_words", "min_count", "tokenizer", "maxlen", "lengths"),
    *("batch_size", "learning_rate", "random_state"),
)


def is_resumable(callbacks: Iterable[keras.callbacks.Callback]) -> bool:
    """Whether the user's callbacks are those of a run that goes on."""
    return any(isinstance(one, ResumableRun) for one in callbacks)


def bind_texts(
    callbacks: Iterable[keras.callbacks.Callback],
    settings: Any,
    training: Samples,
    held_out: Samples | None,
) -> None:
    """Let the run refuse a checkpoint of other texts, whose model has other words at its ids.

    Args:
        callbacks: Those of the user.
        settings: The classifier, with its arguments.
        training: The texts to train with.
        held_out: The texts to validate with, or `None`.

    Raises:
        ValueError: If `random_state` is no integer: the next start would hold out other texts.
    """
    for one in callbacks:
        if not isinstance(one, ResumableRun):
            continue
        if not is_integer(settings.random_state):
            raise ValueError(
                "`random_state` must be an integer when the fit is to be resumed, so that it holds "
                "out the same texts and builds the same model when it is started again. "
                f"Received: random_state={settings.random_state!r}"
            )
        digest = _digest(training, held_out)
        digest.update(repr([str(getattr(settings, name)) for name in _ARGUMENTS]).encode())
        one.bind_data("texts, labels, random_state or arguments", digest.hexdigest())


def _digest(*parts: Samples | None) -> Any:
    digest = hashlib.sha256()
    for part in parts:
        if part is None:
            continue
        for text in part.texts:
            digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
        digest.update(repr(part.classes.tolist()).encode("utf-8", "surrogatepass"))
        digest.update(part.targets.tobytes())
        digest.update(b"" if part.weights is None else part.weights.tobytes())
    return digest
