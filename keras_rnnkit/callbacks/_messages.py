"""What the callbacks say to the user, in the way of Keras' own callbacks."""

from __future__ import annotations

import logging
import sys

import keras

_LOGGER = logging.getLogger("keras_rnnkit")


def say(text: str) -> None:
    """Write a line to the standard output, or to the log, as Keras is set up."""
    if keras.config.is_interactive_logging_enabled():
        sys.stdout.write(f"\n{text}\n")
        sys.stdout.flush()
    else:
        _LOGGER.info(text)
