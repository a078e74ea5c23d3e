"""Integrated gradients against integrals that are known, and against float64 NumPy."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import keras_rnnkit as kit
from tests.models.attributed import (
    LAYERS,
    STEPS,
    head_of,
    ids,
    logits_of,
    randomized,
    start_of,
    text_model,
    trace_of,
)
from tests.support import oracles
from tests.support.backends import float64_allowed
from tests.support.cases import to_numpy, where_compiled


@keras.saving.register_keras_serializable(package="tests")
class Function(keras.Model):
    """A function of floats `(batch, time, features)` as a model with one output."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)

    def build(self, shape):
        self.built = True


def function(of):
    model = Function(of)
    model.build(None)
    return model


X = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")


def total(x):
    return ops.sum(x, axis=(1, 2))


@pytest.mark.parametrize("points", [1, 2, 5])
def test_a_linear_model_is_exact_with_any_points(points):
    weights = np.arange(8, dtype="float32").reshape(4, 2)
    model = function(lambda x: total(x * ops.convert_to_tensor(weights)))
    found = kit.attribute(model, X, of="output", points=points)
    np.testing.assert_allclose(found.scores, (X * weights).sum(-1), 1e-5, 1e-5)
    np.testing.assert_array_equal(found.points, [points] * 3)
    assert found.gap.max() < 1e-5


@pytest.mark.parametrize("power", [2, 3, 4])
def test_a_power_is_exact_with_few_points(power):
    """The rule of n points is exact for polynomials of degree 2 n - 1."""
    found = kit.attribute(function(lambda x: total(x**power)), X, of="output", points=2)
    np.testing.assert_allclose(found.scores, (X**power).sum(-1), 1e-4, 1e-5)


def test_the_way_starts_from_the_baseline():
    model = function(lambda x: total(x**2))
    for baseline in (np.float32(0.5), np.array([1.0, -1.0]), X[::-1], X[0]):
        found = kit.attribute(model, X, of="output", baseline=baseline)
        expected = (X**2 - np.broadcast_to(baseline, X.shape) ** 2).sum(-1)
        np.testing.assert_allclose(found.scores, expected, 1e-4, 1e-4)
        np.testing.assert_allclose(found.total, expected.sum(-1), 1e-4, 1e-4)


@pytest.mark.parametrize(("steepness", "points"), [(40, 64), (60, 128), (150, 256), (2000, None)])
def test_rows_with_a_gap_are_run_again_with_more_points(steepness, points):
    x = np.array([0.1, 1.0, 1.0, 0.2], "float32").reshape(4, 1, 1)
    steep = function(lambda x: ops.tanh(steepness * (x[:, 0] - 0.5)))
    found = kit.attribute(steep, x, of="output")
    assert found.points[0] == found.points[3] == 64
    if points is None:  # too steep for any of the rules
        assert found.gap[1:3].min() > 0.01
        return
    np.testing.assert_array_equal(found.points[1:3], points)
    alpha, weights = np.polynomial.legendre.leggauss(points)
    integral = np.sum(weights / 2 * steepness / np.cosh(steepness * alpha / 2) ** 2)
    np.testing.assert_allclose(found.scores[1:3, 0], integral, 1e-3)
    np.testing.assert_allclose(found.gap[1:3], abs(integral - 2) / 2, atol=1e-4)
    assert found.gap.max() < 0.01


def test_the_gap_is_absolute_where_the_output_hardly_changes():
    x = np.array([1.0, -1.0], "float32").reshape(1, 2, 1)
    found = kit.attribute(function(lambda x: total(x**3)), x, of="output", points=1)
    assert found.total[0] == 0
    assert found.gap[0] == pytest.approx(abs(found.scores.sum()), abs=1e-6)


def by_numpy(model, oracle, x, points=6):
    """Integrated gradients of the logit, by complex steps through the equations."""
    table = to_numpy(model.get_layer("words").embeddings).astype("float64")
    (kernel, _), mask, vectors = head_of(model), x != 0, table[x]

    def logit(arrays):
        states = trace_of(model.get_layer("recurrent"), oracle, arrays[0], mask)
        return np.sum(states["hidden"][:, -1] @ kernel)

    nodes, weights = np.polynomial.legendre.leggauss(points)
    pairs = zip((1 + nodes) / 2, weights / 2, strict=True)
    mean = sum(w * oracles.complex_step(logit, [a * vectors])[0] for a, w in pairs)
    return np.sum(mean * vectors, axis=-1)


