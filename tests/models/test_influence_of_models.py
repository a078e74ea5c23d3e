"""The influence of each step in the traces of models."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.models.influenced import STEPS, state_again
from tests.support.cases import MASKS, where_compiled

LAYERS = {
    "keras.LSTM": lambda: keras.layers.LSTM(4),
    "keras.GRU": lambda: keras.layers.GRU(4, reset_after=False),
    "kit.MinLSTM": lambda: kit.MinLSTM(4),
    "kit.RGLRU": lambda: kit.RGLRU(4),
    "reversed": lambda: keras.layers.GRU(4, go_backwards=True),
    "zoneout": lambda: kit.RNN(kit.Zoneout(kit.LSTMCell(4), {"cell": 0.3, "hidden": 0.1})),
    "two zoneouts": lambda: kit.RNN(kit.Zoneout(kit.Zoneout(kit.GRUCell(4), 0.3), 0.2)),
    "projected": lambda: kit.RNN(kit.ProjectedLSTMCell(4, 3)),
    "learned": lambda: kit.LearnedInitialState(kit.LSTM(4), initializer="random_normal"),
    "both directions": lambda: keras.layers.Bidirectional(keras.layers.LSTM(4)),
    "a stack": lambda: kit.StackedRNN([4, 3]),
    "a stack of cells": lambda: keras.layers.RNN(
        [keras.layers.LSTMCell(4), keras.layers.GRUCell(3)]
    ),
}


def each(record, result):
    """The records of single layers and directions, with their results."""
    if isinstance(result, np.ndarray):
        return [(record, result)]
    pairs = [(record[k], result[k]) for k in result] if isinstance(result, dict) else None
    pairs = pairs or list(zip(record, result, strict=True))
    return [pair for both in pairs for pair in each(*both)]


@pytest.mark.parametrize("name", where_compiled(["keras.GRU", "kit.MinLSTM", "a stack"], LAYERS))
def test_the_records_of_models(name):
    layer = LAYERS[name]()
    embedding = keras.layers.Embedding(9, 3, mask_zero=True)
    model = keras.Sequential([keras.Input((STEPS,)), embedding, layer])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    x = rng.integers(1, 9, (3, STEPS)) * MASKS["holes"]
    record = kit.trace(model, x)[layer.name]
    for part, result in each(record, kit.influence(record, units="all")):
        expected = getattr(part, result.state)
        np.testing.assert_allclose(state_again(part, result), expected, 1e-5, 1e-5)


def test_the_record_of_time_distributed():
    layer = keras.layers.TimeDistributed(keras.layers.GRU(4))
    model = keras.Sequential([keras.Input((2, STEPS, 3)), layer])
    x = np.random.default_rng(0).normal(size=(3, 2, STEPS, 3)).astype("float32")
    record = kit.trace(model, x)[layer.name]
    result = kit.influence(record, units="all")
    assert result.shape == (3, 2, STEPS, STEPS, 4)
    parts = np.einsum("botju,boju->botu", result, record.candidate)
    np.testing.assert_allclose(parts, record.hidden, 1e-5, 1e-5)


def test_the_states_of_a_stateful_model():
    model = keras.Sequential([keras.Input(batch_shape=(3, STEPS, 3)), kit.GRU(4, stateful=True)])
    x = np.random.default_rng(0).normal(size=(3, STEPS, 3)).astype("float32")
    model.predict(x, verbose=0)
    record = kit.trace(model, x)[model.layers[0].name]
    result = kit.influence(record, units="all")
    assert np.abs(record.origin.initial_states[0]).min() > 0
    np.testing.assert_allclose(state_again(record, result), record.hidden, 1e-5, 1e-5)
