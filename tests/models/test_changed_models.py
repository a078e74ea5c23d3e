"""What is compiled for a model is compiled anew when the model has changed."""

import logging
from collections import deque

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from keras_rnnkit.models._settings import settings_of
from tests.support.cases import to_numpy
from tests.support.witness import check_traces, randomized

L = keras.layers
X = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")


class Config:
    """A plain Python object with options."""

    def __init__(self, scale):
        self.scale, self.shift = scale, {"by": [0.0]}


class Slots:
    """A plain Python object without a `__dict__`."""

    __slots__ = ("scale",)

    def __init__(self):
        self.scale = 1.0


class Node:
    """An object that refers to all others of its kind."""

    def __init__(self, nodes):
        self.nodes = nodes
        nodes.append(self)


class Scaled(keras.Model):
    """Reads arrays, private attributes and a plain object in its call."""

    def __init__(self):
        super().__init__()
        self.array, self.config = np.ones(2, "float32"), Config(1.0)
        self._private, self._hidden = 1.0, np.ones(2, "float32")
        self.signs, self.queue, self.slots = {"plus"}, deque([1.0]), Slots()
        self.lstm = L.LSTM(3, name="lstm")

    def call(self, inputs):
        scale = self._private * self.config.scale * self.array * self._hidden
        scale = scale * self.queue[0] * self.slots.scale * (-1 if "minus" in self.signs else 1)
        return self.lstm(inputs * ops.convert_to_tensor(scale) + self.config.shift["by"][0])


def set_array(model):
    model.array = np.full(2, 2.0, "float32")


def set_in_place(model):
    model.array[1] = 3.0


def set_private(model):
    model._private = 2.0


def set_private_in_place(model):
    model._hidden *= -1


def set_in_an_object(model):
    model.config.scale = 0.5


def set_deep_in_an_object(model):
    model.config.shift["by"][0] = 1.0


def set_in_a_set(model):
    model.signs.add("minus")


def set_in_a_queue(model):
    model.queue[0] = 1.5


def set_in_a_slot(model):
    model.slots.scale = 0.7


CHANGES = [
    set_array,
    set_in_place,
    set_private,
    set_private_in_place,
    set_in_an_object,
    set_deep_in_an_object,
    set_in_a_set,
    set_in_a_queue,
    set_in_a_slot,
]


@pytest.fixture(scope="module")
def model():
    model = Scaled()
    model(X)
    return randomized(model)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_attribute_is_seen(model, change):
    before = kit.trace(model, X).outputs
    change(model)
    traces = check_traces(model, X)
    assert np.abs(traces.outputs - before).max() > 1e-3


def test_another_activation_is_seen_also_at_the_address_of_the_first():
    dense = L.Dense(2)
    model = randomized(keras.Sequential([keras.Input((5, 2)), L.LSTM(3), dense]))
    plain = dense.activation
    for scale in (2.0, 5.0, 7.0):
        dense.activation = (lambda by: lambda x: by * x)(scale)
        np.testing.assert_allclose(kit.trace(model, X).outputs, to_numpy(model(X)), atol=1e-5)
        dense.activation = plain  # frees the other one


def test_objects_that_refer_to_each_other_are_read_once():
    model, nodes, read = Scaled(), [], []
    for _ in range(100):
        Node(nodes)

    class Counted(Node):
        @property
        def __dict__(self):
            read.append(self)
            return {"nodes": nodes}

    Counted(nodes)
    model.node = nodes[0]
    settings_of(model)
    assert len(read) < 5


def test_a_log_call_changes_nothing():
    model = Scaled()
    model.log = logging.getLogger("of the model")
    before = settings_of(model)
    model.log.debug("a step")
    logging.getLogger("of another module")
    assert settings_of(model) == before


class Options:
    """A plain Python object with a layer that Keras does not track."""

    def __init__(self):
        self.dense = L.Dense(2)
        self.dense.build((None, 5, 2))


class WithOptions(keras.Model):
    def __init__(self):
        super().__init__()
        self.options, self.lstm = Options(), L.LSTM(3, name="lstm")

    def call(self, inputs):
        return self.lstm(self.options.dense(inputs))


def test_weights_that_keras_does_not_track_are_seen():
    model = WithOptions()
    model(X)
    kit.trace(randomized(model), X)
    model.options.dense.set_weights([np.full((2, 2), 0.7), np.ones(2)])
    np.testing.assert_allclose(kit.trace(model, X).outputs, to_numpy(model(X)), atol=1e-6)


def test_arguments_of_a_lambda_are_seen():
    scale = L.Lambda(lambda x, by: x * by, arguments={"by": 1.0})
    model = randomized(keras.Sequential([keras.Input((5, 2)), scale, L.LSTM(3, name="lstm")]))
    kit.trace(model, X)
    scale.arguments["by"] = 3.0
    np.testing.assert_allclose(kit.trace(model, X).outputs, to_numpy(model(X)), atol=1e-6)


class Alternating(keras.Model):
    """Changes an attribute of its own in its call."""

    def __init__(self):
        super().__init__()
        self.sign, self.lstm = 1.0, L.LSTM(3, name="lstm")

    def call(self, inputs):
        self.sign = -self.sign
        return self.lstm(inputs * self.sign)


def test_a_model_whose_call_changes_it_is_traced_as_it_is_then():
    model = Alternating()
    model(X)
    randomized(model)
    for _ in range(4):
        expected = to_numpy(model.lstm(X * -model.sign))
        np.testing.assert_allclose(kit.trace(model, X).outputs, expected, atol=1e-6)


@pytest.mark.parametrize("own", [True, False], ids=["its own class", "of keras"])
def test_an_unchanged_model_is_compiled_once_also_over_epochs(own):
    model = Scaled() if own else keras.Sequential([keras.Input((5, 2)), L.LSTM(3, name="lstm")])
    model.compile("sgd", "mse")
    model(X)
    y, runners = np.zeros((3, 3), "float32"), []

    def note(epoch, logs):
        kit.trace(model, X)
        runners.append(vars(model)["_keras_rnnkit_stored"]["runner", None][2])

    callback = keras.callbacks.LambdaCallback(on_epoch_end=note)
    model.fit(X, y, validation_data=(X, y), epochs=3, verbose=0, callbacks=[callback])
    assert runners[1] is runners[2]


def test_repeated_calls_do_not_warn_of_retracing(caplog):
    model = randomized(keras.Sequential([keras.Input((5, 2)), L.GRU(3, name="gru"), L.Dense(1)]))
    for _ in range(6):
        kit.trace(model, X)
        kit.trace_gradients(model, X, np.zeros((3, 1), "float32"), loss="mse")
    assert not [record for record in caplog.records if "retracing" in record.getMessage()]
