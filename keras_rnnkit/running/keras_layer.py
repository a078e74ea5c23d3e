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
    found = kind.inner_loop(_forward_in_time(layer), sequences, call.initial_states, None, False)
    output, outputs, last = found
    last = tree.pack_sequence_as(call.initial_states, tree.flatten(last))
    return Carry(output, last), Steps(outputs)


def _forward_in_time(layer: Any) -> Any:
    """A view of the layer with `go_backwards=False`, since the call is in running order already.

    Keras turns off `supports_jit` on the view, where it uses cuDNN. For the layer, the property of
    `Recurrent` has that answer before the first call.
    """
    view = object.__new__(type(layer))
    vars(view).update(vars(layer), go_backwards=False)
    return view
