"""Clear errors for what a recurrent layer is given."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_rnnkit._checks import is_integer
from keras_rnnkit.cells import GatedCell
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running.names import name_of, states_in_order
from keras_rnnkit.running.rule import PATHS


def check_options(layer: Any) -> None:
    """Refuse options that are wrong, or that exclude each other, at construction."""
    if layer.requested_path not in PATHS:
        raise ValueError(
            f"{name_of(layer)}: `path` must be one of {', '.join(map(repr, PATHS))}. "
            f"Received: path={layer.requested_path!r}"
        )
    if layer.return_gates and layer.activity_regularizer is not None:
        raise ValueError(
            f"{name_of(layer)}: `activity_regularizer` would be applied to the trace too, so it "
            "cannot be combined with `return_gates=True`. Put a "
            "`keras.layers.ActivityRegularization` behind the layer's output instead. "
            f"Received: return_gates=True, activity_regularizer={layer.activity_regularizer!r}"
        )


def without_time_major(layer: type, options: dict[str, Any]) -> dict[str, Any]:
    """The options without `time_major`, which files written by Keras 2 hold."""
    if options.get("time_major"):
        raise ValueError(
            f"{layer.__name__}: `time_major` must be False: Keras 3 has only sequences of shape "
            "(batch, time, features). Swap the first two axes with `keras.ops.swapaxes(x, 0, 1)` "
            f"before and after the layer. Received: time_major={options['time_major']!r}"
        )
    return {name: value for name, value in options.items() if name != "time_major"}


def check_rank(layer: Any, shape: Any) -> None:
    """Refuse anything but `(batch, time, features)`, and say what to change."""
    if len(shape) == 3:
        return
    remedy = (
        "A recurrent layer in front needs `return_sequences=True`; integer tokens need an "
        "`Embedding` in front."
    )
    if len(shape) > 3:
        remedy = (
            "`keras.layers.Reshape` merges several feature axes into one; "
            "`keras_rnnkit.TimeDistributed` applies the layer along one more axis."
        )
    raise ValueError(
        f"{name_of(layer)}: expected sequences of shape (batch, time, features). {remedy} "
        f"Received: sequences.shape={tuple(shape)}"
    )


def check_sequences(layer: Any, shape: Any) -> None:
    """Refuse sequences without a time axis, without steps, or of unknown length to unroll."""
    if len(shape) < 3 or isinstance(layer.cell, GatedCell):  # other cells may take images
        check_rank(layer, shape)
    if shape[1] == 0:
        raise ValueError(
            f"{name_of(layer)}: sequences need at least one time step. "
            f"Received: sequences.shape={tuple(shape)}"
        )
    if layer.unroll and shape[1] is None:
        raise ValueError(
            f"{name_of(layer)}: `unroll=True` needs a known number of time steps. Give the input a "
            f"length, or set `unroll=False`. Received: sequences.shape={tuple(shape)}"
        )


def check_data(layer: Any, sequences: Any) -> None:
    """Refuse a symbolic tensor where numbers are needed."""
    if isinstance(sequences, keras.KerasTensor):
        raise ValueError(
            f"{name_of(layer)}: `trace` takes data, not a symbolic tensor. In a model, make the "
            "layer with `return_gates=True` and use the trace that it returns. "
            f"Received: sequences={sequences!r}"
        )


def check_features(layer: Any, shape: Any) -> None:
    """Refuse sequences whose width is not that of the weights: a kernel may not check it."""
    kernel = getattr(layer.cell, "kernel", None)
    if not (isinstance(layer.cell, GatedCell) and layer.cell.built and kernel is not None):
        return
    expected = kernel.shape[0]
    if shape[-1] not in (None, expected):
        raise ValueError(
            f"{name_of(layer)}: expected sequences with {expected} features, as its weights were "
            f"built for them. Received: sequences.shape={tuple(shape)}"
        )


def check_batch(layer: Any, batch: Any) -> None:
    """Refuse a batch whose size is not that of the states of a stateful layer."""
    if batch is None and layer.states is None:
        raise ValueError(
            f"{name_of(layer)}: `stateful=True` needs a fixed batch size. Give the model's input "
            "one: `keras.Input(batch_shape=(batch, time, features))`. "
            "Received: batch_size=None"
        )
    if layer.states is None or batch is None or backend_kernels().exporting():
        return  # an export runs one row as its example, and refuses the layer with its own reason
    expected = tree.flatten(layer.states)[0].shape[0]
    if batch != expected:
        raise ValueError(
            f"{name_of(layer)}: a stateful layer has a fixed batch size, here {expected}, "
            f"because it keeps a state for each row. {_batch_to_feed(expected)} "
            f"Received: batch_size={batch}"
        )


def _batch_to_feed(expected: int) -> str:
    if keras.distribution.distribution() is None:
        return f"Feed batches of {expected}."
    return (
        "In a `keras.distribution` of several processes it gets the rows of all of them: give the "
        "model's input their number, and each process its part of them."
    )


def check_initial_state(layer: Any, initial_state: Any, carry: Any) -> None:
    """Refuse `initial_state` in a model that runs in a stream, which has a carry for the layer."""
    if carry is not None and initial_state is not None:
        raise ValueError(
            f"{name_of(layer)}: `initial_state` is given in the model, so the states cannot be "
            "carried from chunk to chunk of a stream. Leave it out of the model. "
            f"Received: initial_state={initial_state!r}"
        )


def checked_states(layer: Any, states: Any, batch: Any, argument: str) -> Any:
    """The states in the structure of `state_size`, after a check of their number and shapes."""
    sizes = tree.flatten(layer.state_size)
    flat = states_in_order(name_of(layer), layer, states, argument)
    shapes = [tuple(getattr(s, "shape", ())) for s in flat]
    right = [(batch, size) for size in sizes]
    if len(flat) != len(sizes) or not all(map(fits, shapes, right)):
        raise ValueError(
            f"{name_of(layer)}: expected `{argument}` to hold {len(sizes)} tensor(s) of shape "
            f"{', '.join(map(str, right))}. "
            f"Received: shapes={shapes}"
        )
    return packed(layer, flat)


def packed(layer: Any, states: list[Any]) -> Any:
    """A flat list of states in the structure of the layer's `state_size`, in plain lists."""
    return _packed(layer.state_size, iter(states))


