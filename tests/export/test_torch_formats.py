"""How layers run while PyTorch records them for a file of another library."""

import types

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.kernels import backend_kernels

pytestmark = pytest.mark.skipif(keras.config.backend() != "torch", reason="what PyTorch exports")

X = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
EXPORTERS = {
    "keras.src.export.litert": "LiteRT",
    "keras.src.export.openvino": "OpenVINO",
    "keras.src.export.torch": "",
    "litert_torch.convert": "LiteRT",
    "openvino.frontend.pytorch": "OpenVINO",
    "openvino_of_mine": "",
}


def ask():
    return kernels.export_format()  # noqa: F821  - a global of the function below


@pytest.mark.parametrize("module", EXPORTERS)
def test_the_format_is_known_by_the_module_that_exports(module):
    names = {"__name__": module, "kernels": backend_kernels()}
    assert types.FunctionType(ask.__code__, names)() == EXPORTERS[module]


# PyTorch deprecates tracing, which Keras uses for OpenVINO.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("layer", "operator"),
    [(kit.LSTM, "aten::lstm"), (kit.GRU, "aten::gru"), (kit.SimpleRNN, "aten::rnn_tanh")],
)
def test_a_trace_with_gradients_is_the_one_without(layer, operator):
    import torch

    model = keras.Sequential([keras.Input(X.shape[1:]), layer(4)])
    want = model.predict(X, verbose=0)
    model.eval()
    traced = torch.jit.trace(model, (torch.tensor(X),))  # which checks it without gradients
    assert operator in str(traced.inlined_graph)
    np.testing.assert_allclose(traced(torch.tensor(X)).detach(), want, atol=1e-6)
