"""`Chrono`: biases that make the memory of each kit cell long, and clear errors elsewhere."""

import re

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import to_numpy

Chrono = kit.initializers.Chrono
STEPS, UNITS = 400, 16
X = np.ones((2, 5, 3), "float32")

CELLS = {
    "LSTM": kit.LSTMCell,
    "LSTM without unit_forget_bias": lambda *a, **k: kit.LSTMCell(*a, unit_forget_bias=False, **k),
    "CoupledLSTM": kit.CoupledLSTMCell,
    "PeepholeLSTM": kit.PeepholeLSTMCell,
    "ProjectedLSTM": lambda *a, **k: kit.ProjectedLSTMCell(*a, projection=4, **k),
    "LayerNormLSTM": kit.LayerNormLSTMCell,
    "MinLSTM": kit.MinLSTMCell,
    "GRU": kit.GRUCell,
    "GRU, reset before": lambda *a, **k: kit.GRUCell(*a, reset_after=False, **k),
    "LayerNormGRU": kit.LayerNormGRUCell,
    "MinGRU": kit.MinGRUCell,
}


def retained(cell):
    """What one step makes of a state of ones, where no weight but the bias has an effect."""
    cell.build((None, 3))
    bias = cell.bias
    cell.set_weights([np.array(w) if w is bias else np.zeros(w.shape) for w in cell.weights])
    states = [np.ones((1, size), "float32") for size in keras.tree.flatten(cell.state_size)]
    gates = cell.gates(np.zeros((1, 3), "float32"), states)
    if type(cell) is kit.LayerNormLSTMCell:  # its gains are zero here, and so are its states
        return to_numpy(gates.forget)[0], gates
    return to_numpy(cell.step(gates, states)[1][-1])[0], gates


@pytest.mark.parametrize("name", CELLS)
def test_a_unit_remembers_for_the_drawn_number_of_steps(name):
    u = to_numpy(keras.initializers.RandomUniform(1, STEPS - 1, seed=3)((UNITS,)))
    cell = CELLS[name](UNITS, bias_initializer=Chrono(STEPS, seed=3))
    factor, gates = retained(cell)
    np.testing.assert_allclose(factor, u / (1 + u), rtol=1e-5)  # sigmoid(log(u))
    assert 100 < u.max() < STEPS - 1
    if "input" in gates._fields:
        np.testing.assert_allclose(to_numpy(gates.input)[0], 1 / (1 + u), rtol=1e-4)


@pytest.mark.parametrize("name", CELLS)
def test_the_other_biases_are_zero(name):
    cell = CELLS[name](UNITS, bias_initializer=Chrono(STEPS))
    cell.build((None, 3))
    signs = np.repeat(type(cell).chrono_signs, UNITS)
    rows = np.atleast_2d(to_numpy(cell.bias))
    assert np.all(np.sign(rows[0]) == signs)
    assert not rows[1:].any()


