"""A file of one recurrent layer, and its numbers beside those of the layer."""

import keras
import numpy as np
import onnx
import onnxruntime

from keras_rnnkit.interop.onnx.graph import IR_VERSION, OPSET, Graph, Value
from keras_rnnkit.interop.onnx.recurrent import CONVERTERS
from keras_rnnkit.interop.onnx.streaming import CarriedStates

FEATURES = 3


class OneLayer:
    """A recurrent layer as a graph, checked, in a session of ONNX Runtime.

    Args:
        layer: The layer; one that is not built gets random weights.
        masked: Whether the graph takes a mask.
        given: The sizes of the states that the graph passes as `initial_state`, or `None`.
        states: Whether it carries the states.
        streaming: Whether it computes one step.
        features: The width of its input.
    """

    def __init__(
        self, layer, masked=False, given=None, states=False, streaming=False, features=FEATURES
    ):
        self.layer = layer
        if not layer.built:
            random_weights(layer, features)
        graph = Graph()
        x = graph.input("x", "float32", (None, 1 if streaming else None, features))
        if masked:
            mask = graph.input("mask", "bool", (None, 1 if streaming else None))
            x = Value(x.name, x.shape, mask=mask.name)
        first = None
        if given is not None:
            first = [graph.input(f"given_{i}", "float32", (None, n)) for i, n in enumerate(given)]
        self.carried = CarriedStates(graph, streaming) if states or streaming else None
        convert = CONVERTERS[type(layer)]
        self.values = convert(graph, layer, [x], initial_state=first, states=self.carried)
        for i, value in enumerate(self.values):
            graph.output(value, f"y_{i}")
        self.model = onnx.helper.make_model(
            graph.proto(), opset_imports=[onnx.helper.make_opsetid("", OPSET)]
        )
        self.model.ir_version = IR_VERSION
        onnx.checker.check_model(self.model, full_check=True)
        onnx.shape_inference.infer_shapes(self.model, strict_mode=True, data_prop=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            self.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, x, mask=None, given=None, **states):
        """The outputs of the file."""
        feeds = {"x": x, **states}
        if mask is not None:
            feeds["mask"] = mask
        feeds.update({f"given_{i}": state for i, state in enumerate(given or [])})
        return self.session.run([f"y_{i}" for i in range(len(self.values))], feeds)

    def carry(self, x, before, mask=None):
        """The outputs, and the states after the run, by the names of their inputs."""
        feeds = {"x": x, **before, **({} if mask is None else {"mask": mask})}
        names = [f"y_{i}" for i in range(len(self.values))]
        after = [entry["output"] for entry in self.carried.entries]
        found = self.session.run(names + after, feeds)
        inputs = [entry["input"] for entry in self.carried.entries]
        return found[: len(names)], dict(zip(inputs, found[len(names) :], strict=True))

    def zeros(self, batch):
        """States of zeros."""
        return {
            entry["input"]: np.zeros((batch, entry["shape"][1]), "float32")
            for entry in self.carried.entries
        }

    def kinds(self):
        """The operators of the graph, without those in the body of a loop."""
        return [node.op_type for node in self.model.graph.node]

    def assert_same(self, x, mask=None, given=None, atol=1e-5):
        """The numbers and shapes of the file are those of the layer."""
        want = called(self.layer, x, mask, given)
        found = self(x, mask, given)
        assert len(found) == len(want)
        for value, a, b in zip(self.values, found, want, strict=True):
            assert a.shape == b.shape
            assert len(value.shape) == b.ndim
            assert all(n in (None, m) for n, m in zip(value.shape, b.shape, strict=True))
            np.testing.assert_allclose(a, b, atol=atol, rtol=1e-5)


def called(layer, x, mask=None, given=None):
    """What a layer returns, flat and as NumPy."""
    how = {} if mask is None else {"mask": keras.ops.convert_to_tensor(mask)}
    if given is not None:
        how["initial_state"] = [keras.ops.convert_to_tensor(state) for state in given]
    returned = layer(keras.ops.convert_to_tensor(x), **how)
    return [keras.ops.convert_to_numpy(tensor) for tensor in keras.tree.flatten(returned)]


def random_weights(layer, features=FEATURES, seed=0):
    """Weights of which no two are alike, biases too."""
    layer.build((None, None, features))
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=w.shape) * 0.6 for w in layer.get_weights()])


def sequences(batch, steps, features=FEATURES, seed=0):
    """Random sequences."""
    return np.random.default_rng(seed).normal(size=(batch, steps, features)).astype("float32")


def masks(batch, steps):
    """Masks of every kind by name: rows of one length, padded on either side, holes, no step."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(0, steps + 1, (batch, 1))
    after = np.arange(steps) < lengths
    holes = rng.random((batch, steps)) < 0.5
    return {
        "post": after,
        "pre": after[:, ::-1].copy(),
        "holes": holes,
        "no valid step": np.zeros((batch, steps), bool),
        "all valid": np.ones((batch, steps), bool),
    }
