"""Where a layer computes is where its weights are, not what devices there are."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running import run

BACKEND = keras.config.backend()
X = np.ones((2, 5, 3), "float32")


@pytest.fixture
def default_gpu(monkeypatch):
    """A machine whose default device is a GPU, though the weights of this test are on a CPU."""
    if BACKEND == "jax":
        import jax

        monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    if BACKEND == "tensorflow":
        import tensorflow

        monkeypatch.setattr(tensorflow.config, "list_logical_devices", lambda kind: [kind])
    if BACKEND == "torch":
        from keras_rnnkit.kernels import _torch_calls

        on_gpu = SimpleNamespace(device=SimpleNamespace(type="cuda"))
        monkeypatch.setattr(_torch_calls, "ops", SimpleNamespace(zeros=lambda shape: on_gpu))


def test_a_layer_that_is_not_built_takes_the_default_device(default_gpu):
    assert run._on_gpu(kit.LSTM(4))
    if BACKEND == "torch":
        assert kit.explain(kit.LSTM(4))[0].training == "fused: cuDNN's LSTM, by PyTorch"


@pytest.mark.skipif(
    BACKEND == "torch", reason="Keras cannot make integer variables in `keras.device` on PyTorch"
)
def test_a_built_layer_is_where_its_weights_are(default_gpu):
    with keras.device("cpu:0"):
        layer = kit.LSTM(4)
        layer.build(X.shape)
    assert not run._on_gpu(layer)
    assert "cuDNN" not in kit.explain(layer)[0].training
    with keras.device("cpu:0"):
        layer(X)


def test_the_rule_asks_the_kernels_of_the_backend(monkeypatch):
    layer = kit.GRU(4)
    layer.build(X.shape)
    asked = []
    monkeypatch.setattr(backend_kernels(), "on_gpu", lambda variable: asked.append(variable))
    kit.explain(layer)
    assert {id(variable) for variable in asked} == {id(layer.cell.kernel)}


@pytest.mark.skipif(BACKEND != "jax", reason="JAX's trainer takes variables away")
def test_explain_works_between_two_batches_of_fit():
    model = keras.Sequential([keras.Input((5, 3)), kit.LSTM(4), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    seen = []

    class Explain(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(kit.explain(model)[0].training)  # `self.model` would bring them back

    model.fit(X, X[:, 0, :1], batch_size=1, verbose=0, callbacks=[Explain()])
    assert len(seen) == 2


@pytest.mark.skipif(BACKEND != "jax", reason="a setting of JAX")
@pytest.mark.parametrize("default", ["gpu", "cpu"])
def test_jax_names_its_default_device(monkeypatch, default):
    import jax

    with jax.default_device(jax.devices("cpu")[0]):
        assert not backend_kernels().on_gpu(None)
    monkeypatch.setattr(jax, "default_backend", lambda: default)
    assert backend_kernels().on_gpu(None) == (default == "gpu")
