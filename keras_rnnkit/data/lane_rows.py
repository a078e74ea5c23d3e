"""One long series as several rows side by side."""

from typing import Any

import numpy as np

from keras_rnnkit._checks import check_integer


def lanes(series: Any, lanes: int, targets: Any = None) -> Any:
    """Cuts one long series into rows of one length, for `kit.fit_chunks`.

    The first row has the first steps, the second row goes on where the first one ends, and so on.
    `kit.fit_chunks` reads all of them side by side. What is left at the end, fewer than `lanes`
    steps, is dropped.

    A row begins in the middle of the series, but a model starts it from initial states. The more
    lanes, the more steps are read without those before them.

    Args:
        series: An array `(time, ...)`, or what NumPy makes one of. The rows of an array, also of a
            memory-mapped one, are a view of it; NumPy copies it only where its memory is in
            another order.
        lanes: The number of rows: the fixed batch size of the model, or a multiple of it.
        targets: The targets of the steps, an array `(time, ...)`, cut in the same way.

    Returns:
        An array `(lanes, time // lanes, ...)`; with `targets`, a pair of these.

    Raises:
        ValueError: If `lanes` is not a positive integer, the series has fewer steps than that, or
            there is not one target for each step.

    Example:

    >>> lanes([1, 2, 3, 4, 5, 6, 7], 3)
    array([[1, 2],
           [3, 4],
           [5, 6]])
    >>> text = np.array(list("to be or not to be"))
    >>> x, y = lanes(text[:-1], 2, targets=text[1:])
    >>> ["".join(row) for row in x], ["".join(row) for row in y]
    (['to be or', ' not to '], ['o be or ', 'not to b'])
    """
    lanes = check_integer(lanes, "lanes", least=1)
    steps = _checked(series, lanes, "series")
    if targets is None:
        return _rows(steps, lanes)
    for_each = _checked(targets, 1, "targets")
    if len(for_each) != len(steps):
        raise ValueError(
            f"`targets` must have one for each step of `series`, {len(steps)}. "
            f"Received: len(targets)={len(for_each)}"
        )
    return _rows(steps, lanes), _rows(for_each, lanes)


def _checked(series: Any, least: int, argument: str) -> np.ndarray:
    try:
        array = np.asarray(series)
    except ValueError as error:  # several sequences of different lengths
        raise ValueError(
            f"`{argument}` must be one array (time, ...). Join several sequences with "
            "`np.concatenate`, or pack them with `kit.data.pack`. "
            f"Received: type({argument})={type(series).__name__}"
        ) from error
    if not array.ndim or array.dtype == object or len(array) < least:
        raise ValueError(
            f"`{argument}` must be an array (time, ...) of at least {least} steps. "
            f"Received: {argument}.shape={array.shape}, {argument}.dtype={array.dtype}"
        )
    return array


def _rows(array: np.ndarray, lanes: int) -> np.ndarray:
    time = len(array) // lanes
    return array[: lanes * time].reshape(lanes, time, *array.shape[1:])
