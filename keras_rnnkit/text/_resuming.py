"""A fit that goes on after an interruption: the checkpoint must be one of the same texts."""

import hashlib
from collections.abc import Iterable
from typing import Any

import keras

from keras_rnnkit.callbacks._resume import ResumableRun
from keras_rnnkit.text._samples import Samples


def is_resumable(callbacks: Iterable[keras.callbacks.Callback]) -> bool:
    """Whether the user's callbacks are those of a run that goes on."""
    return any(isinstance(one, ResumableRun) for one in callbacks)


def bind_texts(
    callbacks: Iterable[keras.callbacks.Callback],
    random_state: Any,
    training: Samples,
    held_out: Samples | None,
) -> None:
    """Let the run refuse a checkpoint of other texts, whose model has other words at its ids.

    Raises:
        ValueError: Without a `random_state`, the second start has other texts held out.
    """
    for one in callbacks:
        if not isinstance(one, ResumableRun):
            continue
        if random_state is None:
            raise ValueError(
                "`random_state` must be an integer when the fit is to be resumed, so that it holds "
                "out the same texts and builds the same model when it is started again. "
                "Received: random_state=None"
            )
        one.bind_data("texts, labels or random_state", _digest(training, held_out))


def _digest(*parts: Samples | None) -> str:
    digest = hashlib.sha256()
    for part in parts:
        if part is None:
            continue
        for text in part.texts:
            digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
        digest.update(repr(part.classes.tolist()).encode("utf-8", "surrogatepass"))
        digest.update(part.targets.tobytes())
        digest.update(b"" if part.weights is None else part.weights.tobytes())
    return digest.hexdigest()
