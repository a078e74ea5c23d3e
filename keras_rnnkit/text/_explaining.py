"""Which words decided on the class of a text."""

from typing import Any

import numpy as np

from keras_rnnkit._checks import check_choice
from keras_rnnkit.data import tokenize
from keras_rnnkit.data.padding import pad
from keras_rnnkit.models import attribute, trace
from keras_rnnkit.text._lengths import padded_lengths
from keras_rnnkit.text.explanation import TextExplanation

PAD, START = "[PAD]", "[START]"
METHODS = ("integrated_gradients", "cells", "occlusion")


def explained(classifier: Any, text: Any, label: Any, method: str) -> TextExplanation:
    """The explanation of one text.

    Raises:
        TypeError: If `text` is not a str.
        ValueError: If `label` is no class, or `method` none of the methods.
    """
    check_choice(method, "method", METHODS)
    _check_text(text)
    probabilities = classifier.predict_proba([text])[0]
    target = int(np.argmax(probabilities)) if label is None else _number(classifier, label)
    x, tokens = _padded(classifier, text)
    binary = len(classifier.classes_) == 2
    attribution = attribute(
        classifier.model_, x, target=0 if binary else target, method=method, tokens=[tokens]
    )
    if binary and target == 0:  # the only logit is that of the other class
        attribution = _opposite(attribution)
    values = classifier.classes_.tolist()
    return TextExplanation(
        text,
        values[target],
        float(probabilities[target]),
        dict(zip(values, probabilities.tolist(), strict=True)),
        [word for word in attribution.top(len(tokens)) if word.token != START or word.position],
        attribution,
        trace(classifier.model_, x),
    )


def _check_text(text: Any) -> None:
    if not isinstance(text, str):
        raise TypeError(
            f"`text` must be one text, a str. Received: text={text!r} of type {type(text).__name__}"
        )


def _number(classifier: Any, label: Any) -> int:
    classes = classifier.classes_.tolist()
    if label not in classes:
        raise ValueError(
            f"`label` must be one of {classes}, or None for the predicted class. "
            f"Received: label={label!r}"
        )
    return classes.index(label)


def _padded(classifier: Any, text: str) -> tuple[np.ndarray, list[str]]:
    """Ids `(1, time)` of one of the lengths for which the model is compiled, and their words."""
    vocabulary = classifier.vocabulary_
    tokens = [START, *tokenize(text, vocabulary.tokenizer)][: classifier.maxlen_]
    (ids,) = vocabulary.encode_many([text])
    ids = ids[: classifier.maxlen_]
    lengths = padded_lengths(classifier.lengths_, len(ids))
    length = next(one for one in lengths if one >= len(ids))
    return pad([ids], length, padding="post"), tokens + [PAD] * (length - len(tokens))


def _opposite(attribution: Any) -> Any:
    """The attribution of the logit of the first of two classes, minus that of the second."""
    signed = ("scores", "total", "first", "bias")
    found = {name: getattr(attribution, name) for name in signed}
    return attribution._replace(
        **{name: None if value is None else 0.0 - value for name, value in found.items()}
    )
