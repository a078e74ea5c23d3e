"""Models of every wiring: nested, shared, several inputs and outputs, operations of `keras.ops`."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

import keras_rnnkit as kit
from tests.interop.onnx.comparing import (
    assert_same_numbers,
    branches,
    features,
    of,
    random_weights,
    run,
)

# Operations on a tensor `x` (batch, 5, 4) and a tensor `y` of the same shape.
OPERATIONS = {
    "arithmetic": lambda x, y: (x + y) * 2 - y / (1 + ops.abs(x)),
    "from_the_left": lambda x, y: 1 - x + 2.5 * y,
    "power": lambda x, y: ops.power(ops.abs(x) + 0.1, 1.5) + ops.square(y),
    "exponentials": lambda x, y: ops.log1p(ops.exp(x)) + ops.expm1(y) + ops.rsqrt(1 + y * y),
    "trigonometry": lambda x, y: ops.sin(x) * ops.cos(y) + ops.arctan(x) + ops.tanh(y),
    "rounding": lambda x, y: ops.floor(x) + ops.ceil(y) + ops.round(x) + ops.sign(y),
    "comparisons": lambda x, y: ops.where(x > y, x, -y),
    "equalities": lambda x, y: ops.cast(ops.equal(ops.round(x), ops.round(y)), "float32"),
    "inequalities": lambda x, y: ops.cast(x <= y, "int32"),
    "logic": lambda x, y: ops.logical_and(ops.logical_not(x > 0), ops.logical_or(y < 1, x != y)),
    "extremes": lambda x, y: ops.maximum(x, y) - ops.minimum(x, 0.5),
    "clip": lambda x, y: ops.clip(x, -0.5, 0.5),
    "clip_each": lambda x, y: ops.clip(x, np.float32([-0.4, -0.3, -0.2, -0.1]), np.float32(0.2)),
    "floor_divide": lambda x, y: ops.floor_divide(ops.ones_like(x), 0.1) + x // (y * y + 0.5),
    "floor_divide_by_zero": lambda x, y: x // ops.zeros_like(y),
    "booleans": lambda x, y: ops.add(x > 1, y > 0),
    "selected_booleans": lambda x, y: ops.where(x > 0, ops.multiply(x > 1, y > 0), y < 0),
    "reduced_booleans": lambda x, y: ops.cast(ops.max(x > 0, axis=1), "int32"),
    "first_true": lambda x, y: ops.argmax(x > 0, axis=1),
    "relu_below_zero": lambda x, y: keras.activations.relu(
        x, negative_slope=0.1, max_value=0.5, threshold=-0.5
    ),
    "sum": lambda x, y: ops.sum(x, axis=1) + ops.mean(y, axis=-2),
    "keepdims": lambda x, y: (
        x - ops.max(x, axis=-1, keepdims=True) + ops.min(y, axis=(1, 2), keepdims=True)
    ),
    "spread": lambda x, y: ops.std(x, axis=1) + ops.var(y, axis=1),
    "logsumexp": lambda x, y: ops.logsumexp(x, axis=-1) + ops.prod(y, axis=-1),
    "any": lambda x, y: ops.any(x > 1, axis=-1),
    "all": lambda x, y: ops.all(x > -1, axis=1),
    "argmax": lambda x, y: ops.argmax(x, axis=-1),
    "matmul": lambda x, y: ops.matmul(x, ops.transpose(y, (0, 2, 1))),
    "einsum": lambda x, y: ops.einsum("btf,bsf->bts", x, y),
    "softmax": lambda x, y: ops.softmax(x, axis=1) + ops.log_softmax(y),
    "activations": lambda x, y: ops.relu(x) + ops.gelu(y) + ops.gelu(x, approximate=False),
    "more_activations": lambda x, y: ops.silu(y) + ops.leaky_relu(x, 0.1) + ops.elu(y, 0.5),
    "last_step": lambda x, y: x[:, -1] + y[:, 0],
    "slices": lambda x, y: x[:, 1:-1:2, :3] - y[:, :2, 1:],
    "backwards": lambda x, y: x[:, ::-1] + ops.flip(y, axis=2),
    "flip": lambda x, y: ops.flip(x, axis=1) + ops.flip(y, axis=(1, 2)),
    "new_axis": lambda x, y: x[:, None, :, 0] + y[..., 1][:, :, None][:, :3] * 0 + 1.0,
    "reshape": lambda x, y: ops.reshape(x, (-1, 2, 10)) + ops.reshape(y, (-1, 2, 10)),
    "axes": lambda x, y: ops.squeeze(ops.expand_dims(x, 1), 1) + y,
    "moved_axes": lambda x, y: ops.swapaxes(x, 1, 2) + ops.moveaxis(y, 1, 2),
    "concatenate": lambda x, y: ops.concatenate([x, y], axis=-1),
    "stack": lambda x, y: ops.stack([x, y], axis=2),
    "split": lambda x, y: ops.split(x, 2, axis=-1)[1] + ops.split(y, 2, axis=-1)[0],
    "tile": lambda x, y: ops.tile(x[:, :1], (1, 5, 1)) + y,
    "cumsum": lambda x, y: ops.cumsum(x, axis=1),
    "take": lambda x, y: ops.take(x, [0, 2, 2], axis=1),
    "like": lambda x, y: ops.ones_like(x) + ops.zeros_like(y) + x,
    "constants": lambda x, y: x * np.arange(4, dtype="float32") + np.ones((5, 1), "float32"),
}


def test_operations(tmp_path):
    made = dict(OPERATIONS)
    lacking = {
        "torch": ["backwards"],  # no slices with negative steps
        "tensorflow": [
            "booleans",
            "selected_booleans",
            "reduced_booleans",
        ],  # no arithmetic of them
        "jax": [],
    }
    for name in lacking[keras.config.backend()]:
        del made[name]
    model = branches([keras.Input((5, 4)), keras.Input((5, 4))], made)
    assert_same_numbers(tmp_path, model, features(3, 5, 4), features(3, 5, 4, seed=1))


def test_an_operation_that_is_not_known_is_refused(tmp_path):
    x = keras.Input((5, 4))
    model = keras.Model(x, ops.sort(layers.Dense(4)(x)), name="sorting")
    with pytest.raises(ValueError, match=r"Sort 'sort.* in the model 'sorting'.*are not supported"):
        kit.export_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_several_inputs_and_outputs_shared_and_nested_layers(tmp_path):
    a, b = keras.Input((None, 4), name="a"), keras.Input((None, 4), name="b")
    shared = kit.LSTM(3, return_sequences=True)
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3, "relu"), layers.Dense(2)])
    two = keras.Input((None, 3)), keras.Input((3,))
    branch = keras.Model(two, [kit.GRU(2)(two[0]) * two[1][:, :2], two[1] + 1])
    first, second = shared(a), shared(b)
    left, right = branch([first, second[:, -1]])
    outputs = {"z": inner(first[:, -1]), "a": inner(second[:, 0]), "m": [left, right]}
    model = random_weights(keras.Model({"a": a, "b": b}, outputs))
    x, y = features(3, 5, 4), features(3, 6, 4, seed=2)
    kit.export_onnx(model, tmp_path / "model.onnx")
    found = run(tmp_path / "model.onnx", (x, y))
    want = keras.tree.flatten(model.predict({"a": x, "b": y}, verbose=0))
    for one, other in zip(found, want, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_states_from_one_layer_to_another(tmp_path):
    x = keras.Input((None, 4))
    for kind in (kit, layers):
        _, *states = kind.LSTM(3, return_state=True)(x)
        y, last = kind.GRU(3, return_sequences=True, return_state=True)(
            x, initial_state=states[0] + states[1]
        )
        model = random_weights(keras.Model(x, [y, last, *states]))
        assert_same_numbers(tmp_path, model, features(2, 5, 4))


def test_the_input_is_an_output_too(tmp_path):
    x = keras.Input((4,))
    model = keras.Model(x, [x, layers.Dense(2)(x)])
    assert_same_numbers(tmp_path, random_weights(model), features(3, 4))


STEPS = {
    "dense": lambda x, y: layers.Dense(4, activation="tanh")(x),
    "lstm": lambda x, y: kit.LSTM(4, return_sequences=True)(x),
    "gru": lambda x, y: layers.GRU(4, return_sequences=True, go_backwards=True)(x),
    "both": lambda x, y: kit.Bidirectional(kit.SimpleRNN(2, return_sequences=True))(x),
    "add": lambda x, y: layers.Add()([x, y]),
    "plus": lambda x, y: x + 0.5 * y,
    "concatenate": lambda x, y: layers.Dense(4)(layers.Concatenate()([x, y])),
    "conv": lambda x, y: layers.Conv1D(4, 3, padding="same")(x),
    "norm": lambda x, y: layers.LayerNormalization()(x - y),
    "mask": lambda x, y: layers.Masking(0.0)(ops.relu(x - 0.5)),
    "gate": lambda x, y: ops.sigmoid(x) * y,
}


@pytest.mark.slow_on("jax", "tensorflow")
@settings(max_examples=6, deadline=None)
@given(
    names=st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=5),
    picks=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=5, max_size=5),
    steps=st.integers(1, 5),
    batch=st.integers(1, 3),
)
def test_random_wiring(tmp_path_factory, names, picks, steps, batch):
    tensors = [keras.Input((None, 4)), keras.Input((None, 4))]
    inputs = list(tensors)
    for name, (i, j) in zip(names, picks, strict=False):
        tensors.append(STEPS[name](tensors[i % len(tensors)], tensors[j % len(tensors)]))
    model = random_weights(keras.Model(inputs, [tensors[-1], tensors[-1][:, -1]]))
    x, y = features(batch, steps, 4), features(batch, steps, 4, seed=1)
    x[0, -1] = 0
    assert_same_numbers(tmp_path_factory.mktemp("wiring"), model, x, y)


def test_batches_of_any_size_and_length(tmp_path):
    model = of(layers.Masking(), kit.LSTM(3, return_sequences=True), layers.Dense(2))
    for batch, steps in ((1, 1), (1, 9), (5, 2)):
        assert_same_numbers(tmp_path, model, features(batch, steps, 4))
