"""A model as a function from the vectors of its words to the logits of its output."""

import itertools
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops, tree

from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.models._arrays import as_array
from keras_rnnkit.models._attribute_head import HEADS, Head, head_of
from keras_rnnkit.models._attribute_masks import fixing, masked_layers, masks_of_call
from keras_rnnkit.models._attribute_place import PLACES, Place, place_of
from keras_rnnkit.models._attribute_rows import Rows
from keras_rnnkit.models._intercept import intercepting
from keras_rnnkit.models._stored import stored
from keras_rnnkit.running.assigned_variables import NestedScope


class ModelFunction:
    """The logits of a model as a function of its inputs, and of the vectors at one place in it.

    Where the logits and the vectors are is found while the model runs for the first time.

    Attributes:
        head: The last layer of the model, in place of which its pre-activation is taken.
        place: Where the vectors of the words are: behind an `Embedding`, or an input.
    """

    head: Head
    place: Place

    embeddings: list[Any]  # the `Embedding` layers

    def __init__(self, model: Any, of: str, layer: str | None, words: bool) -> None:
        self.model, self.of, self.layer, self.words = model, of, layer, words
        layers = layers_in(model)
        self._heads = [one for one in layers if isinstance(one, HEADS)]
        self._places = [one for one in layers if isinstance(one, PLACES)]
        self._masked = masked_layers(model)
        # By the number of masks with a row for each input: of all masks, which ones these are.
        self._with_rows: dict[int, list[bool]] = {}
        self._inputs: dict[tuple[int, ...], Any] = {}  # compiled functions of `inputs_of`
        self.embeddings = [one for one in layers if isinstance(one, keras.layers.Embedding)]
        self._look, self._plain, self._from_vectors, self._gradients = map(
            self._compiled,
            (self._find, self._run, self._run, self._weighted_gradients),
        )

    def _compiled(self, function: Any) -> Any:
        compiled = backend_kernels().compiled(function, self.model.variables, xla=False)
        return lambda *args: tree.map_structure(as_array, compiled(*_as_tensors(args)))

    def look(self, inputs: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
        """The logits `(batch, outputs)`, the tokens and vectors at the place of the words, masks.

        Where no words are needed, tokens and vectors are empty. Half precision becomes float32. The
        masks are those that layers make or take, in the order of their calls.
        """
        logits, tokens, vectors, masks = self._look(inputs)
        if not self.words:
            tokens = vectors = np.zeros((len(logits), 0))
        return in_full(logits), tokens, in_full(vectors), list(masks)

    def look_at_all(self, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
        """The same, of all rows."""
        blocks = rows.blocks(range(rows.count), rows.size)
        parts = [self.look(rows.of(block)) for block in blocks]
        joined: Any = tree.map_structure(
            lambda *arrays: np.concatenate(arrays)[: rows.count], *parts
        )
        return tuple(joined)

    def logits(self, inputs: Any, vectors: Any = None, masks: Any = ()) -> np.ndarray:
        """The logits `(batch, outputs)`, with the vectors at their place, if any are given.

        With vectors, the masks of the real input have to be given too.
        """
        if vectors is None:
            return self._plain(inputs)
        return self._from_vectors(inputs, vectors, masks)

    def weighted_gradients(self, inputs: Any, masks: Any, *args: Any) -> np.ndarray:
        """The weighted sum of gradients on the line from a baseline to the vectors.

        Args:
            inputs: Those of the model, `rows` of them.
            masks: The masks of its layers for them.
            *args: The vectors `(rows, time, features)`; the baseline, of the same shape; the
                points on the line, from 0 to 1; their weights; and the chosen outputs as one-hot
                vectors `(rows, outputs)`.

        Returns:
            `(rows, time, features)`.
        """
        return self._gradients(inputs, masks, *args)

    def inputs_of(self, layer: Any, blocks: list[Any], handlers: Any = None) -> list[np.ndarray]:
        """What a layer of the model is called on, for each of these blocks of inputs.

        Args:
            layer: The layer.
            blocks: Inputs of the model.
            handlers: By layer, what runs in place of others, always the same for the same layers.
        """

        def run(inputs: Any) -> Any:
            calls: list[Any] = []

            def handler(original: Any, *args: Any, **kwargs: Any) -> Any:
                calls.append(args[0] if args else kwargs["sequences"])
                return original(*args, **kwargs)

            with NestedScope(), intercepting({**(handlers or {}), layer: handler}):
                self.model(inputs, training=False)
            return calls[-1]

        key = id(layer), *sorted(map(id, handlers or ()))
        return [*map(self._inputs.setdefault(key, self._compiled(run)), blocks)]

    def _find(self, inputs: Any) -> tuple[Any, Any, Any, Any]:
        calls: list[Any] = []
        masks: list[Any] = []
        heads = [one for one in self._heads if self.of == "logit" or _is_plain(one)]

        def handler_for(layer: Any) -> Any:
            def handler(original: Any, *args: Any, **kwargs: Any) -> Any:
                if layer in masked:
                    masks.append((layer, masks_of_call(layer, args, kwargs)))
                outputs = original(*args, **kwargs)
                if layer in called:
                    calls.append((layer, args, kwargs, outputs))
                return outputs

            return handler

        called, masked = {*self._places, *heads}, set(self._masked)
        handlers = {layer: handler_for(layer) for layer in called | masked}
        with NestedScope(), intercepting(handlers):
            outputs = self.model(inputs, training=False)
            self.head, logits = head_of(self.model, outputs, calls, self.of)
        if not self.words:
            return logits, (), (), []
        self.place, tokens, vectors = place_of(self.model, inputs, calls, self.layer)
        found = [mask for layer, of in masks if layer is not self.place.layer for mask in of]
        with_rows = [mask.shape[0] == vectors.shape[0] for mask in found]
        self._with_rows[sum(with_rows)] = with_rows
        return logits, tokens, vectors, list(itertools.compress(found, with_rows))

    def _run(self, inputs: Any, vectors: Any = None, masks: Any = ()) -> Any:
        handlers = self.head.handlers()
        if vectors is not None:
            fixed = fixing(self._masked, masks, self._with_rows[len(masks)])
            handlers = {**fixed, **handlers}
            inputs, handlers = self.place.replaced(inputs, vectors, handlers)
        with NestedScope(), intercepting(handlers):
            return self.head.logits(self.model(inputs, training=False))

    def _weighted_gradients(
        self,
        inputs: Any,
        masks: Any,
        vectors: Any,
        baseline: Any,
        points: Any,
        weights: Any,
        chosen: Any,
    ) -> Any:
        count, shape = points.shape[0], vectors.shape
        distance = vectors - baseline
        path = baseline[None] + ops.reshape(points, (count, 1, 1, 1)) * distance[None]
        path = ops.reshape(path, (count * shape[0], *shape[1:]))
        inputs, masks = tree.map_structure(
            lambda leaf: ops.concatenate([leaf] * count), (inputs, masks)
        )
        chosen = ops.concatenate([chosen] * count)

        def total(path: Any) -> Any:
            return ops.sum(ops.cast(self._run(inputs, path, masks), path.dtype) * chosen)

        _, (gradient,) = backend_kernels().value_and_gradients(total, [path])
        gradient = ops.reshape(gradient, (count, *shape))
        return ops.sum(gradient * ops.reshape(weights, (count, 1, 1, 1)), axis=0)


class Question(NamedTuple):
    """What is to be explained.

    Attributes:
        function: The model.
        rows: Its inputs.
        logits: `(batch, outputs)`, in float64.
        tokens: What reaches the place of the words: ids `(batch, time)`, or floats.
        vectors: Those of the words, `(batch, time, features)`.
        chosen: One-hot vectors of the outputs to explain, `(batch, outputs)`.
        masks: Those that layers make or take, each with a row for each row.
    """

    function: ModelFunction
    rows: Rows
    logits: np.ndarray
    tokens: np.ndarray
    vectors: np.ndarray
    chosen: np.ndarray
    masks: list[np.ndarray]

    @property
    def total(self) -> np.ndarray:
        """The explained logit of each row."""
        return np.sum(self.logits * self.chosen, axis=-1)

    def masks_of(self, rows: Any) -> list[np.ndarray]:
        """The masks of some rows."""
        return [mask[rows] for mask in self.masks]


SMALL_CHANGE = 1e-3  # below it, a gap is not divided by what should be explained


def in_full(array: np.ndarray) -> np.ndarray:
    """The array in float64 where it is, else in float32."""
    return array if array.dtype == np.float64 else array.astype("float32")


def gap_of(found: np.ndarray, total: np.ndarray) -> np.ndarray:
    """How far a sum is from what it should be: relatively, or absolutely where that is small."""
    small = np.abs(total) < SMALL_CHANGE
    return np.abs(found - total) / np.where(small, 1, np.abs(total))


def function_of(model: Any, of: str, layer: str | None, words: bool = True) -> ModelFunction:
    """The function of a model: the stored one, or a new one if the model has changed.

    Args:
        model: The model.
        of: `"logit"` or `"output"`.
        layer: The name of the layer or input with the words; `None` for the only one.
        words: Whether the vectors of the words are needed.
    """
    found: ModelFunction = stored(
        model, ("function", of, layer, words), lambda: ModelFunction(model, of, layer, words)
    )
    return found


def _as_tensors(args: Any) -> Any:
    return tree.map_structure(ops.convert_to_tensor, args)


def _is_plain(layer: Any) -> bool:
    return getattr(layer, "quantization_mode", None) is None