@pytest.mark.parametrize("dtype", where_compiled(["float64"], ["float32", "float64"]))
@pytest.mark.parametrize("name", ["keras.LSTM", "kit.LSTM", "kit.GRU"])
def test_the_scores_of_a_text_model(name, dtype):
    layer, oracle = LAYERS[name]
    with float64_allowed():
        model, x = text_model(layer, dtype=dtype), ids()
        found = kit.attribute(model, x, points=6)
        expected = by_numpy(model, oracle, x)
        kernels_of_keras = dtype == "float64" and name != "keras.LSTM"
        tolerance = 1e-8 if kernels_of_keras else 1e-4
        np.testing.assert_allclose(found.scores, expected, tolerance, tolerance)
        assert found.scores.dtype == found.gap.dtype == dtype
        assert not found.scores[x == 0].any()
        change = logits_of(model, oracle, x) - start_of(model, oracle, x)
        np.testing.assert_allclose(found.total, change[:, 0], atol=1e-4)
        assert found.gap.max() < 0.01


def two_inputs():
    text, numbers = keras.Input((STEPS,), name="text"), keras.Input((4, 2), name="numbers")
    a = keras.layers.LSTM(4)(keras.layers.Embedding(12, 3, name="words")(text))
    b = keras.layers.GRU(4)(numbers)
    both = keras.layers.Multiply()([a, b])
    return randomized(keras.Model([text, numbers], keras.layers.Dense(1, "sigmoid")(both)))


def test_other_inputs_stay_as_they_are():
    model = two_inputs()
    words = kit.attribute(model, [ids(3), X])
    assert words.scores.shape == (3, STEPS)
    numbers = kit.attribute(model, [ids(3), X], layer="numbers")
    assert numbers.scores.shape == (3, 4)
    logit = lambda x: np.log(x / (1 - x))[:, 0]  # noqa: E731
    outputs = logit(model.predict([ids(3), X], verbose=0))
    start = logit(model.predict([ids(3), 0 * X], verbose=0))
    np.testing.assert_allclose(numbers.total, outputs - start, 1e-3, 1e-4)
    assert max(words.gap.max(), numbers.gap.max()) < 0.01


def test_a_masking_layer_keeps_its_mask():
    x = X.copy()
    x[1, 2:] = 0
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.Masking(), kit.LSTM(4)])
    model.add(keras.layers.Dense(1))
    found = kit.attribute(randomized(model), x)
    assert found.gap.max() < 0.01
    assert not found.scores[1, 2:].any()
    assert found.scores[1, :2].all()


def test_a_stateful_model_runs_as_one_batch_and_keeps_its_states():
    model = keras.Sequential([keras.Input(batch_shape=(3, 4, 2)), kit.LSTM(4, stateful=True)])
    model.add(keras.layers.Dense(1))
    randomized(model)
    model.predict(X, verbose=0)
    before = [to_numpy(state) for state in model.layers[0].states]
    found = kit.attribute(model, X)
    assert found.gap.max() < 0.01
    expected = model.predict(X, verbose=0)[:, 0]
    model.layers[0].reset_state()
    for state, value in zip(model.layers[0].states, before, strict=True):
        state.assign(value)
    start = model.predict(0 * X, verbose=0)[:, 0]
    np.testing.assert_allclose(found.total, expected - start, atol=1e-4)
    with pytest.raises(ValueError, match="`x` must have 3 rows"):
        kit.attribute(model, X[:2])


def test_the_model_is_not_changed():
    model, x = text_model(keras.layers.LSTM), ids()
    weights = model.get_weights()
    before = model.predict(x, verbose=0)
    kit.attribute(model, x)
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert all("call" not in vars(layer) for layer in model.layers)
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


def test_new_weights_and_a_new_activation_are_seen():
    model, x = text_model(keras.layers.LSTM), ids()
    first = kit.attribute(model, x)
    randomized(model, seed=7)
    second = kit.attribute(model, x, points=6)
    np.testing.assert_allclose(second.scores, by_numpy(model, oracles.lstm, x), 1e-4, 1e-4)
    assert np.abs(first.scores - second.scores).max() > 0.1


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 9), st.integers(1, 7), st.integers(1, 5))
def test_any_number_of_rows_at_a_time(rows, batch_size, points):
    model = MODELS.setdefault("linear", function(lambda x: total(x**2)))
    x = np.random.default_rng(rows).normal(size=(rows, 3, 2)).astype("float32")
    found = kit.attribute(model, x, of="output", points=points, batch_size=batch_size)
    np.testing.assert_allclose(found.scores, (x**2).sum(-1), 1e-4, 1e-5)
    assert found.points.shape == found.gap.shape == found.total.shape == (rows,)


MODELS = {}
