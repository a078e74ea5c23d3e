"""What the tests of exports share: random weights, and the file's numbers beside the model's."""

import keras
import numpy as np
import onnxruntime

import keras_rnnkit as kit


def random_weights(model, seed=1):
    """Give a model weights of which no two are alike; variances are positive."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed_generator" in weight.path:
            continue
        value = rng.normal(size=weight.shape) / 2
        weight.assign(np.abs(value) + 0.5 if "variance" in weight.path else value)
    return model


def of(*layers, shape=(None, 4), dtype="float32"):
    """A Sequential model with random weights."""
    return random_weights(keras.Sequential([keras.Input(shape, dtype=dtype), *layers]))


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(path, inputs):
    """The outputs of a file for the inputs of a model, in its order."""
    session = session_of(path)
    names = [node.name for node in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def assert_same_numbers(folder, model, *inputs, atol=1e-5):
    """The file of a model gives what `predict` gives."""
    path = folder / "model.onnx"
    kit.export_onnx(model, path, overwrite=True)
    found = run(path, inputs)
    want = model.predict(inputs[0] if len(inputs) == 1 else list(inputs), verbose=0)
    names = sorted(want) if isinstance(want, dict) else None
    want = keras.tree.flatten(want)
    for i, (a, b) in enumerate(zip(found, want, strict=True)):
        name = names[i] if names else f"output {i}"
        assert (name, a.shape, str(a.dtype)) == (name, b.shape, str(b.dtype))
        a, b = a.astype(float), b.astype(float)
        np.testing.assert_allclose(a, b, atol=atol, rtol=1e-5, err_msg=name)


def branches(inputs, made):
    """A model with random weights and one output for each function in a dict.

    One model is compiled more quickly than many.
    """
    inputs = inputs if isinstance(inputs, list) else [inputs]
    return random_weights(keras.Model(inputs, {name: f(*inputs) for name, f in made.items()}))


def features(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def tokens(*shape, seed=0):
    """Token ids below 6, with padding at the end of some rows and within others."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, 6, shape)
    ids[rng.random(shape) < 0.3] = 0
    ids[0, ..., -2:] = 0
    return ids.astype("int32")
