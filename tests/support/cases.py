"""The table of cases: a row for each layer, with its cell, its oracle and its Keras namesake."""

from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support import oracles
from tests.support.normalizing_oracles import (
    layer_norm_gru,
    layer_norm_lstm,
    layer_norm_simple_rnn,
)


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
    refuses: tuple[str, ...] = ()  # arguments of the Keras cell that the cell has no use for
    amplifies: float = 1  # what the cell makes of float32's rounding

    def weights(self, rng, features, units):
        """Random weights, so that no two gates are alike."""
        cell = self.cell(units, **self.options)
        cell.build((None, features))
        return [rng.normal(size=weight.shape) for weight in cell.weights]

    def sizes(self, units):
        """The width of each state."""
        return keras.tree.flatten(self.cell(units, **self.options).state_size)

    def filled(self, value, batch, units):
        """A value in every state."""
        return [np.full((batch, size), value, "float32") for size in self.sizes(units)]


class InRNN:
    """Makes the layer of a cell that runs in `kit.RNN`, from the cell's and the layer's options."""

    OF_LAYER = (
        "activity_regularizer",
        "go_backwards",
        "name",
        "path",
        "return_gates",
        "return_sequences",
        "return_state",
        "stateful",
        "trainable",
        "unroll",
        "zero_output_for_mask",
    )

    def __init__(self, cell):
        self.cell = cell

    def __call__(self, units, **options):
        of_layer = {name: options.pop(name) for name in self.OF_LAYER if name in options}
        if "dtype" in options:
            of_layer["dtype"] = options["dtype"]
        return kit.RNN(self.cell(units, **options), **of_layer)

    def from_config(self, config):
        return kit.RNN.from_config(config)


def in_rnn(name, cell, gates, states, oracle, options=MappingProxyType({}), **more):
    """The case of a cell that has no layer of its own, and no namesake in Keras."""
    return Case(name, InRNN(cell), cell, None, None, gates, states, oracle, options, **more)


# A difference of two nearly equal units is made one, and its rounding with it.
NORMALISING = {"amplifies": 100}


# What would act on the weights that an echo state cell does not train.
RESERVOIR = tuple(
    f"{weight}_{kind}"
    for weight in ("kernel", "recurrent", "bias")
    for kind in ("regularizer", "constraint")
)

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
    in_rnn("coupled_lstm", kit.CoupledLSTMCell, 3, 2, oracles.coupled_lstm),
    in_rnn(
        "esn",
        kit.ESNCell,
        1,
        1,
        oracles.esn,
        {"leaky": 0.75, "connectivity": 0.5},
        refuses=RESERVOIR,
    ),
    in_rnn("layer_norm_gru", kit.LayerNormGRUCell, 3, 1, layer_norm_gru, **NORMALISING),
    in_rnn("layer_norm_lstm", kit.LayerNormLSTMCell, 4, 2, layer_norm_lstm, **NORMALISING),
    in_rnn(
        "layer_norm_simple_rnn",
        kit.LayerNormSimpleRNNCell,
        1,
        1,
        layer_norm_simple_rnn,
        **NORMALISING,
    ),
    in_rnn("nas", kit.NASCell, 8, 2, oracles.nas, {"use_bias": True}),
    in_rnn("nas_projected", kit.NASCell, 8, 2, oracles.nas, {"use_bias": True, "projection": 3}),
    in_rnn("peephole_lstm", kit.PeepholeLSTMCell, 4, 2, oracles.peephole_lstm),
    in_rnn(
        "projected_lstm",
        kit.ProjectedLSTMCell,
        4,
        2,
        oracles.projected_lstm,
        {"projection": 3},
    ),
]

# Those whose layer is one of Keras' too, and has kernels.
NAMESAKES = [case for case in CASES if case.keras_layer is not None]


def _min_case(name, layer, cell, gates, oracle):
    rows = {"": None, "_positive": oracles.positive}
    for ending, activation in rows.items():
        how = {"activation": activation} if activation else {}
        options = {"activation": "positive"} if activation else {}
        yield Case(
            name + ending, layer, cell, None, None, gates, 1, partial(oracle, **how), options
        )


MIN_CASES = [
    *_min_case("min_gru", kit.MinGRU, kit.MinGRUCell, 2, oracles.min_gru),
    *_min_case("min_lstm", kit.MinLSTM, kit.MinLSTMCell, 3, oracles.min_lstm),
    *_min_case("rglru", kit.RGLRU, kit.RGLRUCell, 3, oracles.rglru),
]

MASKS = {
    "no mask": None,
    "right-padded": np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]], bool),
    "left-padded": np.array([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]], bool),
    "holes": np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [1, 1, 0, 1, 1]], bool),
    "an all-padding row": np.array([[0, 0, 0, 0, 0], [1, 1, 1, 1, 0], [0, 1, 1, 1, 1]], bool),
}

# Their layer is the same: one with one state and one with two stand for all that run in `kit.RNN`.
STANDING_FOR_OTHERS = ("layer_norm_gru", "peephole_lstm")


SLOW_TO_COMPILE = pytest.mark.slow_on("jax", "tensorflow")


def few_where_compiled(rows):
    """Cases, or tuples that begin with one: all run on PyTorch, a few where models compile."""

    def param(row):
        case, *more = [row] if isinstance(row, Case) else row
        few = case in NAMESAKES or case.name in STANDING_FOR_OTHERS
        few = few or (case in MIN_CASES and not case.options)
        return pytest.param(case, *more, marks=[] if few else SLOW_TO_COMPILE)

    return [param(row) for row in rows]


def where_compiled(few, names):
    """All names run on PyTorch, and those of `few` also where models compile."""
    assert set(few) <= set(names)
    return [pytest.param(name, marks=[] if name in few else SLOW_TO_COMPILE) for name in names]


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