def test_seeds():
    drawn = [to_numpy(Chrono(STEPS, seed=seed).biases(UNITS)) for seed in (1, 1, 2)]
    assert np.all(drawn[0] == drawn[1])
    assert not np.any(drawn[0] == drawn[2])
    keras.utils.set_random_seed(0)
    first = to_numpy(Chrono(STEPS).biases(UNITS))
    assert not np.any(first == to_numpy(Chrono(STEPS).biases(UNITS)))
    keras.utils.set_random_seed(0)
    assert np.all(first == to_numpy(Chrono(STEPS).biases(UNITS)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype):
    cell = kit.LSTMCell(4, bias_initializer=Chrono(100_000, seed=0), dtype=dtype)
    cell.build((None, 3))
    wide = to_numpy(Chrono(100_000, seed=0).biases(4))
    assert keras.utils.standardize_dtype(cell.bias.dtype) == dtype
    half = to_numpy(keras.ops.cast(cell.bias, "float32"))[4:8]
    np.testing.assert_allclose(half, wide, rtol=1e-2)


LAYERS = {
    "LSTM": lambda **how: kit.LSTM(4, **how),
    "GRU": lambda **how: kit.GRU(4, **how),
    "MinLSTM": lambda **how: kit.MinLSTM(4, **how),
    "MinGRU": lambda **how: kit.MinGRU(4, **how),
    "RNN": lambda **how: kit.RNN(kit.Zoneout(kit.CoupledLSTMCell(4, **how), 0.1)),
    "Bidirectional": lambda **how: kit.Bidirectional(kit.LSTM(4, **how)),
    "stack": lambda **how: kit.StackedRNN([4, 4], cell="peephole_lstm", cell_options=how),
    "stack of GRUs": lambda **how: kit.StackedRNN([4, 4], cell="gru", cell_options=how),
    "learned states": lambda **how: kit.LearnedInitialState(kit.LSTM(4, **how)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_go_through_configs_and_files(name, tmp_path):
    layer = LAYERS[name](bias_initializer=Chrono(50, seed=7))
    model = keras.Sequential([keras.Input((5, 3)), layer])
    same = type(layer).from_config(layer.get_config())
    assert same.get_config() == layer.get_config()
    assert "Chrono" in str(same.get_config())
    same.build((None, 5, 3))
    largest = [max(np.abs(w).max() for w in one.get_weights()) for one in (layer, same)]
    assert largest[0] == largest[1] > np.log(2)  # a bias
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "Bidirectional"])
def test_to_keras_and_back(name, tmp_path):
    model = keras.Sequential([keras.Input((5, 3)), LAYERS[name](bias_initializer=Chrono(50))])
    plain = kit.to_keras(model)
    assert "keras_rnnkit" not in plain.to_json()
    expected = model.predict(X, verbose=0)
    np.testing.assert_allclose(plain.predict(X, verbose=0), expected, rtol=1e-5, atol=1e-6)
    back = kit.from_keras(plain)
    np.testing.assert_allclose(back.predict(X, verbose=0), expected, rtol=1e-5, atol=1e-6)


class OwnGates(kit.LSTMCell):
    chrono_signs = (-1, 1)


REFUSED = {
    "a layer of Keras": (lambda c: keras.layers.LSTM(3, bias_initializer=c)(X), "keras_rnnkit"),
    "a layer of Keras, no forget bias": (
        lambda c: keras.layers.LSTM(3, bias_initializer=c, unit_forget_bias=False)(X),
        "`keras_rnnkit.LSTM` in place of `keras.layers.LSTM`",
    ),
    "Dense": (lambda c: keras.layers.Dense(3, bias_initializer=c)(X), "Received: shape=(3,)"),
    "a kernel": (lambda c: kit.LSTM(3, kernel_initializer=c)(X), "`bias_initializer`"),
    "SimpleRNN": (
        lambda c: kit.SimpleRNN(3, bias_initializer=c),
        "`bias_initializer` of SimpleRNNCell must not be Chrono: no block of its bias",
    ),
    "a layer norm": (lambda c: kit.LayerNormSimpleRNNCell(3, bias_initializer=c), "must not be"),
    "NAS": (lambda c: kit.NASCell(3, use_bias=True, bias_initializer=c), "NASCell must not be"),
    "ESN": (lambda c: kit.ESNCell(3, bias_initializer=c), "ESNCell must not be"),
    "RGLRU": (lambda c: kit.RGLRU(3, bias_initializer=c), "RGLRUCell must not be"),
    "no bias": (
        lambda c: kit.GRU(3, use_bias=False, bias_initializer=c),
        "`use_bias` of GRUCell must be True",
    ),
    "no bias, minimal": (
        lambda c: kit.MinGRU(3, use_bias=False, bias_initializer=c),
        "`use_bias` of MinGRUCell must be True",
    ),
    "other blocks": (
        lambda c: kit.RNN(OwnGates(3, bias_initializer=c))(X),
        "a sign for each block of 3 units in the bias. Received: chrono_signs=(-1, 1)",
    ),
    "a short sequence": (lambda c: Chrono(2), "`max_steps` of Chrono must be a number above 2"),
    "a word": (lambda c: Chrono("9"), "Received: max_steps='9'"),
    "a truth value": (lambda c: Chrono(True), "Received: max_steps=True"),
    "a broken seed": (lambda c: Chrono(9, seed=1.5), "`seed` of Chrono must be an integer"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_such_gate_is_refused(name):
    make, text = REFUSED[name]
    with pytest.raises(ValueError, match=re.escape(text)):
        make(Chrono(9))
