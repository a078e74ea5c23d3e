"""Cells that Keras does not have, against other implementations of the same numbers."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.running.fused import kernel_name
from tests.support.cases import CASES, NAMESAKES, assert_close, by_name, to_numpy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5, 4)).astype("float32")


def layer_of(cell, **options):
    """The cell over time, with random weights."""
    layer = kit.RNN(cell, return_sequences=True, return_state=True, **options)
    layer.build((None, 5, 4))
    layer.set_weights([RNG.normal(size=w.shape).astype("float32") for w in layer.get_weights()])
    return layer


def lstm_with(*weights):
    layer = kit.LSTM(3, return_sequences=True, return_state=True, path="portable")
    layer.build((None, 5, 4))
    layer.set_weights(weights)
    return layer


@pytest.mark.parametrize("case", [c for c in CASES if c not in NAMESAKES], ids=by_name)
def test_runs_on_the_portable_path(case):
    layer = case.layer(3, **case.options)
    model = keras.Sequential([keras.Input((5, 4)), layer])
    assert kernel_name(layer.cell) is None
    assert kit.explain(model)[0].training == "portable: the cell has no kernel"


def test_without_its_peepholes_a_peephole_cell_is_an_lstm():
    layer = layer_of(kit.PeepholeLSTMCell(3))
    weights = layer.get_weights()
    assert not np.allclose(to_numpy(layer(X)[0]), to_numpy(lstm_with(*weights[:3])(X)[0]))
    layer.set_weights([*weights[:3], *(0 * w for w in weights[3:])])
    assert_close(layer(X), lstm_with(*weights[:3])(X))


def test_a_coupled_cell_is_an_lstm_whose_input_gate_mirrors_the_forget_gate():
    layer = layer_of(kit.CoupledLSTMCell(3))
    blocks = (np.split(w, 3, axis=-1) for w in layer.get_weights())
    weights = [np.concatenate([-f, f, g, o], axis=-1) for f, g, o in blocks]
    assert_close(layer(X), lstm_with(*weights)(X))


# PyTorch says that oneDNN has no projections.
@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")
def test_a_projected_cell_is_that_of_torch():
    torch = pytest.importorskip("torch", reason="torch.nn is a witness where torch is installed")
    layer = layer_of(kit.ProjectedLSTMCell(3, projection=2))
    theirs = torch.nn.LSTM(4, 3, proj_size=2, batch_first=True)
    kernel, recurrent, bias, projection = layer.get_weights()
    values = {
        "weight_ih_l0": kernel.T,
        "weight_hh_l0": recurrent.T,
        "bias_ih_l0": bias,
        "bias_hh_l0": 0 * bias,
        "weight_hr_l0": projection.T,
    }
    with torch.no_grad():
        for name, value in values.items():
            getattr(theirs, name).copy_(torch.tensor(value))
        outputs, (hidden, cell) = theirs(torch.tensor(X))
    got = [to_numpy(tensor) for tensor in layer(X)]
    for mine, want in zip(got, (outputs, hidden[0], cell[0]), strict=True):
        np.testing.assert_allclose(mine, want.numpy(), rtol=1e-5, atol=1e-5)


def norm(values, epsilon, gamma, beta=None):
    """By the layer of Keras."""
    layer = keras.layers.LayerNormalization(epsilon=epsilon, center=beta is not None)
    layer.build(values.shape)
    layer.set_weights([gamma] if beta is None else [gamma, beta])
    return to_numpy(layer(values))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_a_layer_normalised_simple_cell_is_composed_with_keras_normalisation():
    layer = layer_of(kit.LayerNormSimpleRNNCell(3))
    kernel, recurrent, bias, gamma = layer.get_weights()
    h = np.zeros((3, 3), "float32")
    for t in range(5):
        h = np.tanh(norm(X[:, t] @ kernel + h @ recurrent, 1e-5, gamma) + bias)
    np.testing.assert_allclose(to_numpy(layer(X)[1]), h, rtol=1e-4, atol=1e-4)


def test_a_layer_normalised_lstm_cell_is_composed_with_keras_normalisation():
    layer = layer_of(kit.LayerNormLSTMCell(3))
    kernel, recurrent, bias, gamma_x, beta_x, gamma_h, beta_h, *state = layer.get_weights()
    h = c = np.zeros((3, 3), "float32")
    for t in range(5):
        z = norm(X[:, t] @ kernel, 1e-3, gamma_x, beta_x) + bias
        i, f, g, o = np.split(z + norm(h @ recurrent, 1e-3, gamma_h, beta_h), 4, axis=1)
        c = norm(sigmoid(f) * c + sigmoid(i) * np.tanh(g), 1e-3, *state)
        h = sigmoid(o) * np.tanh(c)
    for got, want in zip(layer(X)[1:], (h, c), strict=True):
        np.testing.assert_allclose(to_numpy(got), want, rtol=1e-4, atol=1e-4)


def test_a_layer_normalised_gru_cell_is_composed_with_keras_normalisation():
    layer = layer_of(kit.LayerNormGRUCell(3))
    kernel, recurrent, (b, d), gamma_x, gamma_h = layer.get_weights()
    h = np.zeros((3, 3), "float32")
    for t in range(5):
        x_t, h_t = X[:, t] @ kernel, h @ recurrent
        x_z, x_r = np.split(norm(x_t[:, :6], 1e-5, gamma_x[:6], b[:6]), 2, axis=1)
        h_z, h_r = np.split(norm(h_t[:, :6], 1e-5, gamma_h[:6], d[:6]), 2, axis=1)
        x_g = norm(x_t[:, 6:], 1e-5, gamma_x[6:], b[6:])
        h_g = norm(h_t[:, 6:], 1e-5, gamma_h[6:], d[6:])
        z, g = sigmoid(x_z + h_z), np.tanh(x_g + sigmoid(x_r + h_r) * h_g)
        h = z * h + (1 - z) * g
    np.testing.assert_allclose(to_numpy(layer(X)[1]), h, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("cell", "block"),
    [
        (kit.CoupledLSTMCell(3), 0),
        (kit.LayerNormLSTMCell(3), 1),
        (kit.PeepholeLSTMCell(3), 1),
        (kit.ProjectedLSTMCell(3, 2), 1),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_forget_gate_starts_open(cell, block):
    cell.build((None, 4))
    want = np.zeros(cell.bias.shape)
    want[3 * block : 3 * block + 3] = 1
    assert_close(cell.bias, want)
    plain = type(cell).from_config({**cell.get_config(), "unit_forget_bias": False})
    plain.build((None, 4))
    assert_close(plain.bias, 0 * want)


class TestReservoir:
    @pytest.mark.parametrize(
        ("use_norm2", "norm"),
        [(False, lambda u: abs(np.linalg.eigvals(u)).max()), (True, np.linalg.norm)],
        ids=["radius", "norm"],
    )
    def test_is_scaled_and_sparse(self, use_norm2, norm):
        cell = kit.ESNCell(50, connectivity=0.3, spectral_radius=1.5, use_norm2=use_norm2)
        cell.build((None, 4))
        kernel = cell.get_weights()[1]
        np.testing.assert_allclose(norm(kernel), 1.5, rtol=1e-4)
        assert 0.25 < (kernel != 0).mean() < 0.35

    def test_connections_do_not_follow_the_values(self):
        same = keras.initializers.RandomUniform(0, 1, seed=3)
        cell = kit.ESNCell(50, connectivity=0.5, recurrent_initializer=same, seed=3)
        cell.build((None, 4))
        values = cell.get_weights()[1]
        kept = values[values != 0]
        assert 0.4 < kept.mean() / kept.max() < 0.6

    def test_without_an_eigenvalue_it_stays_as_it_is(self):
        cell = kit.ESNCell(3, recurrent_initializer="zeros")
        cell.build((None, 4))
        assert not cell.get_weights()[1].any()

    def test_a_seed_makes_the_same_one(self):
        glorot = keras.initializers.GlorotUniform(seed=1)
        options = {"connectivity": 0.5, "seed": 2, "recurrent_initializer": glorot}
        first, second = (kit.ESNCell(5, **options) for _ in range(2))
        for cell in (first, second):
            cell.build((None, 4))
        assert_close(first.recurrent_kernel, second.recurrent_kernel)
        assert to_numpy(first.recurrent_kernel).any()

    def test_does_not_learn_even_when_told_to(self):
        layer = kit.RNN(kit.ESNCell(5))
        model = keras.Sequential([keras.Input((5, 4)), layer, keras.layers.Dense(1)])
        layer.trainable = True
        before = layer.get_weights()
        model.compile("adam", "mse")
        model.fit(X, X[:, 0, :1], epochs=2, verbose=0)
        assert_close(layer.get_weights(), before, rtol=0, atol=0)
        assert len(model.trainable_weights) == 2


MISUSES = {
    "connectivity": (
        lambda: kit.ESNCell(3, connectivity=0),
        "Received: connectivity=0$",
    ),
    "leaky": (lambda: kit.ESNCell(3, leaky=1.5), r"`leaky` of ESNCell must be a number in"),
    "radius": (
        lambda: kit.ESNCell(3, spectral_radius=-1),
        "Received: spectral_radius=-1$",
    ),
    "trained": (lambda: kit.ESNCell(3, bias_regularizer="l2"), "the reservoir is not trained"),
    "nas": (lambda: kit.NASCell(3, projection=1.5), "`projection` of NASCell"),
    "epsilon": (
        lambda: kit.LayerNormLSTMCell(3, epsilon=0),
        "Received: epsilon=0$",
    ),
    "reset": (lambda: kit.LayerNormGRUCell(3, reset_after=False), "`reset_after` of LayerNormGRU"),
    "projection": (lambda: kit.ProjectedLSTMCell(3, projection=0), "`projection` of Projected"),
    "states": (
        lambda: kit.ProjectedLSTMCell(3, 2).gates(X[:, 0], [X[:, 0]]),
        r"\(hidden, cell\), of shape \(batch, 2\), \(batch, 3\).*len\(states\)=1$",
    ),
    "initial state": (
        lambda: kit.RNN(kit.ProjectedLSTMCell(3, 2))(X, initial_state=[np.zeros((3, 3))] * 2),
        r"\(3, 2\), \(3, 3\)\. Received: shapes=\[\(3, 3\), \(3, 3\)\]$",
    ),
}


@pytest.mark.parametrize(("misuse", "message"), MISUSES.values(), ids=MISUSES)
def test_a_misuse_is_explained(misuse, message):
    with pytest.raises(ValueError, match=message):
        misuse()
