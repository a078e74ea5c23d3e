"""Which path each recurrent layer of a model runs on, and why."""

import textwrap
from itertools import zip_longest
from typing import Any, NamedTuple

import keras

from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.layers._traceable import attached_mask
from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.layers.stacked import StackedRNN
from keras_rnnkit.models._onnx_advice import onnx_advice
from keras_rnnkit.running.rule import Choice
from keras_rnnkit.running.run import choice_for


class PathOfLayer(NamedTuple):
    """One row of an explanation; all fields are strings."""

    layer: str
    type: str
    training: str
    prediction: str
    faster: str


class Explanation(tuple[PathOfLayer, ...]):
    """The rows of `explain`, one for each recurrent layer; prints as a table.

    Attributes:
        advice: What makes the whole model predict faster, or "".
    """

    advice: str = ""

    def __repr__(self) -> str:
        if not self:
            return "no recurrent layers"
        rows: list[tuple[str, ...]] = [PathOfLayer._fields, *map(_for_print, self)]
        widths = _widths(rows)
        rows.insert(1, tuple("-" * width for width in widths))
        lines = [line for row in rows for line in _lines(row, widths)]
        return "\n".join([*lines, self.advice] if self.advice else lines)


_WIDEST = 96
_BETWEEN = " | "


def _widths(rows: list[tuple[str, ...]]) -> list[int]:
    """The width of each column: the widest are narrowed, but not below their longest word.

    The first row has the headings.
    """
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    words = [max(map(len, " ".join(column).split())) for column in columns]
    while sum(widths) + len(_BETWEEN) * (len(widths) - 1) > _WIDEST and widths != words:
        narrow = [width if width > word else 0 for width, word in zip(widths, words, strict=True)]
        widths[narrow.index(max(narrow))] -= 1
    return widths


def _lines(row: tuple[str, ...], widths: list[int]) -> list[str]:
    """A row of the table, in as many lines as its longest text takes."""
    parts = [
        textwrap.wrap(text, width, break_on_hyphens=False)
        for text, width in zip(row, widths, strict=True)
    ]
    lines = zip_longest(*parts, fillvalue="")
    return [_BETWEEN.join(map(str.ljust, line, widths)).rstrip() for line in lines]


def _for_print(row: PathOfLayer) -> PathOfLayer:
    """The row for the printed table, which does not repeat a path."""
    return row._replace(prediction="the same") if row.prediction == row.training else row


def explain(model: Any) -> Explanation:
    """Which path each recurrent layer of a model runs on, why, and what would make it faster.

    A layer of the kit runs on one of four paths. `fused`: a kernel computes the whole sequence and
    has its own backward pass. `linear recurrence`: one product computes all gates of a minimal
    cell, then a scan or a loop its states. `keras`: the layer of Keras, where that uses cuDNN.
    `portable`: a loop calls the cell at each step. Layers of `keras.layers` are listed too. Where a
    layer has `recompute`, the text for training says in which chunks, or why it has no effect.

    The rows describe normal calls. On PyTorch, exports and the transforms of `torch.func` run on
    other paths, see *Choose a backend*.

    Args:
        model: A model or a layer.

    Returns:
        A tuple of rows `(layer, type, training, prediction, faster)`, all strings, in the order of
        the model; printed, it is a table. `faster` says what to change for a faster path; it is
        empty if there is none. `advice`, the last line of the print, names the call that predicts
        faster with the whole model: `OnnxModel`, on a CPU, if ONNX has its recurrent layers; where
        batches are not faster, it says that it is about single rows.

    Raises:
        TypeError: If `model` is not a Keras layer or model.

    Example:

    >>> import keras
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([keras.Input((5, 3)), kit.LSTM(4, activation="relu", name="a")])
    >>> print(kit.explain(model))
    layer | type | training                               | prediction | faster
    ----- | ---- | -------------------------------------- | ---------- | ---------------------------
    a     | LSTM | portable: the kernels support only     | the same   | use the default activations
          |      | tanh and sigmoid                       |            |
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"`model` must be a Keras model or layer. Received: model={model!r}")
    layers = layers_in(model)
    found = [layer for layer in layers if isinstance(layer, keras.layers.RNN)]
    converts = _converts(model, layers)
    explanation = Explanation(_row(layer, _called(layer, layers), converts) for layer in found)
    explanation.advice = onnx_advice(model, found)
    return explanation


def _called(layer: Any, layers: list[Any]) -> list[Any]:
    """The layer, and the models and wrappers among `layers` that contain it."""
    wrappers = [w for w in layers if isinstance(w, _WRAPPERS) and w is not layer]
    return [layer, *(w for w in wrappers if any(part is layer for part in layers_in(w)))]


_WRAPPERS = (keras.Model, keras.layers.Bidirectional, keras.layers.Wrapper, StackedRNN)


def _row(layer: Any, called: list[Any], converts: bool) -> PathOfLayer:
    """The row of a layer; `called` has the layer and the models and wrappers that contain it."""
    name, kind = layer.name, type(layer).__name__
    if type(layer) in _OF_KERAS:
        advice = f"keras_rnnkit.{'from_keras(model)' if converts else f'{kind} in its place'}"
        return PathOfLayer(name, f"keras.layers.{kind}", "keras.layers", "keras.layers", advice)
    if not isinstance(layer, Recurrent):
        return PathOfLayer(name, kind, "its own", "its own", "")
    conditions = {
        "masked": any(map(_gets_a_mask, called)),
        "capture_gates": layer.return_gates,
        "resets": getattr(layer, "_gets_resets", False),
    }
    try:
        training = choice_for(layer, training=True, **conditions)
        prediction = choice_for(layer, training=False, **conditions)
    except ValueError as error:  # an option was changed after the layer was made
        return PathOfLayer(name, kind, str(error), str(error), "")
    faster = training.faster or prediction.faster
    return PathOfLayer(name, kind, _text(training), _text(prediction), faster)


_OF_KERAS = (keras.layers.GRU, keras.layers.LSTM, keras.layers.RNN, keras.layers.SimpleRNN)


def _converts(model: Any, layers: list[Any]) -> bool:
    """Whether `from_keras` can convert the model: it is built, and its config names every layer."""
    own = any(type(layer).__module__.partition(".")[0] not in _PACKAGES for layer in layers)
    code = any(isinstance(layer, keras.layers.Lambda) for layer in layers)
    return model.built and not (own or code)


_PACKAGES = ("keras", "keras_rnnkit")


def _text(choice: Choice) -> str:
    return f"{choice.path}: {choice.reason}"


def _gets_a_mask(layer: Any) -> bool:
    """Whether a call of the layer, symbolic or not, is known to have had a mask."""
    if getattr(layer, "_gets_masks", False):
        return True
    inputs = (x for node in layer._inbound_nodes for x in node.input_tensors)
    return any(attached_mask(x) is not None for x in inputs)
