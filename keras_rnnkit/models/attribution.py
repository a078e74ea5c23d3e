"""Which words decided what a model predicts."""

from typing import Any

import numpy as np

from keras_rnnkit._checks import check_choice, check_integer
from keras_rnnkit.models._attribute_cells import cells
from keras_rnnkit.models._attribute_contextual import contextual
from keras_rnnkit.models._attribute_gradients import integrated_gradients
from keras_rnnkit.models._attribute_model import Question, function_of
from keras_rnnkit.models._attribute_occlusion import occlusion
from keras_rnnkit.models._attribute_result import Attribution
from keras_rnnkit.models._attribute_rows import Rows

METHODS = ("integrated_gradients", "cells", "contextual", "occlusion")


def attribute(
    model: Any,
    x: Any,
    target: Any = None,
    method: str = "integrated_gradients",
    of: str = "logit",
    baseline: Any = None,
    points: int = 64,
    tokens: Any = None,
    spans: Any = None,
    replace: Any = None,
    layer: str | None = None,
    batch_size: int | None = None,
) -> Attribution:
    r"""Which words decided: a score for each word of each row.

    - `"integrated_gradients"` (Sundararajan et al., 2017), for any model: the gradients of the
      logit by the vectors of the words, integrated on the straight line from `baseline` to the
      vectors. The scores add up to the change of the logit, up to `gap`. Rows whose gap is above 1
      % are run again with two and four times the points. Masks stay those of `x`.
    - `"cells"` (Murdoch and Szlam, 2017), for a last LSTM, GRU or minimal layer (also as
      `Bidirectional`) with one `Dense` layer behind its last state: what each step has left in the
      last state. The scores, `first` and `bias` add up to the logit. With several recurrent layers,
      a step is one of the last layer, which has seen other words too.
    - `"contextual"` (Murdoch, Liu and Yu, 2018), for one LSTM with a `Dense` layer: the part of the
      logit that comes from each phrase of `spans` by itself.
    - `"occlusion"`, for any model: how much the logit drops when a word is replaced by [UNK].

    What is explained is the logit, the output before its last activation: a saturated probability
    hardly changes with any word. The model runs in inference mode and is not changed.

    Args:
        model: A built model with one output `(batch, outputs)`.
        x: The model's input, as `predict` takes it: ids `(batch, time)` for a model with an
            `Embedding`, or floats `(batch, time, features)`. Of several inputs, those without the
            words stay as they are.
        target: The number of the output to explain, or one for each row. `None` for the predicted
            class; a model with a single output has no other.
        method: One of the above.
        of: `"logit"`, or `"output"` for the output itself.
        baseline: For `"integrated_gradients"`, the vectors where the line starts, of the shape
            `(batch, time, features)` or one that broadcasts to it. `None` for zeros.
        points: For `"integrated_gradients"`, the points of the Gauss-Legendre rule to begin with.
        tokens: The words of each row, one for each step, to name them: lists of `str`, such as
            `vocabulary.decode(row, special=True).split()`.
        spans: For `"contextual"`, the phrases `(start, stop)`, half-open as slices are.
        replace: For `"occlusion"`, the id that takes the place of a word; `None` for 2, which is
            [UNK] in `keras_rnnkit.data` and in Keras' IMDB data. For floats, a vector; `None` for
            zeros.
        layer: The name of the `Embedding` or of the input with the words, for a model with several.
        batch_size: How many sequences run at a time; `None` chooses.

    Returns:
        An `Attribution`, with `scores` `(batch, time)`, or `(batch, spans)` of `"contextual"`.

    Raises:
        TypeError: If `model` is not a Keras layer or model.
        ValueError: If an argument is not one of the above, or belongs to another method; and for a
            model for which the method is not defined, with the reason and what to take.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([
    ...     keras.Input((5,)), keras.layers.Embedding(10, 3), keras.layers.LSTM(4),
    ...     keras.layers.Dense(1, activation="sigmoid"),
    ... ])
    >>> x = np.array([[1, 5, 3, 2, 7]])
    >>> found = kit.attribute(model, x, tokens=[["a", "film", "of", "great", "beauty"]])
    >>> found.scores.shape, bool(found.gap[0] < 0.01)
    ((1, 5), True)
    >>> len(found.top(2))
    2
    >>> exact = kit.attribute(model, x, method="cells")
    >>> total = exact.scores.sum(axis=1) + exact.first + exact.bias
    >>> bool(np.allclose(total, exact.total, atol=1e-5))
    True
    """
    _check_arguments(method, of, baseline, points, spans, replace, batch_size)
    function = function_of(model, of, layer, words=method not in _OF_CELLS)
    rows = Rows(model, x, batch_size)
    logits, given, vectors, masks = function.look_at_all(rows)
    target = _targets(target, logits)
    chosen = np.eye(logits.shape[1])[target]
    question = Question(function, rows, logits.astype("float64"), given, vectors, chosen, masks)
    steps = 0
    if method == "cells":
        found = cells(question)
        steps = found["scores"].shape[1]
    elif method == "contextual":
        found, spans, steps = contextual(question, spans)
    else:
        steps = vectors.shape[1]
        if method == "occlusion":
            found = occlusion(question, replace)
        else:
            found = integrated_gradients(question, _baseline(baseline, vectors), points)
    words = _words(tokens, rows.count, steps)
    arrays = {name: _in_dtype(value, logits.dtype) for name, value in found.items()}
    named = {"tokens": words, "spans": spans, "method": method, "of": of}
    return Attribution(**{**_NOTHING, **arrays, **named, "target": target})


