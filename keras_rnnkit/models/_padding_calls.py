"""One run of a model in which the calls of its layers are captured, and its padding is changed."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops, tree

from keras_rnnkit.layers._checks import mask_of_steps


class Calls:
    """The handlers for one run of a model, and what they capture.

    Args:
        probe: The `Probe`, with the layers.
        originals: The arrays of the model's input, as tensors.
        arrays: The arrays that the model runs on: the originals, or those with other features at
            padded steps.
        padded: For each array, booleans, as in `Inputs`.
        strength: Scalar, 1 to change the vectors of padded ids and 0 to leave them.
        shifts: For each recurrent layer, what is added to the states that it returns.
    """

    def __init__(
        self, probe: Any, originals: Any, arrays: Any, padded: Any, strength: Any, shifts: Any
    ) -> None:
        self.probe = probe
        self.originals, self.arrays, self.padded = originals, arrays, padded
        self.strength, self.shifts = strength, shifts
        self.captured: list[dict[str, Any]] = []
        self.masked = [ops.convert_to_tensor(False) for _ in arrays]  # which a `Masking` reads

    def handlers(self) -> dict[Any, Callable[..., Any]]:
        """The handlers by layer."""
        probe = self.probe
        wrappers = {
            id(part): pair
            for pair in probe.pairs
            for part in (pair.forward_layer, pair.backward_layer)
        }
        paths: dict[Any, list[str]] = {}
        for path, layer in probe.recurrent.items():
            paths.setdefault(wrappers.get(id(layer), layer), []).append(path)
        found: dict[Any, Callable[..., Any]] = {
            layer: functools.partial(self._recurrent, layer, own) for layer, own in paths.items()
        }
        for path, layer in probe.embeddings.items():
            found[layer] = functools.partial(self._embedding, path, layer)
        return {**found, **dict.fromkeys(probe.maskings.values(), self._masking)}

    def _recurrent(
        self, layer: Any, paths: list[str], original: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Capture a call of a recurrent layer, or of a `Bidirectional` as one of both layers."""
        sequences, mask = _arguments(original, args, kwargs)
        call = {"steps": _as_one_number(sequences)}
        if mask is not None:
            call["mask"] = ops.cast(mask_of_steps(mask), "bool")
        self.captured += [{path: call} for path in paths]
        returned = original(*args, **kwargs)
        if not isinstance(returned, list | tuple):
            return returned
        places = list(self.probe.recurrent)
        shift = sum(self.shifts[places.index(path)] for path in paths)
        first_state = 2 if getattr(layer, "merge_mode", "") is None else 1
        shifted = [
            part + ops.cast(shift, part.dtype) if ops.is_tensor(part) else part
            for part in returned[first_state:]
        ]
        return type(returned)([*returned[:first_state], *shifted])

    def _embedding(
        self, path: str, layer: Any, original: Any, inputs: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Capture the ids, and run on ids that the table has."""
        self.captured.append({path: {"ids": inputs}})
        vectors = original(ops.clip(inputs, 0, layer.input_dim - 1), *args, **kwargs)
        padded = self._padding_of(inputs)
        if padded is None:
            return vectors
        strength = self.strength * ops.cast(padded, "float32")[..., None]
        return vectors + ops.cast(strength * _vector(layer.output_dim), vectors.dtype)

    def _padding_of(self, ids: Any) -> Any:
        """Which ids are padding, where they are an array of the model's input, or a part of one."""
        found = None
        for array, padded in zip(self.originals, self.padded, strict=True):
            of_ids = len(padded.shape) == len(array.shape)
            matched = _matched(array, padded, ids) if of_ids else None
            if matched is not None:
                found = matched if found is None else ops.logical_or(found, matched)
        return found

    def _masking(self, original: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Other values at the padded steps of features; their mask is made from the input."""
        outputs = original(inputs, *args, **kwargs)
        for i, (array, padded) in enumerate(zip(self.originals, self.padded, strict=True)):
            shape = tuple(inputs.shape)
            if len(padded.shape) != 2 or tuple(array.shape) != shape or len(shape) < 3:
                continue
            same = ops.all(ops.cast(array, inputs.dtype) == inputs)
            self.masked[i] = ops.logical_or(self.masked[i], same)
            steps = ops.reshape(padded, (*shape[:2], *(1,) * len(shape[2:])))
            strength = self.strength * ops.cast(ops.logical_and(steps, same), "float32")
            outputs = outputs + ops.cast(strength * _vector(shape[-1]), outputs.dtype)
        return outputs


def _arguments(original: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The sequences and the mask of a call of a recurrent layer."""
    given = inspect.signature(original).bind(*args, **kwargs).arguments
    sequences = tree.flatten(next(iter(given.values())))[0]
    masks = tree.flatten([given.get("mask"), given.get("sequences_mask")])
    return sequences, next((mask for mask in masks if mask is not None), None)


def _matched(array: Any, padded: Any, ids: Any) -> Any:
    """The padding of the ids that an `Embedding` gets, if they are an array of the input.

    Of documents `(batch, sentences, words)`, it may get one sentence of each, or all as rows.
    """
    shape, of_ids = tuple(array.shape), tuple(ids.shape)
    ids, array = ops.cast(ids, "float32"), ops.cast(array, "float32")
    if len(shape) == len(of_ids) + 1 and (shape[0], *shape[2:]) == of_ids:
        axes = tuple(axis for axis in range(len(shape)) if axis != 1)
        same = ops.all(array == ids[:, None], axis=axes, keepdims=True)
        return ops.any(ops.logical_and(padded, same), axis=1)
    if int(np.prod(shape)) != int(np.prod(of_ids)):
        return None
    same = ops.all(ops.reshape(array, of_ids) == ids)
    return ops.logical_and(ops.reshape(padded, of_ids), same)


def _as_one_number(sequences: Any) -> Any:
    """A number for each step, `(rows, time)`, which differs where the features of a step do."""
    rows, time, *features = tuple(sequences.shape)
    steps = ops.reshape(ops.cast(sequences, "float32"), (rows, time, int(np.prod(features))))
    return ops.sum(steps * _vector(steps.shape[-1]), axis=-1)


def _vector(width: int) -> Any:
    """Numbers without a pattern, the same in every run."""
    numbers = np.random.default_rng(0).normal(size=width).astype("float32")
    return ops.convert_to_tensor(numbers)
