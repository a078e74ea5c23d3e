"""What Keras requires of every layer: ours replaces `keras.layers.X` anywhere."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.support.cases import (
    CASES,
    MASKS,
    NAMESAKES,
    assert_close,
    by_name,
    few_where_compiled,
    to_numpy,
)

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
ARGUMENTS = {
    "use_bias": True,
    "kernel_initializer": "he_normal",
    "recurrent_initializer": "glorot_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "recurrent_regularizer": "l1",
    "bias_regularizer": "l2",
    "kernel_constraint": "max_norm",
    "recurrent_constraint": "unit_norm",
    "bias_constraint": "non_neg",
    "dropout": 0.25,
    "recurrent_dropout": 0.125,
    "seed": 3,
    "activation": "relu",
}
LAYER_ARGUMENTS = {
    "activity_regularizer": "l2",
    "return_sequences": True,
    "return_state": True,
    "go_backwards": True,
    "stateful": True,
    "unroll": True,
    "zero_output_for_mask": True,
    "trainable": False,
    "dtype": "mixed_bfloat16",
}


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_every_argument_survives_the_config(case):
    arguments = {name: value for name, value in ARGUMENTS.items() if name not in case.refuses}
    arguments |= case.options
    cell = case.cell(3, **arguments)
    assert case.cell.from_config(cell.get_config()).get_config() == cell.get_config()
    assert set(arguments) <= set(cell.get_config())
    layer = case.layer(3, **arguments, **LAYER_ARGUMENTS)
    config = layer.get_config()
    copy = case.layer.from_config(dict(config)).get_config()
    assert copy == config
    assert set(LAYER_ARGUMENTS) <= set(config)
    of_cell = config if case.keras_layer else config["cell"]["config"]
    assert set(arguments) <= set(of_cell)
    assert of_cell["dropout"] == 0.25
    assert isinstance(copy["activity_regularizer"], dict)


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_registered_under_the_package(case):
    kinds = (case.layer, case.cell) if case.keras_layer else (case.cell,)
    for kind in kinds:
        assert keras.saving.get_registered_name(kind) == f"keras_rnnkit>{kind.__name__}"


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_is_a_subclass_of_its_namesake(case):
    assert issubclass(case.layer, case.keras_layer)
    assert issubclass(case.cell, case.keras_cell)


@pytest.mark.parametrize("case", few_where_compiled(CASES), ids=by_name)
def test_functional_wrapped_saved_and_cloned(case, tmp_path):
    inputs = keras.Input((2, 5, 4))
    each = keras.layers.TimeDistributed(case.layer(3, **case.options))(inputs)
    both = keras.layers.Bidirectional(case.layer(2, return_sequences=True, **case.options))(each)
    model = keras.Model(inputs, case.layer(2, **case.options)(both))
    x = np.stack([X, -X], axis=1)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    want = to_numpy(model(x))
    assert_close(keras.models.load_model(tmp_path / "model.keras")(x), want)
    clone = keras.models.clone_model(model)
    pairs = zip(clone.get_weights(), model.get_weights(), strict=True)
    assert any(not np.allclose(a, b) for a, b in pairs)
    clone.load_weights(tmp_path / "model.weights.h5")
    assert_close(clone(x), want)


class Encoder(keras.Model):
    def __init__(self):
        super().__init__()
        self.encode = kit.LSTM(3, return_state=True)
        self.decode = kit.LSTM(3, return_sequences=True)

    def call(self, x):
        _, *states = self.encode(x)
        return self.decode(x, initial_state=states)


def test_encoder_and_decoder_functional_and_subclassed():
    model = Encoder()
    subclassed = to_numpy(model(X))
    inputs = keras.Input((5, 4))
    _, *states = model.encode(inputs)
    functional = keras.Model(inputs, model.decode(inputs, initial_state=states))
    assert_close(functional(X), subclassed)
    model.compile("adam", "mse")
    model.fit(X, np.zeros((3, 5, 3)), verbose=0)
    assert not np.allclose(to_numpy(model(X)), subclassed)


def test_masking_layer():
    x = X.copy()
    x[:, 3:] = 0
    model = keras.Sequential([keras.Input((None, 4)), keras.layers.Masking(), kit.LSTM(3)])
    assert_close(model(x), model(X[:, :3]))
    assert_close(model.predict(x, verbose=0), model.predict(X[:, :3], verbose=0))


@pytest.mark.parametrize("case", few_where_compiled(CASES), ids=by_name)
def test_padding_is_as_if_it_were_not_there(case):
    layer = case.layer(3, return_state=True, **case.options)
    short = layer(X[:, 1:4])
    for left, right in ((2, 0), (0, 2), (1, 1)):
        padded = np.pad(X[:, 1:4], ((0, 0), (left, right), (0, 0)), constant_values=9)
        mask = np.pad(np.ones((3, 3), bool), ((0, 0), (left, right)))
        assert_close(layer(padded, mask=mask), short)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("case", few_where_compiled(CASES), ids=by_name)
def test_mixed_precision(case, policy):
    # Over three units a layer normalisation makes much of little; over many it does not.
    units = 3 if case.amplifies == 1 else 32
    layer = case.layer(
        units, dtype=policy, return_state=True, return_gates=True, stateful=True, **case.options
    )
    output, *states, trace = layer(X, mask=MASKS["holes"])
    reference = case.layer(units, **case.options)
    reference.build((3, 5, 4))
    reference.set_weights(layer.get_weights())
    for tensor in (output, *states, trace.candidate):
        assert keras.backend.standardize_dtype(tensor.dtype) == layer.compute_dtype
    assert layer.states[0].dtype == layer.variable_dtype
    want = to_numpy(reference(X, mask=MASKS["holes"]))
    got = to_numpy(output).astype("float32")
    np.testing.assert_allclose(got, want, atol=0.03)


def test_dynamic_time_and_batch():
    model = keras.Sequential([keras.Input((None, 4)), kit.GRU(3, return_sequences=True)])
    assert model.output_shape == (None, None, 3)
    assert model.predict(X, verbose=0).shape == (3, 5, 3)
    assert model.predict(X[:2, :3], verbose=0).shape == (2, 3, 3)


def test_dropout_is_drawn_once_a_sequence():
    layer = kit.SimpleRNN(
        40, dropout=0.5, seed=0, use_bias=False, recurrent_initializer="zeros",
        kernel_initializer="identity", activation="linear", return_sequences=True,
    )  # fmt: skip
    outputs = to_numpy(layer(np.ones((2, 6, 40), "float32"), training=True))
    assert set(np.unique(outputs)) == {0.0, 2.0}
    assert (outputs == outputs[:, :1]).all()
    assert (outputs[0, 0] != outputs[1, 0]).any()


def test_foreign_cells_with_dropout_train_on_every_backend():
    class Noisy(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.state_size = 4
            self.drop = keras.layers.Dropout(0.5, seed=1)

        def call(self, inputs, states, training=False):
            hidden = ops.tanh(self.drop(inputs, training=training) + states[0])
            return hidden, [hidden]

    model = keras.Sequential([keras.Input((5, 4)), kit.RNN(Noisy()), keras.layers.Dense(1)])
    model.layers[0](X, training=True)
    model.compile("adam", "mse")
    model.fit(X, X[:, 0, :1], epochs=2, verbose=0)
    assert np.isfinite(model.predict(X, verbose=0)).all()


def test_activity_regularizer_of_a_simple_rnn_counts():
    """keras.layers.SimpleRNN takes the argument and drops it."""
    layer = kit.SimpleRNN(3, activity_regularizer="l2")
    output = to_numpy(layer(X))
    np.testing.assert_allclose(to_numpy(layer.losses[0]), 0.01 * (output**2).sum() / 3, rtol=1e-5)


PARAMETERS = [(kit.LSTM, 16, 800), (kit.LSTM, 8, 544), (kit.GRU, 16, 624), (kit.SimpleRNN, 16, 200)]


@pytest.mark.parametrize(("kind", "features", "count"), PARAMETERS)
def test_parameters_of_the_chapter(kind, features, count):
    layer = kind(8)
    layer.build((None, 100, features))
    assert layer.count_params() == count


def stateful_model(batch, stateful=True):
    inputs = keras.Input(batch_shape=(batch, 5, 4))
    return keras.Model(inputs, kit.LSTM(3, stateful=stateful, name="lstm")(inputs))


@pytest.mark.parametrize(("batch", "stateful"), [(1, True), (3, False)], ids=["batch", "stateless"])
def test_weights_of_a_stateful_model_load_into_others(batch, stateful, tmp_path):
    trained = stateful_model(3)
    trained(X)
    trained.save_weights(tmp_path / "model.weights.h5")
    kit.reset_states(trained)
    other = stateful_model(batch, stateful)
    other.load_weights(tmp_path / "model.weights.h5")
    assert_close(other(X[:batch]), to_numpy(trained(X))[:batch])


def test_first_weights_of_a_bidirectional_are_used():
    weights = kit.Bidirectional(kit.GRU(3))
    weights.build((None, 5, 4))
    given = [np.ones_like(w) for w in weights.get_weights()]
    layer = kit.Bidirectional(kit.GRU(3), weights=given)
    layer(X)
    assert_close(layer.get_weights(), given)


def test_a_mask_in_plain_lists():
    mask = MASKS["holes"]
    layer = kit.LSTM(3)
    assert_close(layer.trace(X, mask=mask.tolist()), layer.trace(X, mask=mask))


def test_numbers_of_numpy_are_numbers():
    layer = kit.LSTM(np.int64(3), dropout=np.float32(0.25))
    assert kit.LSTM.from_config(layer.get_config()).units == 3


class MaskOfItsOwn(kit.GRUCell):
    """A cell without a rate of dropout that nevertheless draws a mask for each sequence."""

    def __init__(self, units, **options):
        super().__init__(units, **options)
        self.said = []

    def get_recurrent_dropout_mask(self, step_input):
        self.said.append("drawn")

    def reset_recurrent_dropout_mask(self):
        self.said.append("forgotten")


def test_the_masks_of_a_cell_of_ones_own_are_drawn_and_forgotten_in_every_call():
    cell = MaskOfItsOwn(2)
    layer = kit.RNN(cell)
    for _ in range(2):
        cell.said = []
        layer(X, training=True)
        assert [cell.said[0], cell.said[1], cell.said[-1]] == ["forgotten", "drawn", "forgotten"]
