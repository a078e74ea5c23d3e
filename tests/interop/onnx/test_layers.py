"""Each layer around the recurrent ones, exported, against `predict`."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import keras_rnnkit as kit
from tests.interop.onnx.comparing import assert_same_numbers, branches, features, of, tokens

ACTIVATIONS = [
    *("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu"),
    *("hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6"),
    *("selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus"),
    *("sparse_sigmoid", "squareplus", "tanh", "tanh_shrink"),
]

# Layers on `(batch, time, 4)`, by what is tested of them.
ON_SEQUENCES = {
    "activity_regularization": lambda: layers.ActivityRegularization(l2=0.1),
    "alpha_dropout": lambda: layers.AlphaDropout(0.5),
    "average_pooling": lambda: layers.AveragePooling1D(3, strides=2),
    "average_pooling_same": lambda: layers.AveragePooling1D(2, padding="same"),
    "batch_normalization": lambda: layers.BatchNormalization(),
    "batch_normalization_plain": lambda: layers.BatchNormalization(center=False, scale=False),
    "cropping": lambda: layers.Cropping1D((1, 2)),
    "cropping_start": lambda: layers.Cropping1D((2, 0)),
    "dense": lambda: layers.Dense(3, activation="tanh"),
    "dense_without_bias": lambda: layers.Dense(3, use_bias=False),
    "dropout": lambda: layers.Dropout(0.5),
    "einsum_dense": lambda: layers.EinsumDense("...x,xy->...y", output_shape=3, bias_axes="y"),
    "elu": lambda: layers.ELU(0.5),
    "gaussian_dropout": lambda: layers.GaussianDropout(0.5),
    "gaussian_noise": lambda: layers.GaussianNoise(0.5),
    "global_average": lambda: layers.GlobalAveragePooling1D(),
    "global_average_keepdims": lambda: layers.GlobalAveragePooling1D(keepdims=True),
    "global_max": lambda: layers.GlobalMaxPooling1D(),
    "global_max_keepdims": lambda: layers.GlobalMaxPooling1D(keepdims=True),
    "identity": lambda: layers.Identity(),
    "layer_normalization": lambda: layers.LayerNormalization(),
    "layer_normalization_plain": lambda: layers.LayerNormalization(center=False, scale=False),
    "leaky_relu": lambda: layers.LeakyReLU(0.1),
    "masking": lambda: layers.Masking(0.0),
    "max_pooling": lambda: layers.MaxPooling1D(2),
    "max_pooling_same": lambda: layers.MaxPooling1D(3, strides=2, padding="same"),
    "prelu": lambda: layers.PReLU(shared_axes=[1]),
    "relu": lambda: layers.ReLU(),
    "relu_options": lambda: layers.ReLU(max_value=1.0, negative_slope=0.2, threshold=0.3),
    "rescaling": lambda: layers.Rescaling(2.0, offset=-1.0),
    "rms_normalization": lambda: layers.RMSNormalization(),
    "softmax": lambda: layers.Softmax(),
    "spatial_dropout": lambda: layers.SpatialDropout1D(0.5),
    "time_distributed": lambda: kit.TimeDistributed(layers.Dense(3, activation="relu")),
    "unit_normalization": lambda: layers.UnitNormalization(),
    "up_sampling": lambda: layers.UpSampling1D(3),
    "zero_padding": lambda: layers.ZeroPadding1D((1, 2)),
}

# Layers on `(batch, 6, 4)`, which need the number of steps.
ON_KNOWN_STEPS = {
    "flatten": lambda: layers.Flatten(),
    "layer_normalization_time": lambda: layers.LayerNormalization(axis=1),
    "layer_normalization_both": lambda: layers.LayerNormalization(axis=[1, 2]),
    "permute": lambda: layers.Permute((2, 1)),
    "prelu_steps": lambda: layers.PReLU(),
    "reshape": lambda: layers.Reshape((3, -1)),
    "batch_normalization_time": lambda: layers.BatchNormalization(axis=1),
    "rms_normalization_both": lambda: layers.RMSNormalization(axis=[1, 2]),
    "time_distributed_keras": lambda: layers.TimeDistributed(layers.Dense(3)),
}


def test_layers_on_sequences_of_any_length(tmp_path):
    made = {name: make() for name, make in ON_SEQUENCES.items()}
    model = branches(keras.Input((None, 4)), made)
    assert_same_numbers(tmp_path, model, features(3, 7, 4))


def test_layers_on_a_known_number_of_steps(tmp_path):
    made = {name: make() for name, make in ON_KNOWN_STEPS.items()}
    if keras.config.backend() == "torch":
        del made["layer_normalization_time"]  # Keras 3.15 fails on PyTorch with this axis
    assert_same_numbers(tmp_path, branches(keras.Input((6, 4)), made), features(3, 6, 4))


def test_repeat_vector(tmp_path):
    assert_same_numbers(tmp_path, of(layers.RepeatVector(3), shape=(4,)), features(2, 4))


def test_every_activation(tmp_path):
    made = {name: layers.Activation(name) for name in ACTIVATIONS}
    assert_same_numbers(tmp_path, branches(keras.Input((None, 4)), made), 2 * features(3, 5, 4))


@pytest.mark.parametrize("activation", ["glu", "sparsemax", lambda x: x + 1])
def test_an_unknown_activation_is_refused(activation, tmp_path):
    model = of(layers.Dense(4, activation=activation, name="gate"))
    with pytest.raises(ValueError, match=r"Dense 'gate'.*its activation.*is not supported.*/gate"):
        kit.export_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_normalization_by_adapted_statistics(tmp_path):
    made = {
        "plain": layers.Normalization(),
        "invert": layers.Normalization(invert=True),
        "all_axes": layers.Normalization(axis=None),
    }
    for layer in made.values():
        layer.adapt(features(8, 6, 4, seed=5) * 3 + 1)
    x = keras.Input((None, 4))
    model = keras.Model(x, {name: layer(x) for name, layer in made.items()})
    assert_same_numbers(tmp_path, model, features(2, 6, 4))


def test_embeddings_of_integers_and_of_floats(tmp_path):
    ids, floats = keras.Input((None,), dtype="int32"), keras.Input((None,))
    made = {
        "integers": lambda a, b: kit.Embedding(6, 3)(a),
        "floats": lambda a, b: kit.Embedding(6, 3)(b),
        "keras": lambda a, b: layers.Embedding(6, 3)(a),
    }
    model = branches([ids, floats], made)
    assert_same_numbers(tmp_path, model, tokens(3, 5), tokens(3, 5).astype("float32"))


convolutions = st.fixed_dictionaries(
    {
        "kernel_size": st.integers(1, 4),
        "padding": st.sampled_from(["valid", "same", "causal"]),
        "strides": st.integers(1, 3),
        "dilation_rate": st.integers(1, 2),
        "groups": st.sampled_from([1, 2]),
        "use_bias": st.booleans(),
    }
).filter(lambda options: options["strides"] == 1 or options["dilation_rate"] == 1)


@pytest.mark.slow_on("jax", "tensorflow")
@settings(max_examples=8, deadline=None)
@given(options=convolutions, steps=st.integers(8, 11), batch=st.integers(1, 3))
def test_convolutions(tmp_path_factory, options, steps, batch):
    if keras.config.backend() == "tensorflow":
        options = {**options, "groups": 1}  # it has no others on a CPU
    model = of(layers.Conv1D(6, activation="relu", **options))
    assert_same_numbers(tmp_path_factory.mktemp("conv"), model, features(batch, steps, 4))


@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize("steps", [6, 7, 8])
def test_pooling_with_padding(steps, tmp_path):
    sizes = [(2, 1), (3, 2), (4, 3), (2, 3), (1, 3)]
    made = {
        f"{kind.__name__} {size} {stride}": kind(size, stride, padding="same")
        for kind in (layers.AveragePooling1D, layers.MaxPooling1D)
        for size, stride in sizes
    }
    assert_same_numbers(tmp_path, branches(keras.Input((None, 4)), made), features(2, steps, 4))


def test_merging_layers(tmp_path):
    inputs = [keras.Input((5, 4)), keras.Input((5, 4)), keras.Input((4,))]
    several = ("Add", "Average", "Maximum", "Minimum", "Multiply")
    made = {kind: lambda *x, kind=kind: getattr(layers, kind)()(list(x)) for kind in several}
    two = {
        "subtract": layers.Subtract(),
        "concatenate": layers.Concatenate(),
        "concatenate_time": layers.Concatenate(axis=1),
        "dot": layers.Dot(axes=2),
        "dot_axes": layers.Dot(axes=(2, -1)),
        "dot_time": layers.Dot(axes=1),
    }
    made |= {name: lambda a, b, c, layer=layer: layer([a, b]) for name, layer in two.items()}
    model = branches(inputs, made)
    x = features(3, 5, 4), features(3, 5, 4, seed=1), features(3, 4)
    assert_same_numbers(tmp_path, model, *x)


def test_a_dot_of_vectors_has_two_axes(tmp_path):
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], layers.Dot(axes=1)([a, b]))
    assert_same_numbers(tmp_path, model, features(3, 4), features(3, 4, seed=1))


def test_weights_that_are_equal_are_stored_once(tmp_path):
    import onnx

    model = of(layers.Dense(4, name="one"), layers.Dense(4, name="two"))
    model.layers[1].set_weights(model.layers[0].get_weights())
    kit.export_onnx(model, tmp_path / "model.onnx")
    shapes = [tuple(t.dims) for t in onnx.load(tmp_path / "model.onnx").graph.initializer]
    assert sorted(shapes) == [(4,), (4, 4)]


def test_a_channels_first_convolution(tmp_path):
    if keras.config.backend() == "tensorflow":
        pytest.skip("TensorFlow has no convolution with channels first on a CPU")
    model = of(
        layers.Conv1D(3, 2, padding="causal", data_format="channels_first"),
        layers.MaxPooling1D(2, data_format="channels_first"),
        layers.GlobalAveragePooling1D(data_format="channels_first"),
        shape=(4, None),
    )
    assert_same_numbers(tmp_path, model, np.ascontiguousarray(features(2, 4, 9)))
