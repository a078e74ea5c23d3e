"""The table of cases: a row for each layer, with its cell, its oracle and its Keras namesake."""

from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import keras
import numpy as np

import keras_rnnkit as kit
from tests.support import oracles


class Case(NamedTuple):
    name: str
    layer: Any
    cell: Any
    keras_layer: Any
    keras_cell: Any
    gates: int
    states: int
    oracle: Callable[..., Any]
    options: Any = MappingProxyType({})

    def bias_shape(self, units):
        rows = self.options.get("reset_after", self.name == "gru")
        return (2, self.gates * units) if rows and self.gates == 3 else (self.gates * units,)

    def weights(self, rng, features, units):
        """Random weights, so that no two gates are alike."""
        shapes = (features, self.gates * units), (units, self.gates * units)
        return [rng.normal(size=shape) for shape in (*shapes, self.bias_shape(units))]


CASES = [
    Case(
        "lstm", kit.LSTM, kit.LSTMCell, keras.layers.LSTM, keras.layers.LSTMCell, 4, 2, oracles.lstm
    ),
    Case("gru", kit.GRU, kit.GRUCell, keras.layers.GRU, keras.layers.GRUCell, 3, 1, oracles.gru),
    Case(
        "gru_reset_before",
        kit.GRU,
        kit.GRUCell,
        keras.layers.GRU,
        keras.layers.GRUCell,
        3,
        1,
        partial(oracles.gru, reset_after=False),
        {"reset_after": False},
    ),
    Case(
        "simple_rnn",
        kit.SimpleRNN,
        kit.SimpleRNNCell,
        keras.layers.SimpleRNN,
        keras.layers.SimpleRNNCell,
        1,
        1,
        oracles.simple_rnn,
    ),
]


class MinCase(Case):
    """A layer that Keras has not, and whose cell has no recurrent kernel."""

    def weights(self, rng, features, units):
        width = self.gates * units
        return [rng.normal(size=(features, width)), rng.normal(size=(width,))]


def _min_case(name, layer, cell, gates, oracle):
    rows = {"": None, "_positive": oracles.positive}
    for ending, activation in rows.items():
        how = {"activation": activation} if activation else {}
        options = {"activation": "positive"} if activation else {}
        yield MinCase(
            name + ending, layer, cell, None, None, gates, 1, partial(oracle, **how), options
        )


MIN_CASES = [
    *_min_case("min_gru", kit.MinGRU, kit.MinGRUCell, 2, oracles.min_gru),
    *_min_case("min_lstm", kit.MinLSTM, kit.MinLSTMCell, 3, oracles.min_lstm),
]

MASKS = {
    "no mask": None,
    "right-padded": np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]], bool),
    "left-padded": np.array([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]], bool),
    "holes": np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [1, 1, 0, 1, 1]], bool),
    "an all-padding row": np.array([[0, 0, 0, 0, 0], [1, 1, 1, 1, 0], [0, 1, 1, 1, 1]], bool),
}


def by_name(case):
    return case.name


def to_numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def assert_close(a, b, rtol=1e-5, atol=1e-5):
    """The same numbers in the same structure, within float32's rounding."""
    for mine, other in zip(keras.tree.flatten(a), keras.tree.flatten(b), strict=True):
        np.testing.assert_allclose(to_numpy(mine), to_numpy(other), rtol=rtol, atol=atol)


def built(case, weights, features, units, dtype="float32", **options):
    """A layer of the kit with the given weights."""
    layer = case.layer(units, dtype=dtype, **case.options, **options)
    batch = 3 if options.get("stateful") else None
    layer.build((batch, 5, features))
    layer.set_weights(weights)
    return layer
