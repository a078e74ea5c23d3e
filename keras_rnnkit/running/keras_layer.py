"""The path that calls Keras' own layer, which uses cuDNN on TensorFlow."""

from typing import Any

import keras
from keras import tree

from keras_rnnkit.running.calls import Call, Carry, Steps


def run_keras(layer: Any, call: Call, method: str) -> tuple[Carry, Steps]:
    """The runner of Keras' own LSTM and GRU; the contract is in `running/run.py`."""
    sequences, masks = call.sequences, call.dropout_masks
    if masks is not None and masks.inputs is not None:
        sequences = sequences * masks.inputs[:, None]
    kind = keras.layers.LSTM if isinstance(layer, keras.layers.LSTM) else keras.layers.GRU
    copy = _copy_without_go_backwards(layer)
    output, outputs, last = kind.inner_loop(copy, sequences, call.initial_states, None, False)
    last = tree.pack_sequence_as(call.initial_states, tree.flatten(last))
    return Carry(output, last), Steps(outputs)


def _copy_without_go_backwards(layer: Any) -> Any:
    """A shallow copy of the layer with `go_backwards=False`: the call is in running order already.

    Where Keras uses cuDNN, it sets `supports_jit` to false, here on the copy alone. The layer
    itself computes its `supports_jit`, a property of `Recurrent`, from the path that it will take.
    """
    shallow = object.__new__(type(layer))
    vars(shallow).update(vars(layer), go_backwards=False)
    return shallow