_OF_CELLS = ("cells", "contextual")  # methods that look at a recurrent layer, not at the words
_NOTHING: dict[str, Any] = dict.fromkeys(Attribution._fields)
# The arguments that belong to one method.
_BELONGS = {
    "baseline": "integrated_gradients",
    "spans": "contextual",
    "replace": "occlusion",
}


def _check_arguments(
    method: Any, of: Any, baseline: Any, points: Any, spans: Any, replace: Any, batch_size: Any
) -> None:
    check_choice(method, "method", METHODS)
    check_choice(of, "of", ("logit", "output"))
    check_integer(points, "points", least=1)
    check_integer(batch_size, "batch_size", least=1, optional=True)
    given = {"baseline": baseline, "spans": spans, "replace": replace}
    for name, owner in _BELONGS.items():
        if given[name] is not None and method != owner:
            raise ValueError(
                f"`{name}` belongs to `method={owner!r}` and must be None for {method!r}. "
                f"Received: {name}={given[name]!r}"
            )
    if method == "contextual" and spans is None:
        raise ValueError(
            "`spans` must be a list of phrases `(start, stop)` for `method='contextual'`. "
            "Received: spans=None"
        )


def _targets(target: Any, logits: np.ndarray) -> np.ndarray:
    """The number of the explained output for each row."""
    rows, outputs = logits.shape
    if target is None:
        return np.argmax(logits, axis=1)
    found = np.asarray(target)
    shapes, valid = ((), (rows,)), found.dtype.kind in "iu"
    if not valid or found.shape not in shapes or np.any((found < 0) | (found >= outputs)):
        one = ", the only output, whose logit is positive for class 1" if outputs == 1 else ""
        raise ValueError(
            f"`target` must be a number from 0 to {outputs - 1}{one}, or one for each of the "
            f"{rows} rows, or None. Received: target={target!r}"
        )
    return np.broadcast_to(found, rows).astype(int)


def _baseline(baseline: Any, vectors: np.ndarray) -> np.ndarray:
    """The vectors where the line starts, of the shape of the vectors of the words."""
    start = np.asarray(0 if baseline is None else baseline, vectors.dtype)
    shapes = {vectors.shape[i:] for i in range(4)}
    if start.shape not in shapes:
        raise ValueError(
            f"`baseline` must be of the shape {vectors.shape} of the vectors, or of the last axes "
            f"of it. Received: baseline.shape={start.shape}"
        )
    return np.ascontiguousarray(np.broadcast_to(start, vectors.shape))


def _words(tokens: Any, rows: int, steps: int) -> list[list[str]] | None:
    """The words of each row, one for each step."""
    if tokens is None:
        return None
    words = [tokens] if rows == 1 and all(isinstance(one, str) for one in tokens) else tokens
    words = [[str(word) for word in row] for row in words if not isinstance(row, str)]
    lengths = [len(row) for row in words]
    if lengths != [steps] * rows:
        raise ValueError(
            f"`tokens` must be a list of {steps} words, one for each step, for each of the {rows} "
            "rows; padding counts: `vocabulary.decode(row, special=True).split()`. "
            f"Received: lengths={lengths}"
        )
    return words


def _in_dtype(value: np.ndarray, dtype: Any) -> np.ndarray:
    return value if value.dtype.kind in "biu" else value.astype(dtype)