# No function inside `packed`: one that calls itself is a reference cycle, which would keep the
# states in memory.
def _packed(size: Any, states: Iterator[Any]) -> Any:
    if isinstance(size, list | tuple):
        return [_packed(part, states) for part in size]
    return next(states)


def checked_mask(layer: Any, mask: Any, shape: Any) -> Any:
    """The mask as booleans `(batch, time)`, or `None`."""
    if isinstance(mask, list | tuple) and len(mask) and not isinstance(mask[0], list | tuple):
        mask = mask[0]
    if mask is None:
        return None
    mask = mask_of_steps(ops.cast(ops.convert_to_tensor(mask), "bool"))
    if not fits(tuple(mask.shape), tuple(shape[:2])):
        raise ValueError(
            f"{name_of(layer)}: expected a `mask` of shape (batch, time) = {tuple(shape[:2])}. "
            f"Received: mask.shape={tuple(mask.shape)}"
        )
    return mask


def mask_of_steps(mask: Any) -> Any:
    """A mask `(batch, time)` from one `(batch, time, ...)`: a step is valid if any part of it is.

    For example, a sentence is valid if any of its words is.
    """
    if len(getattr(mask, "shape", ())) < 3:
        return mask
    return ops.any(mask, axis=tuple(range(2, len(mask.shape))))


def fits(shape: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    """Whether two shapes agree in every axis that is known in both."""
    pairs = zip(shape, right, strict=False)
    return len(shape) == len(right) and all(a == b or None in (a, b) for a, b in pairs)


def checked_recompute(owner: str, recompute: Any) -> bool | int:
    """The `recompute` of a layer: `False`, also from `None`, `True`, or the steps of a chunk."""
    if recompute is None or isinstance(recompute, bool | np.bool_):
        return bool(recompute)
    if not is_integer(recompute) or recompute < 1:
        raise ValueError(
            f"{owner}: `recompute` must be False, True, or the number of steps in a chunk, an "
            f"integer of at least 1. Received: recompute={recompute!r}"
        )
    return int(recompute)


def checked_cudnn(owner: str, use_cudnn: Any) -> bool | str:
    """The `use_cudnn` of a layer, "auto", `True` or `False`; also from `1`, `0` or NumPy's."""
    if use_cudnn not in ("auto", True, False):
        raise ValueError(
            f'`use_cudnn` of {owner} must be "auto", True or False. '
            f"Received: use_cudnn={use_cudnn!r}"
        )
    return "auto" if isinstance(use_cudnn, str) else bool(use_cudnn)
