"""Models whose layers do not tell whether they can be cut are tried on a few steps."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_rnnkit as kit
from keras_rnnkit.models import _chunk_probe
from tests.models.chunked import FEATURES, LANES, data, stateful_model
from tests.support.cases import to_numpy


def behind(*parts, time=None):
    """A model with layers before the recurrent one."""
    inputs = keras.Input(batch_shape=(LANES, time, FEATURES))
    recurrent = kit.GRU(4, stateful=True, return_sequences=True)
    return keras.Sequential([inputs, *parts, recurrent, layers.Dense(1)])


class Subclassed(keras.Model):
    """A model of which no graph is known; `how` is given the recurrent layer and its inputs."""

    def __init__(self, how):
        super().__init__()
        self.how, self.dense = how, layers.Dense(1)
        self.recurrent = kit.GRU(4, stateful=True, return_sequences=True)

    def call(self, x):
        return self.dense(self.how(self.recurrent, x))


class Shift(layers.Layer):
    """Each step has the input of the one before."""

    def call(self, x):
        return ops.pad(x[:, :-1], ((0, 0), (1, 0), (0, 0)))


def fit(model, x=None, y=None, loss="mse"):
    arrays = data(time=12)
    x, y = arrays[0] if x is None else x, arrays[1] if y is None else y
    model.compile("sgd", loss)
    if not model.built:
        model(x[:LANES])
    kit.fit_chunks(model, x, y, 4, verbose=0)


COMBINED = {
    "shift by Keras": lambda: behind(layers.ZeroPadding1D((1, 0)), layers.Cropping1D((0, 1))),
    "shift of one's own": lambda: behind(Shift()),
    "softmax over time": lambda: behind(layers.Softmax(axis=1)),
    "normalized over time": lambda: behind(layers.UnitNormalization(axis=1)),
    "groups": lambda: behind(layers.GroupNormalization(1)),
    "called twice": lambda: Subclassed(lambda layer, x: layer(x) + layer(x)),
    "initial states": lambda: Subclassed(
        lambda layer, x: layer(x, initial_state=ops.ones((LANES, 4)))
    ),
}


@pytest.mark.parametrize("name", COMBINED)
def test_a_model_with_other_outputs_in_chunks_is_refused(name):
    model = COMBINED[name]()
    with pytest.raises(ValueError, match=r"cannot be trained in chunks: of the first 8 steps its"):
        fit(model)


@pytest.mark.parametrize(
    "parts",
    [[layers.Conv1D(3, 1, strides=2)], [layers.Reshape((-1, 2 * FEATURES))]],
    ids=["strides", "reshape"],
)
def test_a_model_with_another_number_of_steps_is_refused(parts):
    with pytest.raises(ValueError, match=r"of 8 steps an output has 4, and of 4 steps 2"):
        fit(behind(*parts))


SEPARATE = {
    "normalized": lambda: behind(layers.LayerNormalization(), layers.UnitNormalization()),
    "batch normalization": lambda: behind(layers.BatchNormalization()),
    "subclassed": lambda: Subclassed(lambda layer, x: layer(x)),
    "fixed time": lambda: behind(layers.Softmax(axis=-1), time=4),
}


@pytest.mark.parametrize("name", SEPARATE)
def test_a_model_that_treats_each_step_separately_is_trained(name):
    fit(SEPARATE[name]())


def functional(output_of, *before):
    inputs = keras.Input(batch_shape=(LANES, None, FEATURES))
    h = inputs
    for function in before:
        h = function(h)
    h = kit.GRU(4, stateful=True, return_sequences=True)(h)
    return keras.Model(inputs, output_of(h))


def test_the_data_is_not_changed():
    """The logarithm takes positive numbers alone, and an embedding only its ids."""
    x = np.abs(data(time=12)[0]) + 0.1
    fit(functional(layers.Dense(1), ops.log), x)
    ids = np.full((2 * LANES, 12), 9.0, "float32")
    inputs = keras.Input(batch_shape=(LANES, None))
    h = layers.Embedding(10, 4)(inputs)
    h = layers.LayerNormalization()(kit.GRU(4, stateful=True, return_sequences=True)(h))
    fit(keras.Model(inputs, layers.Dense(1)(h)), ids)


def test_logits_may_be_infinite():
    def masked(h):
        return ops.where(ops.arange(3) < 2, layers.Dense(3)(h), -float("inf"))

    labels = np.zeros((2 * LANES, 12), "int32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fit(functional(masked), y=labels, loss=loss)


class OwnLoss(layers.Layer):
    """A layer that adds the loss, of one value for each row."""

    def call(self, x):
        loss = ops.mean(ops.square(x), axis=(1, 2))
        self.add_loss(ops.mean(loss))
        return loss


def test_outputs_without_targets_may_have_any_shape():
    model = functional(lambda h: OwnLoss()(layers.Dense(1)(h)))
    model.compile("sgd")
    kit.fit_chunks(model, data(time=12)[0], None, 4, verbose=0)


def test_layers_of_segments_are_tried_on_chunks_as_in_training():
    segments = [layers.Reshape((-1, 4, 4)), layers.LayerNormalization(), layers.Reshape((-1, 4))]
    fit(functional(lambda h: layers.Dense(1)(segments[2](segments[1](segments[0](h))))))


class Noise(layers.Layer):
    """Random also in prediction."""

    def __init__(self):
        super().__init__()
        self.seed = keras.random.SeedGenerator(0)

    def call(self, x):
        return x + keras.random.normal(ops.shape(x), seed=self.seed)


def test_a_model_that_draws_in_prediction_is_not_refused():
    fit(behind(Noise()))


def test_the_trial_changes_no_variable_and_starts_no_training():
    model = behind(Shift(), Noise())
    model.compile("sgd", "mse")
    x, y, _ = data(time=12)
    before = [np.copy(to_numpy(one)) for one in model.variables]
    with pytest.raises(ValueError, match="cannot be trained in chunks"):
        kit.fit_chunks(behind(Shift()), x, y, 4, verbose=0)
    _chunk_probe.check_agrees(model, kit.models.chunking.chunks_of((x, y, None), LANES, 4))
    for old, new in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, to_numpy(new))


def test_known_layers_are_not_tried(monkeypatch):
    monkeypatch.setattr(_chunk_probe, "_difference", None)
    fit(stateful_model("cells"))
    fit(stateful_model("simple and lstm"))
    fit(behind(layers.Dense(3), layers.Dropout(0.1)))


def test_a_stateful_layer_in_a_wrapper_over_time_is_refused():
    inputs = keras.Input(batch_shape=(LANES, None, 4, FEATURES))
    recurrent = kit.GRU(4, stateful=True, return_sequences=True)
    inner = kit.TimeDistributed(kit.LSTM(2, stateful=True))
    model = keras.Sequential([inputs, inner, recurrent, layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((LANES, 8, 4, FEATURES), "float32")
    with pytest.raises(ValueError, match="from one step of the model to the next"):
        kit.fit_chunks(model, x, x[:, :, 0, :1], 4, verbose=0)
