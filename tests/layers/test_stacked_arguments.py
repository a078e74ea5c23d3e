"""The arguments of a `StackedRNN`: every kind of cell, options, and misuse."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import assert_close, to_numpy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5, 4)).astype("float32")


@keras.saving.register_keras_serializable(package="tests")
class Leaky(keras.layers.Layer):
    """A foreign cell."""

    def __init__(self, units, rate=0.5, **kwargs):
        super().__init__(**kwargs)
        self.units, self.rate, self.state_size = units, rate, units
        self.dense = keras.layers.Dense(units)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, inputs, states):
        h = self.rate * states[0] + self.dense(inputs)
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units, "rate": self.rate}


@pytest.mark.parametrize(
    "cell",
    [
        "lstm",
        kit.GRUCell,
        Leaky,
        lambda units: kit.LSTMCell(units, use_bias=False),
        [kit.SimpleRNNCell(3), keras.layers.GRUCell(2, reset_after=False)],
        ["gru", Leaky],
    ],
    ids=["name", "class", "foreign class", "function", "cells", "mixed"],
)
def test_every_kind_of_cell_is_saved_and_cloned(cell, tmp_path):
    stack = kit.StackedRNN([3, 2], cell=cell, residual=True, layer_norm=True)
    model = keras.Sequential([keras.Input((5, 4)), stack])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(loaded(X), model(X))
    for name, value in loaded.layers[0].get_config().items():
        assert name == "cell" or value == stack.get_config()[name]
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert_close(clone(X), model(X))


def test_options_reach_the_cells_and_survive_the_config():
    stack = kit.StackedRNN(
        [3, 2],
        dropout=[0.0, 0.5],
        recurrent_dropout=0.25,
        cell_options={"use_bias": False, "kernel_regularizer": keras.regularizers.L2(0.5)},
        seed=7,
        bidirectional=True,
        merge_mode="sum",
        stateful=True,
        path="portable",
        return_sequences=True,
        dtype="mixed_bfloat16",
    )
    config = stack.get_config()
    copy = kit.StackedRNN.from_config(config)
    assert copy.get_config() == config
    first, second = (layer.forward_layer for layer in copy.recurrent_layers)
    assert (first.cell.dropout, second.cell.dropout) == (0.0, 0.5)
    assert (first.cell.seed, second.cell.seed) == (7, 8)
    assert second.cell.recurrent_dropout == 0.25
    assert not second.cell.use_bias
    assert second.cell.kernel_regularizer.l2 == 0.5
    assert first.requested_path == "portable"
    assert keras.backend.standardize_dtype(copy(X).dtype) == "bfloat16"


def test_one_cell_from_a_function_is_refused():
    cell = kit.GRUCell(8)
    with pytest.raises(ValueError, match="same cell"):
        kit.StackedRNN([8, 8], cell=lambda units: cell)


@pytest.mark.parametrize("cell", ["peephole_lstm", "lstm"])
def test_the_dtype_and_a_seed_of_zero_reach_the_cells(cell):
    stack = kit.StackedRNN([3, 2], cell=cell, dropout=0.5, seed=0, dtype="mixed_bfloat16")
    assert [layer.cell.seed for layer in stack.layers] == [0, 1]
    assert {layer.cell.compute_dtype for layer in stack.layers} == {"bfloat16"}


def test_a_foreign_class_keeps_its_options_through_the_config():
    stack = kit.StackedRNN([3], cell=Leaky, cell_options={"rate": 0.25})
    assert kit.StackedRNN.from_config(stack.get_config()).layers[0].cell.rate == 0.25


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"units": 8}, "`units`.*list.*8"),
        ({"units": []}, "`units`"),
        ({"units": [8, 0]}, "`units`"),
        ({"units": [8, True]}, "`units`"),
        ({"units": [8], "cell": "ltsm"}, "'lstm'.*'ltsm'"),
        ({"units": [8], "cell": ["lstm", "gru"]}, r"`cell`.*1 layers.*\['lstm', 'gru'\]$"),
        ({"units": [8], "cell": keras.layers.Dense(8)}, "`state_size`"),
        ({"units": [8], "cell": lambda units: object()}, "`call`"),
        ({"units": [8], "cell": kit.GRUCell(4)}, r"cell\.units=4, units=8$"),
        ({"units": [8, 8], "cell": [kit.GRUCell(8)] * 2}, "same cell"),
        ({"units": [8, 8], "cell": kit.LSTM}, "not a layer.*Received: cell="),
        ({"units": [8], "cell": kit.GRUCell, "dropout": 1.5}, "`dropout`.*1.5"),
        (
            {"units": [8], "cell": kit.GRUCell(8), "dropout": 0.5},
            r"must be set there\. Received: dropout=0\.5$",
        ),
        ({"units": [8, 8], "dropout": [0.1]}, "`dropout`.*2 layers"),
        ({"units": [8, 4], "residual": "identity"}, r"the same width.*Received: widths=\[8, 4\]$"),
        ({"units": [8], "residual": 1}, "`residual`"),
        ({"units": [8], "bidirectional": True, "merge_mode": None}, "`merge_mode`"),
        ({"units": [8], "path": "quick"}, "`path`"),
        (
            {"units": [8], "cell_options": {"return_sequences": True}},
            "Pass it to the stack.*'return_sequences'",
        ),
        ({"units": [8], "cell_options": {"dropout": 0.5}}, "Pass it to the stack.*'dropout'"),
        ({"units": [8], "seed": keras.random.SeedGenerator(0)}, "`seed`.*integer"),
        ({"units": [8], "cell": "min_gru", "recurrent_dropout": 0.5}, "no `recurrent_dropout`"),
    ],
)
def test_misuse_says_what_to_do(options, words):
    with pytest.raises(ValueError, match=words):
        kit.StackedRNN(**options)


def test_wrong_data_says_what_to_do():
    stack = kit.StackedRNN([3, 2])
    with pytest.raises(ValueError, match=r"\(batch, time, features\).*\(3, 4\)"):
        stack(X[:, 0])
    with pytest.raises(ValueError, match=r"names 'rnn_0', 'rnn_1'; missing: 'rnn_1'"):
        stack(X, initial_state={"rnn_0": [X[:, 0, :3]] * 2})
    with pytest.raises(ValueError, match=r"2 tensor\(s\) for layer 'rnn_1'.*len\(states\)=1"):
        stack(X, initial_state=[[X[:, 0, :3]] * 2, [X[:, 0, :2]]])
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        stack(X, initial_state=[[X[:, 0, :2]] * 2, [X[:, 0, :2]] * 2])


def test_an_initializer_without_a_seed_draws_anew_for_each_layer():
    options = {"kernel_initializer": keras.initializers.GlorotUniform()}
    stack = kit.StackedRNN([4, 4], cell_options=options)
    stack.build((2, 3, 4))
    first, second = (layer.cell.kernel for layer in stack.recurrent_layers)
    assert not np.allclose(to_numpy(first.value), to_numpy(second.value))
    options = {"bias_initializer": kit.initializers.Chrono(100)}
    stack = kit.StackedRNN([4, 4], cell_options=options)
    stack.build((2, 3, 4))
    first, second = (layer.cell.bias for layer in stack.recurrent_layers)
    assert not np.allclose(to_numpy(first.value), to_numpy(second.value))


class Constant(keras.initializers.Initializer):
    """An initializer of a user, without a config."""

    def __init__(self, value):
        self.value = value

    def __call__(self, shape, dtype=None):
        return keras.ops.full(shape, self.value, dtype)


@pytest.mark.parametrize(
    ("initializer", "same"),
    [
        (Constant(5.0), True),
        (keras.initializers.RandomNormal(seed=3), True),
        (keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(3)), False),
    ],
    ids=["of a user", "seed", "generator"],
)
def test_an_initializer_with_a_seed_or_of_ones_own_is_taken_as_it_is(initializer, same):
    stack = kit.StackedRNN([4, 4], cell_options={"kernel_initializer": initializer})
    stack.build((2, 3, 4))
    first, second = (to_numpy(one.cell.kernel.value) for one in stack.recurrent_layers)
    assert np.array_equal(first, second) == same
