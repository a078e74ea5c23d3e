"""Small ONNX files made without Keras, and what they give in NumPy."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES, UNITS = 3, 4


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model_of(nodes, inputs, outputs, constants=(), metadata=None):
    """A model of a graph; `metadata` is the entry of the kit."""
    initializers = [numpy_helper.from_array(array, name) for name, array in dict(constants).items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    if metadata is not None:
        text = metadata if isinstance(metadata, str) else json.dumps(metadata)
        helper.set_model_props(model, {"keras_rnnkit": text})
    return model


def lstm(batch="batch", metadata=None, streaming=False):
    """One LSTM of random weights, which returns its last output; streaming, its states too."""
    rng = np.random.default_rng(0)
    constants = {
        "W": rng.normal(size=(1, 4 * UNITS, FEATURES)).astype("float32"),
        "R": rng.normal(size=(1, 4 * UNITS, UNITS)).astype("float32"),
        "axis": np.array([0]),
    }
    first = ["", "", "h_first", "c_first"] if streaming else []
    nodes = [
        helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["steps", "W", "R", *first], ["", "h", "c"], hidden_size=UNITS),
        helper.make_node("Squeeze", ["h", "axis"], ["y"]),
    ]
    inputs = [value("x", [batch, 1 if streaming else "time", FEATURES])]
    outputs = [value("y", [batch, UNITS])]
    if streaming:
        nodes += [
            helper.make_node("Unsqueeze", ["hidden", "axis"], ["h_first"]),
            helper.make_node("Unsqueeze", ["cell", "axis"], ["c_first"]),
            helper.make_node("Identity", ["y"], ["next_hidden"]),
            helper.make_node("Squeeze", ["c", "axis"], ["next_cell"]),
        ]
        inputs += [value(name, [batch, UNITS]) for name in ("hidden", "cell")]
        outputs += [value(name, [batch, UNITS]) for name in ("next_hidden", "next_cell")]
    return model_of(nodes, inputs, outputs, constants, metadata)


STREAMING = {
    "format": 1,
    "inputs": ["x"],
    "outputs": ["y"],
    "states": [
        {"input": name, "output": f"next_{name}", "shape": [None, UNITS]}
        for name in ("hidden", "cell")
    ],
    "streaming": True,
    "fingerprint": "0" * 64,
}


def lstm_in_numpy(x):
    """The last outputs of `lstm()`."""
    weights = {i.name: numpy_helper.to_array(i).astype(float) for i in lstm().graph.initializer}
    hidden = cell = np.zeros((len(x), UNITS))
    for step in x.swapaxes(0, 1).astype(float):
        gates = step @ weights["W"][0].T + hidden @ weights["R"][0].T
        i, o, f, c = np.split(gates, 4, axis=-1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
        hidden = sigmoid(o) * np.tanh(cell)
    return hidden


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def two_of_each(metadata=None):
    """A float and an integer input of any length, and two outputs: their sums and differences."""
    nodes = [
        helper.make_node("Cast", ["ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "numbers"], ["sum"]),
        helper.make_node("Sub", ["x", "numbers"], ["difference"]),
    ]
    inputs = [value("x", ["batch", "time"]), value("ids", ["batch", "time"], TensorProto.INT32)]
    outputs = [value(name, ["batch", "time"]) for name in ("sum", "difference")]
    return model_of(nodes, inputs, outputs, metadata=metadata)


def sequences(batch, steps):
    return np.random.default_rng(1).normal(size=(batch, steps, FEATURES)).astype("float32")


def written(model, path):
    onnx.save(model, path)
    return path
