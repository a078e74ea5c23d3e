"""A layer applied to every step, also where the number of steps is unknown."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.cells._takes import accepts, takes_training
from keras_rnnkit.layers._checks import fits, mask_of_steps
from keras_rnnkit.layers._masks_on import mask_on, put_mask
from keras_rnnkit.layers._penalties import of_steps
from keras_rnnkit.layers._traceable import note_mask
from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.layers.learned_state import LearnedInitialState
from keras_rnnkit.layers.stacked import StackedRNN
from keras_rnnkit.running.capture import not_capturing

# Layers that read a sequence within a step: a mask entry for the step applies to all of it.
_OF_SEQUENCES = (
    keras.layers.Bidirectional,
    keras.layers.RNN,
    LearnedInitialState,
    StackedRNN,
)

# The outputs of calls of the layer, and the function that makes one tensor of them.
_Parts = tuple[list[Any], Callable[[Any], Any]]


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class TimeDistributed(keras.layers.TimeDistributed):
    """Applies a layer to every step of a sequence, with the same weights.

    A drop-in replacement for `keras.layers.TimeDistributed`, which on TensorFlow gives wrong shapes
    and numbers where the number of steps is unknown. Here the steps then become rows of the batch.
    With a known number of steps, the layer is called step by step, as in Keras. The two differ in
    training for a layer whose rows depend on each other: `BatchNormalization` uses the statistics
    of all steps together, or of one step after the other.

    `Dense`, `EinsumDense`, normalization and dropout layers treat every step separately anyway, and
    need no wrapper.

    Args:
        layer: The layer to apply.
        **kwargs: `name`, `dtype` and what else a Keras layer takes.

    Call arguments:
        inputs: Tensor `(batch, time, ...)`.
        training: Whether the layer behaves as in training.
        mask: Boolean tensor `(batch, time)`, false where a step is skipped, or
            `(batch, time, inner)`, whose part for a step is the mask of the layer there. A layer
            that takes no mask gets none.

    Returns:
        What the layer returns, with a time axis after the batch axis.

    Raises:
        ValueError: If `layer` is not a Keras layer, for inputs without a time axis or without
            steps, and for a mask of another shape.

    Masking:
        Where the layer returns a sequence, its mask is passed on, also a mask that it makes
        itself, as `Embedding`, `Masking` or a model with one of them do. Otherwise a step is valid
        if any part of it is, such as a sentence with at least one word.

    Regularization:
        The layer's `activity_regularizer` is applied, while Keras' wrapper ignores it: the
        penalties of all steps are summed, and the sum is divided by the batch size.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> sentences = kit.TimeDistributed(kit.GRU(4))  # each of 3 sentences, of 5 words, as a vector
    >>> tuple(sentences(np.ones((2, 3, 5, 8), "float32")).shape)
    (2, 3, 4)
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        note_mask(self, mask_on(inputs))
        if inputs.shape[1] == 0:
            raise ValueError(
                "The `inputs` passed to the `TimeDistributed` layer must have at least one step. "
                f"Received: inputs.shape={tuple(inputs.shape)} (layer '{self.name}')"
            )
        mask = self._checked(mask, inputs)
        given = {"training": training} if takes_training(self.layer) else {}
        run = self._as_one_batch if inputs.shape[1] is None else self._step_by_step
        with not_capturing():
            parts, over = run(inputs, mask if _takes_mask(self.layer) else None, given)
        return tree.map_structure(lambda *outputs: _joined(outputs, over, mask), *parts)

    def compute_output_spec(
        self, inputs: Any, training: Any = None, mask: Any = None, **_: Any
    ) -> Any:
        note_mask(self, mask)
        self._get_child_input_shape(tuple(inputs.shape))  # refuses inputs without a time axis
        given = {}
        if mask is not None and _takes_mask(self.layer):
            given["mask"] = _of_a_step(mask)
        step = self.layer.compute_output_spec(_of_a_step(inputs), **given)
        return tree.map_structure(lambda spec: _over(spec, inputs.shape[:2]), step)

    def compute_output_shape(self, input_shape: Any) -> Any:
        inputs = keras.KerasTensor(input_shape, dtype=self.compute_dtype)
        return tree.map_structure(lambda spec: spec.shape, self.compute_output_spec(inputs))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if isinstance(inputs, keras.KerasTensor):
            return self._mask_in_a_graph(inputs, mask)
        of_rows = None
        if self.layer.supports_masking and (mask is None or len(mask.shape) > 2):
            rows = None if mask is None else _as_rows(mask)
            of_rows = tree.flatten(self.layer.compute_mask(_as_rows(inputs), rows))[0]
        return mask_of_steps(mask) if of_rows is None else _over(of_rows, ops.shape(inputs)[:2])

    def _mask_in_a_graph(self, inputs: Any, mask: Any) -> Any:
        """The mask in the model's graph: the given mask, or one computed from it.

        `None` for a mask that the layer may make itself. Such a mask is not in the graph. It is
        attached to the outputs when the model runs, where the layers that follow find it.
        """
        if len(layers_in(self.layer)) > 1 and not isinstance(self.layer, _OF_SEQUENCES):
            return None
        of_step = None if mask is None else _of_a_step(mask)
        made = None
        if self.layer.supports_masking:
            made = tree.flatten(self.layer.compute_mask(_of_a_step(inputs), of_step))[0]
        if made is None:
            return mask_of_steps(mask)
        return mask if made is of_step else None

    def _checked(self, mask: Any, inputs: Any) -> Any:
        """The mask as booleans, after a check that it has an entry for each step."""
        if mask is None:
            return None
        mask = ops.cast(ops.convert_to_tensor(mask), "bool")
        right = tuple(inputs.shape[:2])
        if len(mask.shape) < 2 or not fits(tuple(mask.shape[:2]), right):
            raise ValueError(
                "The `mask` passed to the `TimeDistributed` layer has a shape that does not begin "
                f"with that of the inputs, (batch, time) = {right}. "
                f"Received: mask.shape={tuple(mask.shape)} (layer '{self.name}')"
            )
        return mask

    def _step_by_step(self, inputs: Any, mask: Any, given: dict[str, Any]) -> _Parts:
        """The layer on one step after the other."""
        steps = [
            self._apply(inputs[:, t], None if mask is None else mask[:, t], given)
            for t in range(inputs.shape[1])
        ]
        return steps, partial(ops.stack, axis=1)

    def _as_one_batch(self, inputs: Any, mask: Any, given: dict[str, Any]) -> _Parts:
        """The layer on all steps of all rows, as one batch."""
        batch_and_time = ops.shape(inputs)[:2]
        rows = None if mask is None else _as_rows(mask)
        with of_steps(self.layer, batch_and_time[1]):
            outputs = self._apply(_as_rows(inputs), rows, given)
        return [outputs], lambda parts: _over(parts[0], batch_and_time)

    def _apply(self, x: Any, mask: Any, given: dict[str, Any]) -> Any:
        """The layer on one step, or on rows of steps."""
        if mask is None:
            return self.layer(x, **given)
        if len(mask.shape) == 1 and self._reads_a_sequence(x):
            mask = ops.broadcast_to(mask[:, None], ops.shape(x)[:2])
        # Keras warns of a layer that passes no mask on; here `compute_mask` passes it on.
        apply = self.layer if self.layer.supports_masking else self.layer.call
        return apply(x, mask=mask, **given)

    def _reads_a_sequence(self, x: Any) -> bool:
        """Whether a step holds a sequence, whose mask has an entry for each part of it."""
        of_model = isinstance(self.layer, keras.Model) and len(x.shape) > 2
        return of_model or isinstance(self.layer, _OF_SEQUENCES)


