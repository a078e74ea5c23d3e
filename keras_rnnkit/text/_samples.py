"""The texts of a classifier with their classes and weights, checked and split."""

import math
import reprlib
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from keras_rnnkit.text._checks import checked_texts


class Samples(NamedTuple):
    """Texts, and for training their targets and weights.

    Attributes:
        texts: The texts.
        targets: The numbers of their classes, int64 `(samples,)`.
        weights: Their weights in the loss, float32 `(samples,)`, or `None` for 1.
        classes: All classes, sorted.
    """

    texts: list[str]
    targets: Any = None
    weights: Any = None
    classes: Any = None

    def of(self, rows: np.ndarray) -> "Samples":
        """The samples of these rows."""
        weights = None if self.weights is None else self.weights[rows]
        return Samples([self.texts[row] for row in rows], self.targets[rows], weights, self.classes)

    def others(self, pair: Any, class_weight: Any) -> "Samples":
        """Further texts, of the same classes, to validate with."""
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            size = f" of length {len(pair)}" if isinstance(pair, list | tuple) else ""
            raise ValueError(
                "`validation_data` must be a pair (X, y) of texts and their classes. "
                f"Received: type(validation_data)={type(pair).__name__}{size}"
            )
        X, y = pair
        texts = checked_texts(X, "validation_data[0]")
        labels = _checked_labels(y, len(texts), "validation_data[1]")
        unknown = np.setdiff1d(labels, self.classes)
        if len(unknown):
            raise ValueError(
                "`validation_data` must have classes of the training texts only. "
                f"Received: validation_data[1]={unknown[0]!r}"
            )
        targets = np.searchsorted(self.classes, labels)
        if class_weight is None:
            return Samples(texts, targets, None, self.classes)
        by_class = _class_weights(class_weight, self.classes, self.classes[self.targets])
        return Samples(texts, targets, by_class[targets].astype("float32"), self.classes)


def checked_samples(X: Any, y: Any, sample_weight: Any, class_weight: Any) -> Samples:
    """The training texts with targets and weights.

    Raises:
        TypeError: If `X` is not a sequence of texts.
        ValueError: If an argument is wrong.
    """
    texts = checked_texts(X, "X")
    labels = _checked_labels(y, len(texts), "y")
    classes, targets = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            "`y` must have at least two classes, and has only one class. "
            f"Received: set(y)={{{classes[0]!r}}}"
        )
    weights = _checked_weights(sample_weight, len(texts))
    if class_weight is not None:
        by_class = _class_weights(class_weight, classes, labels)[targets]
        weights = by_class if weights is None else by_class * weights
    weights = None if weights is None else weights.astype("float32")
    return Samples(texts, targets.astype("int64"), weights, classes)


def split_samples(samples: Samples, fraction: float, seed: int) -> tuple[Samples, Samples | None]:
    """Samples to train with, and a fraction of each class to validate with, if there are any."""
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(samples.texts), bool)
    for target in range(len(samples.classes)):
        rows = generator.permutation(np.flatnonzero(samples.targets == target))
        held_out[rows[: min(round(fraction * len(rows)), len(rows) - 1)]] = True
    if not held_out.any():
        return samples, None
    return samples.of(np.flatnonzero(~held_out)), samples.of(np.flatnonzero(held_out))


def _checked_labels(y: Any, count: int, argument: str) -> np.ndarray:
    if y is None:
        raise ValueError(
            f"`{argument}` must be the classes of the texts: the classifier requires y to be "
            f"passed, but the target y is None. Received: {argument}=None"
        )
    _refuse_missing(y, argument)
    labels = column_or_1d(y, warn=True)
    if labels.dtype.kind == "O":
        labels = _of_one_type(labels, argument)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(
            f"`{argument}` must have no missing or infinite values. "
            f"Received: {argument}={reprlib.repr(labels.tolist())}"
        )
    check_classification_targets(labels)
    if len(labels) != count:
        raise ValueError(
            f"`{argument}` must have a class for each of the {count} texts. "
            f"Received: len({argument})={len(labels)}"
        )
    return labels


def _refuse_missing(y: Any, argument: str) -> None:
    if not isinstance(y, list | tuple) and getattr(getattr(y, "dtype", None), "kind", "") != "O":
        return
    for number, label in enumerate(y):
        if label is None or (isinstance(label, float) and math.isnan(label)):
            raise ValueError(
                f"`{argument}` must have no missing values: leave these texts out, or give them a "
                f"class of their own. Received: {argument}[{number}]={label!r}"
            )


def _of_one_type(labels: np.ndarray, argument: str) -> np.ndarray:
    """An array of objects, as a column of pandas is: strings, or numbers in a type of numbers."""
    types = sorted({type(label).__name__ for label in labels})
    if len(types) > 1:
        raise ValueError(
            f"`{argument}` must have classes of one type. Received: types={', '.join(types)}"
        )
    plain = np.array(labels.tolist())
    return plain if plain.dtype.kind in "biuf" else labels


def _checked_weights(sample_weight: Any, count: int) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, "float64")
    if weights.shape != (count,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(
            f"`sample_weight` must be finite numbers of 0 and above, of shape ({count},). "
            f"Received: sample_weight.shape={weights.shape}"
        )
    if not weights.any():
        raise ValueError(
            "`sample_weight` must be above zero for at least one text: no other counts in the "
            f"loss. Received: max(sample_weight)={weights.max()}"
        )
    return weights


def _class_weights(class_weight: Any, classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The weight of each class, float64 `(classes,)`."""
    if not (class_weight == "balanced" or isinstance(class_weight, dict)):
        raise ValueError(
            "`class_weight` must be None, 'balanced' or a dict from class to weight. "
            f"Received: class_weight={class_weight!r}"
        )
    return np.asarray(compute_class_weight(class_weight, classes=classes, y=labels), "float64")
