"""Running a model on one step, or one chunk of steps, at a time."""

from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.models._stream_runner import runner_for
from keras_rnnkit.running.calls import Carry


def stream(model: Any, stepwise: tuple[type, ...] = ()) -> "Stream":
    """Run a model step by step, while its input arrives.

    After the last step, the output is the output of the model for the whole sequence. The stream
    stores the states of the recurrent layers between the calls; the model is not changed. A model
    can have any number of streams at the same time, each with its own states. They share one
    compiled function, which is freed with the model. A stream runs in inference mode, and uses the
    weights that the model has at each step, also after `quantize` or `enable_lora`. A changed
    option of a layer, such as its activation, takes effect in the next stream.

    Args:
        model: A built model or layer that needs no later steps to compute a step. It may contain
            recurrent layers of the kit that run forward, and layers that treat each step separately
            (`Embedding`, `Dense`, normalizations, dropouts, ...). Layers that receive only the last
            output of a recurrent layer may be of any class. Every input must have a time axis.
        stepwise: Custom classes of layers that treat each step separately, and of models whose
            `call` does; the stream also stores the states of recurrent layers inside such a model.

    Returns:
        A `Stream`.

    Raises:
        TypeError: If `model` is not a Keras layer or model, or not built.
        ValueError: For a layer that needs the whole sequence, naming it.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([keras.Input((None, 3)), kit.GRU(4), keras.layers.Dense(1)])
    >>> x = np.ones((2, 5, 3), "float32")
    >>> live = kit.stream(model)
    >>> for t in range(5):
    ...     y = live.step(x[:, t])
    >>> bool(np.allclose(keras.ops.convert_to_numpy(y), model.predict(x, verbose=0), atol=1e-6))
    True
    """
    if not isinstance(model, keras.layers.Layer) or not model.built:
        raise TypeError(
            f"`model` of stream must be a built model or layer. Received: model={model!r}"
        )
    return Stream(model, tuple(stepwise))


class Stream:
    """A model that runs step by step, with the current states of its recurrent layers."""

    def __init__(self, model: Any, stepwise: tuple[type, ...]) -> None:
        self._model, self._stepwise = model, stepwise
        self._runner = runner_for(model, stepwise, begins=True)
        self._batch: int | None = None
        self._carries: list[Carry] | None = None

    @property
    def states(self) -> Any:
        """A list with the states of each recurrent layer, in the order of the model.

        `None` before the first input.
        """
        return None if self._carries is None else [carry.states for carry in self._carries]

    def step(self, inputs: Any) -> Any:
        """Run the model on one step.

        Args:
            inputs: `(batch, features)`, or `(batch,)` for a model that takes integer tokens; a
                structure of these for a model of several inputs.

        Returns:
            The output of the model for all steps so far; if the model returns sequences, the output
            of this step, without a time axis.
        """
        self._follow()
        inputs = tree.map_structure(ops.convert_to_tensor, inputs)
        self._runner.check_rank(inputs, without_time=True)
        self._runner.find_time(inputs)
        return self._feed(self._runner.step, inputs)

    def chunk(self, inputs: Any) -> Any:
        """Run the model on several steps.

        Args:
            inputs: `(batch, time, features)`, or `(batch, time)` for integer tokens; a structure of
                these for a model of several inputs.

        Returns:
            The output of the model for all steps so far; if the model returns sequences, the
            outputs of these steps.
        """
        self._follow()
        inputs = tree.map_structure(ops.convert_to_tensor, inputs)
        self._runner.check_rank(inputs, without_time=False)
        if 0 in tree.flatten(inputs)[0].shape[1:2]:
            shape = tuple(tree.flatten(inputs)[0].shape)
            raise ValueError(
                f"`inputs` of a stream need at least one time step. Received: inputs.shape={shape}"
            )
        return self._feed(self._runner.chunk, inputs)

    def _follow(self) -> None:
        """Follow changes of the model since the last step."""
        runner = runner_for(self._model, self._stepwise)
        if runner is not self._runner and self._carries is not None:
            self._carries = runner.go_on(self._runner, self._carries)
        self._runner = runner

    def _feed(self, run: Any, inputs: Any) -> Any:
        batch, carries = tree.flatten(inputs)[0].shape[0], self._carries
        if carries is None:
            carries = self._runner.start(batch)
        elif batch != self._batch:
            raise ValueError(
                f"`inputs` of a stream must keep their batch size, which is {self._batch}. Make "
                f"another stream, or call `reset()` on this one. Received: batch_size={batch}"
            )
        outputs, self._carries = run(inputs, carries)
        self._batch = batch
        return outputs

    def reset(self) -> None:
        """Reset the states: the next input is the first step of a new sequence."""
        self._carries = None

    def copy(self) -> "Stream":
        """A second, independent stream that continues from the current states."""
        other = Stream(self._model, self._stepwise)
        other._runner, other._batch, other._carries = self._runner, self._batch, self._carries
        return other
