"""`kit.ablate` gives the loss without each unit and without each gate."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.models.traced import BATCH, FEATURES, STEPS, sequences
from tests.support import oracles
from tests.support.cases import MASKS, to_numpy
from tests.support.witness import randomized

L = keras.layers
Y = np.array([[0.0], [1.0], [1.0]], "float32")


def classifier(recurrent, compiled=True):
    inputs = keras.Input((STEPS, FEATURES))
    x = L.Masking()(inputs)
    model = keras.Model(inputs, L.Dense(1, activation="sigmoid")(recurrent(x)))
    if compiled:
        model.compile(loss="binary_crossentropy")
    return randomized(model)


def crossentropy(outputs):
    return -np.mean(Y * np.log(outputs) + (1 - Y) * np.log(1 - outputs))


@pytest.mark.parametrize("gate_value", ["mean", 1])
def test_losses_are_those_of_the_edited_equations(gate_value):
    model, mask = classifier(L.LSTM(3, name="lstm")), MASKS["holes"]
    x = sequences(mask)
    found = kit.ablate(model, x, Y, gate_value=gate_value)
    *weights, kernel, bias = (weight.astype("float64") for weight in model.get_weights())
    zeros = [np.zeros((BATCH, 3))] * 2

    def loss(edit=oracles.unedited):
        hidden = oracles.lstm(x.astype("float64"), weights, zeros, mask, edit=edit)["hidden"]
        return crossentropy(1 / (1 + np.exp(-(hidden[:, -1] @ kernel + bias))))

    whole = oracles.lstm(x.astype("float64"), weights, zeros, mask)
    np.testing.assert_allclose(found.base, loss(), rtol=1e-5)
    assert len(found) == 3 + 4
    for row in found:

        def edit(name, value, t, row=row):
            if name != row.part:
                return value
            if row.unit is None:
                fixed = whole[name][mask].mean(0) if gate_value == "mean" else gate_value
                return np.broadcast_to(fixed, value.shape)
            return np.where(np.arange(3) == row.unit, 0, value)

        np.testing.assert_allclose(row.value, loss(edit), rtol=1e-4, err_msg=str(row))
        assert row.change == row.value - found.base
    changes = [row.change for row in found]
    assert changes == sorted(changes, reverse=True)


def stacked():
    def layers(x):
        x = L.Bidirectional(L.GRU(3, return_sequences=True), name="both")(x)
        return L.RNN([L.LSTMCell(2), kit.MinGRUCell(2)], name="cells")(x)

    return layers


def test_every_part_is_as_in_an_edit_and_the_model_stays():
    model, x = classifier(stacked()), sequences()
    weights = [to_numpy(variable) for variable in model.variables]
    found = kit.ablate(model, x, Y, metric="accuracy", gate_value=0, batch_size=2)
    assert {row.layer for row in found} == {
        "both.forward",
        "both.backward",
        "cells.0",
        "cells.1",
    }
    values = [row.value for row in found]
    assert values == sorted(values)  # the lowest accuracy first
    by_place = {(row.layer, row.part, row.unit): row.value for row in found}
    for layer, part, unit, changes in (
        ("both.backward", "hidden", 1, {"both": {"backward": {"hidden": 0.0}}}),
        ("cells.0", "forget", None, {"cells": {0: {"forget": 0.0}}}),
    ):
        outputs = kit.edit(model, x, changes, units=unit).outputs
        assert by_place[layer, part, unit] == np.mean((outputs > 0.5) == (Y > 0.5))
    for old, new in zip(weights, model.variables, strict=True):
        np.testing.assert_array_equal(old, to_numpy(new))


def test_a_loss_of_ones_own_and_the_printed_table():
    model, x = classifier(L.GRU(3, name="gru"), compiled=False), sequences()

    def largest(targets, outputs):
        return keras.ops.max(outputs)

    found = kit.ablate(model, x, Y, metric=largest)
    assert found.metric == "largest"
    np.testing.assert_allclose(found.base, kit.trace(model, x).outputs.max(), rtol=1e-6)
    table = repr(found)
    assert "gru, gate update" in table
    assert "gru, unit 2" in table
    assert [row.unit for row in found.gates] == [None] * 3
    assert sorted(row.unit for row in found.units) == [0, 1, 2]
    assert found[0] == next(iter(found))
    frame = pytest.importorskip("pandas") and found.to_pandas()
    assert list(frame.columns) == ["layer", "part", "unit", "value", "change"]


def test_classes_are_counted_by_the_largest_output():
    inputs = keras.Input((STEPS, FEATURES))
    model = randomized(keras.Model(inputs, L.Dense(4)(L.GRU(3)(inputs))))
    x = sequences()
    right = kit.trace(model, x).outputs.argmax(-1)
    assert kit.ablate(model, x, right, metric="accuracy").base == 1
    assert kit.ablate(model, x, np.eye(4)[right], metric="accuracy").base == 1


def test_logits_are_compared_with_zero():
    model = classifier(L.GRU(3))
    model.layers[-1].activation = keras.activations.linear
    x = sequences()
    outputs = model.predict(x, verbose=0)
    y = (outputs > 0).astype("float32")
    model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    assert kit.ablate(model, x, y, metric="accuracy").base == 1


def test_wrong_arguments_are_refused():
    model, x = classifier(L.GRU(3), compiled=False), sequences()
    with pytest.raises(ValueError, match=r"`metric` must be given.* Received: metric=None"):
        kit.ablate(model, x, Y)
    with pytest.raises(TypeError, match=r"Received: gate_value='zero'"):
        kit.ablate(model, x, Y, metric="mse", gate_value="zero")
    with pytest.raises(TypeError, match=r"Received: metric=3"):
        kit.ablate(model, x, Y, metric=3)
