"""Which models ONNX Runtime predicts with faster: the advice of `explain`."""

from typing import Any

import keras

from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.layers.gru import GRU
from keras_rnnkit.layers.lstm import LSTM
from keras_rnnkit.layers.simple_rnn import SimpleRNN
from keras_rnnkit.models._stream_graph import is_graph

ADVICE = "Prediction on a CPU is faster in ONNX Runtime: keras_rnnkit.OnnxModel(model).predict(x)"
ONE_ROW_ADVICE = ADVICE.replace("Prediction", "Prediction of single rows")

# The layers that are one operator in ONNX.
_OPERATORS = (
    GRU,
    LSTM,
    SimpleRNN,
    keras.layers.GRU,
    keras.layers.LSTM,
    keras.layers.SimpleRNN,
)

# On JAX, batches are faster for LSTMs from this number of units. Those of GRUs take about the same
# time or less on JAX. `tests/benchmarks/test_prediction.py` compares this with what
# `benchmarks/prediction.py` has measured.
JAX_LSTM_FROM_UNITS = 16


def onnx_advice(model: Any, recurrent: list[Any]) -> str:
    """The advice, or "" where it does not hold.

    It holds for built Sequential and functional models on a CPU, in float32, all of whose recurrent
    layers are operators of ONNX. `benchmarks/prediction.py` measures it.

    Args:
        model: The model.
        recurrent: Its recurrent layers.
    """
    graph = is_graph(model) and model.built and bool(getattr(model, "inputs", None))
    if not (graph and recurrent and all(map(_has_operator, recurrent))):
        return ""
    return ADVICE if all(map(_batches_are_faster, recurrent)) else ONE_ROW_ADVICE


def _batches_are_faster(layer: Any) -> bool:
    if keras.config.backend() != "jax":
        return True
    return isinstance(layer, keras.layers.LSTM) and bool(layer.units >= JAX_LSTM_FROM_UNITS)


def _has_operator(layer: Any) -> bool:
    return (
        type(layer) in _OPERATORS
        and not layer.stateful
        and not getattr(layer, "return_gates", False)
        and layer.compute_dtype == layer.variable_dtype == "float32"
        and layer.cell.activation is keras.activations.tanh
        and getattr(layer.cell, "recurrent_activation", keras.activations.sigmoid)
        is keras.activations.sigmoid
        and not backend_kernels().on_gpu(layer.cell.kernel)
    )
