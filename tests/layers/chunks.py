"""What the tests of a backward pass in chunks of steps share."""

import keras
import numpy as np

import keras_rnnkit as kit
from tests.layers.paths import close, pair
from tests.support.backends import gradients


def recorded_lengths(kernels, monkeypatch):
    """The lengths of the chunks that the kernels of a backend make from now on."""
    lengths, chunk_length = [], kernels._chunk_length

    def record(plan, args):
        lengths.append(chunk_length(plan, args))
        return lengths[-1]

    monkeypatch.setattr(kernels, "_chunk_length", record)
    return lengths


def assert_first_states_get_the_portable_gradients(case, **options):
    """The first states are made of the inputs, whose gradients then tell."""
    x = np.random.default_rng(5).normal(size=(4, 6, 3)).astype("float32")

    def loss(layer, x):
        first = [keras.ops.repeat(x[:, 0, :1], 3, axis=1) for _ in range(case.states)]
        return keras.ops.sum(layer(x, initial_state=first, training=True) ** 2)

    layers = pair(case, 3, **options)
    for got, want in zip(*(gradients(loss, layer, x) for layer in layers), strict=True):
        close(got, want)


def assert_totals_are_in_single_precision():
    """Each of 512 chunks adds two to the gradient of the bias, which bfloat16 cannot past 512."""
    layer = kit.SimpleRNN(1, dtype="mixed_bfloat16", return_sequences=True)
    layer.build((1, 1024, 1))
    layer.set_weights([np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(1)])

    def loss(layer, x):
        return keras.ops.sum(keras.ops.cast(layer(x), "float32"))

    *_, d_bias = gradients(loss, layer, np.zeros((1, 1024, 1), "float32"))
    np.testing.assert_array_equal(np.asarray(d_bias, "float32"), [1024.0])
