"""Which layer runs on a GPU, asked on any machine."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.running import run
from tests.layers.paths import BACKEND, BATCH, FEATURES, TIME, close, outputs, pair
from tests.support.cases import NAMESAKES, by_name


@pytest.mark.skipif(BACKEND != "jax", reason="the fault of Keras on JAX")
@pytest.mark.parametrize("front", [kit.GRU, kit.SimpleRNN, kit.LSTM])
def test_on_a_gpu_no_layer_calls_keras_own_on_jax(monkeypatch, front):
    def inner_loop(*_, **__):
        raise AssertionError("Keras' own layer was called")

    monkeypatch.setattr(run, "_on_gpu", lambda layer: True)
    monkeypatch.setattr(keras.layers.LSTM, "inner_loop", inner_loop)
    inputs = keras.Input((TIME, FEATURES))
    outputs = kit.LSTM(4)(front(4, return_sequences=True)(inputs))
    plain = keras.Model(inputs, outputs)
    x = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    close(plain.predict(x, verbose=0), plain(x))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow alone hands over to Keras' layer")
@pytest.mark.parametrize("options", [{}, {"go_backwards": True}, {"dropout": 0.4}], ids=str)
@pytest.mark.parametrize("case", NAMESAKES[:2], ids=by_name)
def test_on_a_gpu_keras_own_layer_takes_over(case, options, monkeypatch):
    x = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    layer, portable = pair(case, 4, return_sequences=True, return_state=True, **options)
    handed_over = []

    def inner_loop(self, sequences, initial_state, mask, training=False):
        handed_over.append(self.go_backwards)
        return keras.layers.RNN.inner_loop(self, sequences, initial_state, mask, training)

    monkeypatch.setattr(run, "_on_gpu", lambda layer: True)
    monkeypatch.setattr(case.keras_layer, "inner_loop", inner_loop)
    got, want = (outputs(each, x, True) for each in (layer, portable))
    assert handed_over == [False]
    assert layer.go_backwards is options.get("go_backwards", False)
    for a, b in zip(got, want, strict=True):
        close(a, b)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the others compile around cuDNN")
def test_on_a_gpu_the_model_is_kept_from_xla(monkeypatch):
    assert kit.LSTM(4).supports_jit
    monkeypatch.setattr(run, "_on_gpu", lambda layer: True)
    assert not kit.LSTM(4).supports_jit
    assert kit.LSTM(4, use_cudnn=False).supports_jit
