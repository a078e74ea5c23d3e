"""The advice of `kit.explain`, followed: it leads to the path that it names."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import assert_close

LAYERS = keras.layers
X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")

# What each piece of an advice changes in the arguments of a layer.
TAKEN = {
    'path="auto"': {"path": "auto"},
    "use unroll=False": {"unroll": False},
    "use the default activations": {"activation": "tanh", "recurrent_activation": "sigmoid"},
    "the gates": {"return_gates": False},
    "recurrent_dropout": {"recurrent_dropout": 0.0},
    "implementation=1": {"implementation": 2},
    "use one that has: LSTM, GRU, SimpleRNN, MinGRU, MinLSTM, RGLRU": {},
    "stack layers, not cells": {},
}

OPTIONS = [
    {},
    {"activation": "relu"},
    {"recurrent_activation": "hard_sigmoid"},
    {"unroll": True},
    {"unroll": True, "activation": "relu"},
    {"path": "portable"},
    {"path": "portable", "unroll": True},
    {"path": "portable", "activation": "relu", "unroll": True},
    {"return_gates": True},
    {"recurrent_dropout": 0.2},
    {"recurrent_dropout": 0.2, "return_gates": True},
    {"dropout": 0.2, "implementation": 1},
    {"stateful": True, "recurrent_dropout": 0.2},
    {"go_backwards": True, "dtype": "mixed_float16"},
]


def pieces(advice):
    """The single things that an advice names."""
    return [piece for part in advice.split(", without ")[-1:] for piece in part.split(" and ")]


def in_model(layer, mask=False):
    inputs = keras.Input(batch_shape=(2, 5, 3))
    x = LAYERS.Masking()(inputs) if mask else inputs
    output = layer(x)
    return keras.Model(inputs, keras.tree.flatten(output)[0])


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", [kit.LSTM, kit.GRU, kit.SimpleRNN])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_advice_for_an_option_is_taken_and_works(options, kind, both, mask):
    unknown = {"recurrent_activation", "implementation"} if kind is kit.SimpleRNN else set()

    def rows_with(options):
        layer = kind(4, **{n: v for n, v in options.items() if n not in unknown})
        return kit.explain(in_model(kit.Bidirectional(layer) if both else layer, mask))

    if both and options.get("go_backwards"):
        pytest.skip("Bidirectional sets it")
    before = rows_with(options)
    advice = before[0].faster
    assert all(row.faster == advice for row in before)
    if not advice:
        assert "portable" not in before[0].training
        return
    changed = dict(options)
    for piece in pieces(advice):
        changed |= TAKEN[piece]
    after = rows_with(changed)
    assert (after[0].training, after[0].prediction) != (before[0].training, before[0].prediction)
    assert all(row.faster == "" for row in after)
    if ", without " in advice:
        assert advice.split()[0].rstrip(",") in after[0].training


@pytest.mark.parametrize(
    "cells",
    [
        lambda: [kit.LSTMCell(4), kit.GRUCell(4)],
        lambda: [kit.PeepholeLSTMCell(4), LAYERS.LSTMCell(4)],
        lambda: LAYERS.LSTMCell(4),
        lambda: kit.Zoneout(kit.GRUCell(4), 0.1),
        lambda: type("Own", (kit.LSTMCell,), {})(4),
    ],
)
@pytest.mark.parametrize("options", [{}, {"path": "portable"}, {"unroll": True}], ids=str)
def test_the_advice_for_a_cell_is_taken_and_works(cells, options):
    (row,) = kit.explain(in_model(kit.RNN(cells(), **options)))
    advice = pieces(row.faster)
    own = "stack layers, not cells" if isinstance(cells(), list) else list(TAKEN)[6]
    assert own in advice
    for piece in advice:
        options = {**options, **TAKEN[piece]}
    (row,) = kit.explain(in_model(kit.RNN(kit.LSTMCell(4), **options)))
    assert row.training.startswith("fused")
    assert row.faster == ""


class Subclassed(keras.Model):
    def __init__(self, rnn=LAYERS.LSTM):
        super().__init__()
        self.rnn = rnn(4)

    def call(self, x):
        return self.rnn(x)


@keras.saving.register_keras_serializable("explain_advice")
class OwnLayer(LAYERS.Layer):
    def call(self, x):
        return x


def keras_models():
    def sequential(*layers):
        return keras.Sequential([keras.Input((5, 3)), *layers])

    yield sequential(LAYERS.LSTM(4))
    yield sequential(LAYERS.Bidirectional(LAYERS.GRU(4)))
    yield sequential(LAYERS.SimpleRNN(4, return_sequences=True), kit.LSTM(3))
    yield sequential(sequential(LAYERS.GRU(4)), LAYERS.Dense(2))
    yield sequential(LAYERS.RNN(LAYERS.LSTMCell(4)))
    yield sequential(OwnLayer(), LAYERS.LSTM(4))
    yield sequential(LAYERS.Lambda(lambda x: x), LAYERS.LSTM(4))
    yield in_model(LAYERS.LSTM(4, stateful=True))
    yield keras.Sequential([LAYERS.LSTM(4)])
    yield LAYERS.LSTM(4)
    yield Subclassed()
    model = Subclassed()
    model(X)
    yield model


@pytest.mark.parametrize("model", list(keras_models()), ids=lambda model: model.name)
def test_from_keras_is_advised_where_it_works(model):
    rows = [row for row in kit.explain(model) if row.type.startswith("keras.layers")]
    assert rows
    for row in rows:
        if row.faster == "keras_rnnkit.from_keras(model)":
            converted = kit.from_keras(model)
            assert "keras.layers" not in {after.training for after in kit.explain(converted)}
            assert_close(converted(X), model(X), atol=1e-5)
        else:
            name = row.faster.removeprefix("keras_rnnkit.").removesuffix(" in its place")
            assert issubclass(getattr(kit, name), getattr(LAYERS, name))
    if isinstance(model, Subclassed):
        (row,) = kit.explain(Subclassed(kit.LSTM))
        assert row.training.startswith("fused")


def test_the_table_fits_on_a_line_of_96_columns():
    cells = [kit.RNN(kit.PeepholeLSTMCell(4), unroll=True, name="a_layer_" + "x" * 30)]
    cells += [kit.LSTM(4, activation="relu", unroll=True), LAYERS.LSTM(4)]
    for layer in cells:
        rows = kit.explain(layer)
        lines = str(rows).splitlines()
        assert max(map(len, lines)) <= 96
        words = "".join(line.split(" | ")[-1] for line in lines[2:] if line.count(" | ") == 4)
        assert words.replace(" ", "") == rows[0].faster.replace(" ", "")
