"""The decompositions of cells and by phrases, and occlusion, against float64 NumPy."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_rnnkit as kit
from tests.models.attributed import (
    LAYERS,
    STEPS,
    UNITS,
    head_of,
    ids,
    logits_of,
    randomized,
    states_of,
    text_model,
)
from tests.support import oracles
from tests.support.backends import float64_allowed
from tests.support.cases import to_numpy, where_compiled


def gammas(states, kernel):
    """The scores by the formula of the paper, `(batch, time)`; zero initial states."""
    mask = states["mask"]
    batch, steps = mask.shape
    scores = np.zeros((batch, steps))
    for row in range(batch):
        kept = [t for t in range(steps) if mask[row, t]]
        for place, j in enumerate(kept):
            after = np.prod([states["forget"][row, k] for k in kept[place + 1 :]], axis=0)
            old = states["cell"][row, j - 1] if j else np.zeros(UNITS)
            o, c = states["output"][row, kept[-1]], states["cell"][row, j]
            gained = np.tanh(after * c) - np.tanh(after * states["forget"][row, j] * old)
            scores[row, j] = (o * gained) @ kernel
    return scores


@pytest.mark.parametrize("name", ["keras.LSTM", "kit.LSTM"])
def test_an_lstm_against_the_formula(name):
    layer, oracle = LAYERS[name]
    model, x = text_model(layer, outputs=3, head="softmax"), ids()
    states, (kernel, _) = states_of(model, oracle, x), head_of(model)
    for target in range(3):
        found = kit.attribute(model, x, target, method="cells")
        np.testing.assert_allclose(found.scores, gammas(states, kernel[:, target]), atol=1e-5)


@pytest.mark.parametrize("dtype", where_compiled(["float64"], ["float32", "float64"]))
@pytest.mark.parametrize("name", LAYERS)
def test_the_scores_add_up_to_the_logit(name, dtype):
    layer, oracle = LAYERS[name]
    with float64_allowed():
        model, x = text_model(layer, dtype=dtype), ids()
        found = kit.attribute(model, x, method="cells")
        expected = logits_of(model, oracle, x)[:, 0]
        exact = dtype == "float64" and not name.startswith("keras")
        tolerance = 1e-9 if exact else 2e-5
        sums = found.scores.sum(1) + found.first + found.bias
        np.testing.assert_allclose(sums, expected, tolerance, tolerance)
        np.testing.assert_allclose(found.total, expected, 2e-5, 2e-5)
        np.testing.assert_allclose(found.bias, np.broadcast_to(head_of(model)[1], 4), 1e-6)
        assert found.gap.max() < 1e-4
        assert not found.scores[x == 0].any()
        assert not found.first.any()


def test_a_gru_is_the_influence_of_its_candidates():
    model, x = text_model(kit.GRU), ids()
    found = kit.attribute(model, x, method="cells")
    record = kit.trace(model, x)["recurrent"]
    weights = kit.influence(record, units="all")[:, -1]
    (kernel, _) = head_of(model)
    expected = np.einsum("bju,bju,u->bj", weights, record.candidate, kernel[:, 0])
    np.testing.assert_allclose(found.scores, expected, atol=1e-5)


def sequential(*layers, outputs=1):
    parts = [keras.Input((STEPS,)), keras.layers.Embedding(12, 3, mask_zero=True), *layers]
    return randomized(keras.Sequential([*parts, keras.layers.Dense(outputs, "sigmoid")]))


ENDS = {
    "both directions of Keras": lambda: [keras.layers.Bidirectional(keras.layers.LSTM(UNITS))],
    "both directions": lambda: [kit.Bidirectional(kit.GRU(UNITS))],
    "a stack": lambda: [kit.StackedRNN([3, UNITS])],
    "a stack of cells": lambda: [kit.RNN([kit.GRUCell(3), kit.LSTMCell(UNITS)])],
    "a layer before": lambda: [kit.GRU(3, return_sequences=True), kit.LSTM(UNITS)],
    "dropout": lambda: [kit.LSTM(UNITS), keras.layers.Dropout(0.5)],
    "peepholes": lambda: [kit.RNN(kit.PeepholeLSTMCell(UNITS))],
    "a coupled cell": lambda: [kit.RNN(kit.CoupledLSTMCell(UNITS))],
    "zoneout of a GRU": lambda: [kit.RNN(kit.Zoneout(kit.GRUCell(4), 0.3))],
    "all steps": lambda: [
        kit.LSTM(UNITS, return_sequences=True),
        keras.layers.Lambda(lambda x: x[:, -1]),
    ],
}


@pytest.mark.filterwarnings("ignore:Layer 'lambda")  # it takes the mask away, after its use
@pytest.mark.parametrize(
    "end", where_compiled(["both directions", "a stack", "zoneout of a GRU"], ENDS)
)
def test_other_last_layers(end):
    model, x = sequential(*ENDS[end]()), ids()[:2]
    found = kit.attribute(model, x, method="cells")
    outputs = model.predict(x, verbose=0)[:, 0]
    np.testing.assert_allclose(found.total, np.log(outputs / (1 - outputs)), 1e-3, 1e-3)
    assert found.gap.max() < 1e-3
    sums = found.scores.sum(1) + found.first + found.bias
    np.testing.assert_allclose(sums, found.total, 1e-4, 1e-4)


@pytest.mark.parametrize("layer", [kit.LSTM, kit.GRU])
def test_the_learned_initial_state_has_its_own_part(layer):
    model, x = sequential(kit.LearnedInitialState(layer(UNITS))), ids()
    found = kit.attribute(model, x, method="cells")
    assert found.first[3] == 0  # all padding
    assert np.abs(found.first[:3]).min() > 0
    np.testing.assert_allclose(
        found.scores.sum(1) + found.first + found.bias, found.total, 1e-4, 1e-4
    )


def test_a_reversed_layer_has_its_scores_at_the_words():
    model = sequential(keras.layers.LSTM(UNITS, go_backwards=True))
    plain = sequential(keras.layers.LSTM(UNITS))
    plain.set_weights(model.get_weights())
    x = ids()[:2]
    found = kit.attribute(model, x, method="cells")
    expected = kit.attribute(plain, x[:, ::-1], method="cells")
    np.testing.assert_allclose(found.scores, expected.scores[:, ::-1], 1e-5, 1e-5)
    spans, flipped = [(1, 3), (0, 6)], [(3, 5), (0, 6)]
    found = kit.attribute(model, x, method="contextual", spans=spans)
    expected = kit.attribute(plain, x[:, ::-1], method="contextual", spans=flipped)
    np.testing.assert_allclose(found.scores, expected.scores, 1e-5, 1e-5)


def split(function, a, b, c):
    """The contribution of a and b to a function of their sum and the bias c, over both orders."""
    first = function(a + c) - function(c), function(a + b + c) - function(a + c)
    second = function(a + b + c) - function(b + c), function(b + c) - function(c)
    return (first[0] + second[0]) / 2, (first[1] + second[1]) / 2, function(c)


def phrase_of_row(weights, vectors, kept, span):
    """`beta` and `gamma` of one phrase of one row, step by step, as the authors compute them."""
    names = "ifgo"
    w, u = (dict(zip(names, np.split(a, 4, 1), strict=True)) for a in weights[:2])
    b = dict(zip(names, np.split(weights[2], 4), strict=True))
    beta_h = gamma_h = beta_c = gamma_c = np.zeros(UNITS)
    for t in range(len(vectors)):
        if not kept[t]:
            continue
        beta, gamma = ({k: h @ u[k] for k in names} for h in (beta_h, gamma_h))
        within = span[0] <= t < span[1]
        for k in names:
            if within:
                beta[k] = beta[k] + vectors[t] @ w[k]
            else:
                gamma[k] = gamma[k] + vectors[t] @ w[k]
        b_i, g_i, c_i = split(oracles.sigmoid, beta["i"], gamma["i"], b["i"])
        b_f, g_f, c_f = split(oracles.sigmoid, beta["f"], gamma["f"], b["f"])
        b_g, g_g, c_g = split(np.tanh, beta["g"], gamma["g"], b["g"])
        o = oracles.sigmoid(beta["o"] + gamma["o"] + b["o"])
        new_beta = b_i * (b_g + c_g) + c_i * b_g + (b_f + c_f) * beta_c
        new_gamma = g_i * (b_g + g_g + c_g) + (b_i + c_i) * g_g
        new_gamma = new_gamma + (b_f + g_f + c_f) * gamma_c + g_f * beta_c
        if within:
            new_beta = new_beta + c_i * c_g
        else:
            new_gamma = new_gamma + c_i * c_g
        beta_c, gamma_c = new_beta, new_gamma
        beta_h, gamma_h, _ = (o * part for part in split(np.tanh, beta_c, gamma_c, np.zeros(1)))
    return beta_h, gamma_h


SPANS = [(0, STEPS), (2, 2), (1, 4), (5, 6)]


@pytest.mark.parametrize("name", ["keras.LSTM", "kit.LSTM"])
def test_phrases_against_the_equations(name):
    layer, oracle = LAYERS[name]
    model, x = text_model(layer, outputs=2, head="softmax"), ids()
    found = kit.attribute(model, x, [1, 0, 1, 0], method="contextual", spans=SPANS)
    kernel, bias = head_of(model)
    hidden = states_of(model, oracle, x)["hidden"][:, -1]
    vectors = to_numpy(model.get_layer("words").embeddings).astype("float64")[x]
    weights = [w.astype("float64") for w in model.get_layer("recurrent").get_weights()]
    for row, target in enumerate([1, 0, 1, 0]):
        for place, span in enumerate(SPANS):
            beta, gamma = phrase_of_row(weights, vectors[row], x[row] != 0, span)
            np.testing.assert_allclose(beta + gamma, hidden[row], atol=1e-6)
            np.testing.assert_allclose(
                found.scores[row, place], beta @ kernel[:, target], atol=1e-5
            )
    np.testing.assert_allclose(found.bias, bias[[1, 0, 1, 0]], 1e-6)
    assert not found.scores[:, 1].any()  # the empty phrase
    assert found.spans == SPANS
    assert found.gap.max() < 1e-3


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(0, STEPS), st.integers(0, STEPS)), min_size=1, max_size=4))
def test_phrase_and_rest_add_up_for_any_spans(pairs):
    spans = [tuple(sorted(pair)) for pair in pairs]
    model = MODELS.setdefault("lstm", text_model(kit.LSTM))
    found = kit.attribute(model, ids(), method="contextual", spans=spans)
    assert found.scores.shape == (4, len(spans))
    assert found.gap.max() < 1e-3
    empty = [i for i, (start, stop) in enumerate(spans) if start == stop]
    assert not found.scores[:, empty].any()


MODELS = {}


@pytest.mark.parametrize("options", [{}, {"replace": 5}, {"batch_size": 4}])
def test_occlusion_by_brute_force(options):
    model, x = text_model(keras.layers.LSTM), ids()
    found = kit.attribute(model, x, method="occlusion", **options)
    before = logits_of(model, oracles.lstm, x)[:, 0]
    for j in range(STEPS):
        without = x.copy()
        without[:, j] = options.get("replace", 2)
        drop = before - logits_of(model, oracles.lstm, without)[:, 0]
        np.testing.assert_allclose(found.scores[:, j], np.where(x[:, j] == 0, 0, drop), atol=1e-5)
    assert found.gap is None
    assert found.points is None
    np.testing.assert_allclose(found.total, before, atol=1e-5)


def test_occlusion_by_padding_takes_the_word_out():
    model, x = text_model(kit.GRU), ids()
    found = kit.attribute(model, x, method="occlusion", replace=0)
    before = logits_of(model, oracles.gru, x)[:, 0]
    without = x.copy()
    without[:, 3] = 0
    drop = before - logits_of(model, oracles.gru, without)[:, 0]
    np.testing.assert_allclose(found.scores[:, 3], drop, atol=1e-5)


@pytest.mark.parametrize("replace", [None, 1.5, [1.0, -1.0]])
def test_occlusion_of_floats(replace):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    layers = [keras.Input((4, 2)), kit.LSTM(4), keras.layers.Dense(1)]
    model = randomized(keras.Sequential(layers))
    found = kit.attribute(model, x, method="occlusion", replace=replace)
    before = model.predict(x, verbose=0)[:, 0]
    for j in range(4):
        without = x.copy()
        without[:, j] = 0 if replace is None else replace
        drop = before - model.predict(without, verbose=0)[:, 0]
        np.testing.assert_allclose(found.scores[:, j], drop, atol=1e-5)


def test_occlusion_of_a_stateful_model():
    x = ids()
    layers = [
        keras.Input(batch_shape=(4, STEPS)),
        keras.layers.Embedding(12, 3, mask_zero=True),
        kit.LSTM(4, stateful=True),
        keras.layers.Dense(1),
    ]
    model = randomized(keras.Sequential(layers))
    words = keras.layers.Embedding(12, 3, mask_zero=True)
    plain = keras.Sequential([keras.Input((STEPS,)), words, kit.LSTM(4)])
    plain.add(keras.layers.Dense(1))
    plain.set_weights(model.get_weights()[: len(plain.weights)])
    found = kit.attribute(model, x, method="occlusion")
    expected = kit.attribute(plain, x, method="occlusion")
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    assert not found.scores[x == 0].any()
