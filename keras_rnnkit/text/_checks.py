"""Checks of the arguments of a text classifier, when it is fitted, and of its texts."""

import math
import reprlib
from numbers import Real
from typing import Any

from keras_rnnkit._checks import check_choice, check_integer
from keras_rnnkit.data.tokenizers import check_text, check_texts
from keras_rnnkit.layers._stack_checks import checked_units
from keras_rnnkit.text._model import POOLINGS, pooling_parts


def check_settings(classifier: Any) -> None:
    """Refuse wrong arguments that no other part of the kit checks.

    As scikit-learn asks for it, the constructor stores its arguments and checks nothing.
    """
    checked_units("TextClassifier", classifier.units)
    for part in pooling_parts(classifier.pooling) or [""]:
        check_choice(part, "pooling", POOLINGS)
    for name in ("embedding_dim", "epochs", "batch_size", "patience"):
        check_integer(getattr(classifier, name), name, least=1)
    check_integer(classifier.maxlen, "maxlen", least=2, optional=True)
    for name in ("dropout", "word_dropout", "validation_fraction"):
        _check_fraction(getattr(classifier, name), name)
    rate = classifier.learning_rate
    if not isinstance(rate, Real) or isinstance(rate, bool) or not 0 < float(rate) < math.inf:
        raise ValueError(
            f"`learning_rate` must be a number above 0. Received: learning_rate={rate!r}"
        )
    if classifier.verbose not in (0, 1, 2):
        raise ValueError(f"`verbose` must be 0, 1 or 2. Received: verbose={classifier.verbose!r}")


def checked_texts(texts: Any, argument: str) -> list[str]:
    """The texts as a list.

    Raises:
        TypeError: If they are not a sequence of str.
        ValueError: If there are none, or they are a table.
    """
    check_texts(texts, argument)
    found = [check_text(text, index, argument) for index, text in enumerate(texts)]
    if not found:
        raise ValueError(
            f"`{argument}` must have at least one text, and has 0 samples. "
            f"Received: {argument}={reprlib.repr(texts)}"
        )
    return found


def _check_fraction(value: Any, argument: str) -> None:
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) < 1:
        raise ValueError(
            f"`{argument}` must be a fraction from 0 to below 1. Received: {argument}={value!r}"
        )
