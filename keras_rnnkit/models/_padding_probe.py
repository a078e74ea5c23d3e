"""What reaches the recurrent layers of a model, as it is and with other values in the padding.

The model runs twice on a batch. In the second run the vectors of padded steps are others: those
that an `Embedding` returns, or the features. The ids and the masks are the same. So the inputs of
a recurrent layer differ exactly at the steps that read padding, whatever is before the layer.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops, tree

from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.layers import Bidirectional
from keras_rnnkit.models._arrays import as_array
from keras_rnnkit.models._intercept import intercepting
from keras_rnnkit.models._padding_calls import Calls
from keras_rnnkit.models._targets import layers_by_path
from keras_rnnkit.running.assigned_variables import NestedScope


class Inputs(NamedTuple):
    """A batch of the model's input, a list of arrays in each field.

    Attributes:
        arrays: The arrays.
        changed: The arrays with other features at padded steps, where no `Masking` reads them.
        padded: Booleans, true where a value is padding: in the shape of an array that may hold ids,
            `(batch, time)` for features, and a scalar where no padding is known.
    """

    arrays: list[Any]
    changed: list[Any]
    padded: list[Any]


class Seen(NamedTuple):
    """One call of a layer in a batch.

    Attributes:
        path: The path of the layer in the model.
        changed: For a recurrent layer, booleans `(rows, time)`, true where its input differs if
            the padding has other values.
        mask: For a recurrent layer, booleans `(rows, time)`, or `None`.
        ids: For an `Embedding`, its input.
    """

    path: str
    changed: Any = None
    mask: Any = None
    ids: Any = None


class Probe:
    """A model, and the layers in it whose calls are looked at, by path."""

    def __init__(self, model: Any, structure: Any) -> None:
        layers = _by_path(model)
        self.model, self.structure = model, structure
        self.recurrent = _of_kind(layers, keras.layers.RNN)
        self.embeddings = _of_kind(layers, keras.layers.Embedding)
        self.maskings = _of_kind(layers, keras.layers.Masking)
        # A `Bidirectional` of the kit may run both of its layers without calling them.
        self.pairs = [layer for layer in layers.values() if _is_pair(layer)]
        self._function = backend_kernels().compiled(
            self._captured, variables=model.variables, xla=False
        )

    def look(self, inputs: Inputs) -> list[Seen]:
        """The calls in one batch, in their order."""
        before = self._run(inputs, inputs.arrays, 0.0)[1]
        after = self._run(inputs, inputs.changed, 1.0)[1]
        return [_seen(*calls) for calls in zip(before, after, strict=True)]

    def masked(self, inputs: Inputs) -> list[bool]:
        """For each array of the input, whether a `Masking` reads it."""
        if not self.maskings:
            return [False] * len(inputs.arrays)
        return list(map(bool, self._run(inputs, inputs.arrays, 0.0)[2]))

    def uses_states(self, inputs: Inputs, path: str) -> bool:
        """Whether the outputs of the model depend on the states that a layer returns."""
        outputs = self._run(inputs, inputs.arrays, 0.0)[0]
        shifted = self._run(inputs, inputs.arrays, 0.0, path)[0]
        pairs = zip(outputs, shifted, strict=True)
        return not all(np.array_equal(one, other, equal_nan=True) for one, other in pairs)

    def _run(self, inputs: Inputs, arrays: list[Any], strength: float, shifted: str = "") -> Any:
        shifts = np.array([path == shifted for path in self.recurrent], "float32")
        arguments = (inputs.arrays, arrays, inputs.padded, np.array(strength, "float32"), shifts)
        return tree.map_structure(as_array, self._function(*arguments))

    def _captured(self, *arguments: Any) -> tuple[list[Any], list[dict[str, Any]], list[Any]]:
        originals, arrays, *others = tree.map_structure(ops.convert_to_tensor, arguments)
        calls = Calls(self, list(originals), list(arrays), *others)
        with NestedScope(), intercepting(calls.handlers()):
            outputs = self.model(tree.pack_sequence_as(self.structure, arrays), training=False)
        return tree.flatten(outputs), calls.captured, calls.masked


def _seen(before: dict[str, Any], after: dict[str, Any]) -> Seen:
    """One call, from what was captured of it in both runs."""
    ((path, call),) = before.items()
    if "ids" in call:
        return Seen(path, ids=call["ids"])
    first, second = call["steps"], after[path]["steps"]
    both_nan = np.isnan(first) & np.isnan(second)
    return Seen(path, changed=(first != second) & ~both_nan, mask=call.get("mask"))


_KINDS = (keras.layers.RNN, keras.layers.Embedding, keras.layers.Masking)


def _is_whole(layer: Any) -> bool:
    return isinstance(layer, _KINDS)


def _is_pair(layer: Any) -> bool:
    return type(layer).call is Bidirectional.call


def _of_kind(layers: dict[str, Any], kind: type) -> dict[str, Any]:
    return {path: layer for path, layer in layers.items() if isinstance(layer, kind)}


def _by_path(model: Any) -> dict[str, Any]:
    """The layers that are looked at; those with equal paths get a number."""
    layers: dict[str, Any] = {}
    for path, layer in layers_by_path(
        model, lambda one: _is_whole(one) or _is_pair(one), _is_whole
    ):
        same = sum(key.partition("#")[0] == path for key in layers)
        layers[f"{path}#{same + 1}" if same else path] = layer
    return layers
