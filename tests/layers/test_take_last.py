"""`TakeLast`: the outputs at the ends, masks, gradients, files, and what it refuses."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.support.backends import float64_allowed, gradients, in_a_graph


def outputs_and_ends():
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(3, 5, 4)).astype("float32")
    return outputs, np.array([[0, 2, 4], [4, -1, -1], [1, 1, 3]], "int32")


def expected(outputs, ends):
    rows = np.arange(len(ends))[:, None]
    return np.where((ends >= 0)[..., None], outputs[rows, ends], 0)


def take(outputs, ends, **options):
    return ops.convert_to_numpy(kit.TakeLast(**options)([outputs, ends]))


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_the_outputs_at_the_ends(dtype):
    outputs, ends = outputs_and_ends()
    if dtype == "uint8":
        ends = np.maximum(ends, 0)
    np.testing.assert_array_equal(take(outputs, ends.astype(dtype)), expected(outputs, ends))


def test_outputs_with_more_axes_and_outputs_of_no_features():
    outputs, ends = outputs_and_ends()
    images = np.stack([outputs, 2 * outputs], axis=-1)
    np.testing.assert_array_equal(take(images, ends)[..., 1], 2 * expected(outputs, ends))


def test_a_step_that_is_not_there_is_nan_on_every_backend():
    outputs, ends = outputs_and_ends()
    ends[2, 1] = 5
    found = take(outputs, ends)
    assert np.isnan(found[2, 1]).all() and not np.isnan(np.delete(found.reshape(9, 4), 7, 0)).any()


@pytest.mark.parametrize("policy", ["float16", "mixed_float16", "mixed_bfloat16", "float64"])
def test_the_result_has_the_compute_dtype(policy):
    outputs, ends = outputs_and_ends()
    with float64_allowed():
        layer = kit.TakeLast(dtype=policy)
        found = layer([outputs, ends])
        assert keras.utils.standardize_dtype(found.dtype) == layer.compute_dtype
        found = ops.convert_to_numpy(ops.cast(found, "float32"))
    np.testing.assert_allclose(found, expected(outputs, ends), rtol=0.01, atol=0.01)


def test_integers_become_floats():
    found = take(np.arange(8).reshape(1, 4, 2), np.array([[1, -1]]))
    assert found.dtype == "float32" and found.tolist() == [[[2, 3], [0, 0]]]


def test_the_gradient_is_at_the_ends_alone():
    outputs, ends = outputs_and_ends()
    factors = np.arange(1.0, 37).reshape(3, 3, 4).astype("float32")

    def loss(layer, outputs):
        return ops.sum(ops.multiply(layer([outputs, ends]), factors))

    (found,) = gradients(loss, kit.TakeLast(), outputs)
    right = np.zeros_like(outputs)
    for row, place in np.argwhere(ends >= 0):
        right[row, ends[row, place]] += factors[row, place]
    np.testing.assert_allclose(found, right)


def test_in_a_graph_of_unknown_length():
    outputs, ends = outputs_and_ends()
    layer = kit.TakeLast()
    inputs = [keras.Input((None, 4)), keras.Input((None,), dtype="int32")]
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, None, 4)
    for steps, most in ((5, 3), (5, 2)):
        right = expected(outputs, ends[:, :most])
        found = model.predict([outputs[:, :steps], ends[:, :most]], verbose=0)
        np.testing.assert_array_equal(found, right)
    run = in_a_graph(lambda outputs, ends: layer([outputs, ends]))
    found = run(ops.convert_to_tensor(outputs), ops.convert_to_tensor(ends))
    np.testing.assert_array_equal(ops.convert_to_numpy(found), expected(outputs, ends))


@pytest.mark.parametrize("loss", ["binary_crossentropy", "sparse_categorical_crossentropy"])
def test_places_without_a_sequence_count_in_no_loss_and_no_metric(loss):
    outputs, ends = outputs_and_ends()
    inputs = [keras.Input((5, 4)), keras.Input((3,), dtype="int32")]
    binary = loss.startswith("binary")
    head = keras.layers.Dense(1, "sigmoid") if binary else keras.layers.Dense(2, "softmax")
    model = keras.Model(inputs, head(kit.TakeLast()(inputs)))
    model.compile(loss=loss, metrics=["accuracy"])
    targets = np.array([[0, 1, 1], [1, 0, 0], [1, 1, 0]])
    given = targets[..., None] if binary else targets  # as `Packed` says
    found = model.evaluate([outputs, ends], given, verbose=0)
    there = ends >= 0
    ones = model.predict([outputs, ends], verbose=0)[..., -1][there]
    right = targets[there]
    losses = -np.where(right, np.log(ones), np.log(1 - ones))
    np.testing.assert_allclose(found[0], losses.mean(), rtol=1e-4)
    np.testing.assert_allclose(found[1], ((ones > 0.5) == right).mean(), rtol=1e-5)
    weighted = model.evaluate([outputs, ends], given, sample_weight=there * 1.0, verbose=0)
    np.testing.assert_allclose(weighted, found, rtol=1e-5)


def test_a_mask_of_the_outputs_is_not_used_and_no_warning_comes():
    outputs, ends = outputs_and_ends()
    masked = keras.layers.Masking()(outputs)
    np.testing.assert_array_equal(take(masked, ends), expected(outputs, ends))


def test_saved_and_loaded(tmp_path):
    outputs, ends = outputs_and_ends()
    inputs = [keras.Input((5, 4)), keras.Input((3,), dtype="int32")]
    model = keras.Model(inputs, kit.TakeLast(name="last")(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    found = loaded.predict([outputs, ends], verbose=0)
    np.testing.assert_array_equal(found, expected(outputs, ends))
    assert loaded.get_layer("last").get_config() == model.get_layer("last").get_config()


@pytest.mark.parametrize("symbolic", [False, True], ids=["eager", "symbolic"])
@pytest.mark.parametrize(
    ("shape", "ends", "dtype", "message"),
    [
        ((3, 4), (3, 2), "int32", r"`return_sequences=True`. Received: outputs.shape=\(3, 4\)"),
        ((3, 5, 4), (3,), "int32", r"`ends` of shape \(batch, most\).*ends.shape=\(3,\)"),
        ((3, 5, 4), (2, 2), "int32", r"batch is 3 as in.*Received: ends.shape=\(2, 2\)"),
        ((3, 5, 4), (3, 2), "float32", 'dtype="int32"`. Received: ends.dtype=float32'),
        ((3, 5, 4), (3, 2), "bool", "Received: ends.dtype=bool"),
    ],
)
def test_refused(shape, ends, dtype, message, symbolic):
    if symbolic:
        inputs = [keras.Input(batch_shape=shape), keras.Input(batch_shape=ends, dtype=dtype)]
    else:
        inputs = [np.zeros(shape, "float32"), np.zeros(ends, dtype)]
    with pytest.raises(ValueError, match=rf"TakeLast 'last': expected.*{message}"):
        kit.TakeLast(name="last")(inputs)


@pytest.mark.parametrize("inputs", [np.zeros((3, 5, 4), "float32"), [np.zeros((3, 5, 4))]])
def test_anything_but_two_inputs_is_refused(inputs):
    with pytest.raises(ValueError, match=r"a list of two inputs, \[outputs, ends\]"):
        kit.TakeLast()(inputs)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([np.zeros((1, 3, 2), "float32"), [[0, 2]]], r"`np.array\(ends\)`. Received: ends=\[\[0"),
        ([np.zeros((1, 3, 2), "float32"), None], r"ends=None"),
        ([[[[1.0]]], np.zeros((1, 1), int)], r"`np.array\(outputs\)`. Received: outputs=\[\[\["),
    ],
)
def test_lists_of_numbers_are_refused_by_name(inputs, message):
    with pytest.raises(ValueError, match=message):
        kit.TakeLast()(inputs=inputs)