def _takes_mask(layer: Any) -> bool:
    return accepts(type(layer).call, "mask")


def _of_a_step(tensor: Any) -> Any:
    """The symbolic tensor of one step."""
    return keras.KerasTensor((tensor.shape[0], *tensor.shape[2:]), dtype=tensor.dtype)


def _as_rows(tensor: Any) -> Any:
    """The steps of all rows, as rows of one batch."""
    return ops.reshape(tensor, (-1, *ops.shape(tensor)[2:]))


def _over(tensor: Any, batch_and_time: Any) -> Any:
    """The output for one step, or for the steps of all rows, with batch and time axes."""
    if isinstance(tensor, keras.KerasTensor):
        return keras.KerasTensor((*batch_and_time, *tensor.shape[1:]), dtype=tensor.dtype)
    return ops.reshape(tensor, (*batch_and_time, *ops.shape(tensor)[1:]))


def _joined(parts: tuple[Any, ...], join: Callable[[Any], Any], steps: Any) -> Any:
    """The outputs of the steps as one tensor, with the masks that the layer attached to them.

    The steps that the mask of steps leaves out are masked too.
    """
    output, masks = join(parts), [mask_on(part) for part in parts]
    if any(mask is None for mask in masks):
        return output
    mask = join(masks)
    if steps is not None and len(steps.shape) == 2:
        steps = ops.expand_dims(steps, tuple(range(2, len(mask.shape))))
        mask = ops.logical_and(mask, steps)
    return put_mask(output, mask)
