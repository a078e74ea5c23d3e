"""What the tests of the exchange with PyTorch share."""

import keras
import numpy as np
from keras import tree

import keras_rnnkit as kit
from tests.support.cases import to_numpy

MODES = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN"}


def drawn(shape, seed=0, dtype="float32"):
    """Random numbers, so large that activations saturate in part."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def set_random_weights(layer, seed=0):
    """Other numbers in every weight; the range is such that gates open and close."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.uniform(-1, 1, size=weight.shape) for weight in layer.get_weights()])


def outputs_and_states(layer, x):
    """The output of a layer, and its last states in PyTorch's form: `h_n`, and `c_n` of an LSTM.

    Args:
        layer: A layer with `return_state=True`.
        x: Sequences `(batch, time, features)`.
    """
    output, *states = layer(x)
    if isinstance(layer, kit.StackedRNN):
        states = list(states[0].values())
    flat = [to_numpy(state) for part in states for state in tree.flatten(part)]
    first = layer.recurrent_layers[0] if isinstance(layer, kit.StackedRNN) else layer
    first = first.forward_layer if isinstance(first, keras.layers.Bidirectional) else first
    count = len(first.state_size)
    return to_numpy(output), [np.stack(flat[i::count]) for i in range(count)]


def of_module(module, x):
    """The output of a module of PyTorch, and its last states in a list."""
    import torch

    with torch.no_grad():
        output, states = module(torch.from_numpy(x))
    states = states if isinstance(states, tuple) else (states,)
    return output.numpy(), [state.numpy() for state in states]


def assert_same(found, wanted, dtype="float32"):
    """The same outputs and states, up to rounding."""
    tolerance = {"float64": 1e-12, "float32": 1e-5}.get(dtype, 2e-2)
    for one, other in zip([found[0], *found[1]], [wanted[0], *wanted[1]], strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(
            np.asarray(one, "float64"), np.asarray(other, "float64"), rtol=0, atol=tolerance
        )
