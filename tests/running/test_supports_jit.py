"""Where a layer may use cuDNN on TensorFlow, the model must not be compiled by XLA."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.running import run

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="the other backends compile around cuDNN"
)


@pytest.fixture(autouse=True)
def gpu(monkeypatch):
    """Let the rule take this machine for one with a GPU."""
    monkeypatch.setattr(run, "_on_gpu", lambda layer: True)


@pytest.mark.parametrize("kind", [kit.LSTM, kit.GRU])
def test_a_layer_that_uses_cudnn_in_prediction_alone_is_kept_from_xla(kind):
    layer = kind(4, dropout=0.2, implementation=1)
    conditions = {"masked": False, "capture_gates": False}
    assert run.choice_for(layer, training=True, **conditions).path == "fused"
    assert run.choice_for(layer, training=False, **conditions).path == "keras"
    assert not layer.supports_jit


def test_the_answer_follows_return_gates():
    layer = kit.LSTM(4, return_gates=True)
    assert layer.supports_jit
    layer.return_gates = False
    assert not layer.supports_jit
    both = kit.Bidirectional(kit.LSTM(4))
    assert not both.forward_layer.supports_jit
    both.return_gates = True
    assert both.forward_layer.supports_jit


@pytest.mark.parametrize(
    "options",
    [
        {"path": "fused"},
        {"path": "portable"},
        {"use_cudnn": False},
        {"recurrent_dropout": 0.2},
        {"use_bias": False},
    ],
    ids=str,
)
def test_a_layer_that_never_uses_cudnn_is_not(options):
    assert kit.LSTM(4, **options).supports_jit


def test_a_call_on_cudnn_leaves_the_answer_as_it_is(monkeypatch):
    def inner_loop(self, sequences, initial_state, mask, training=False):
        self.supports_jit = False  # as in Keras
        return keras.layers.RNN.inner_loop(self, sequences, initial_state, mask, training)

    monkeypatch.setattr(keras.layers.LSTM, "inner_loop", inner_loop)
    layer = kit.LSTM(4)
    for _ in range(2):
        assert not layer.supports_jit
        layer(np.ones((2, 5, 3), "float32"))
    layer.use_cudnn = False
    assert layer.supports_jit
