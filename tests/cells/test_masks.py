"""Masks passed to a cell: the equations with dropped elements, in float64."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.backends import float64_allowed
from tests.support.cases import (
    CASES,
    MASKS,
    MIN_CASES,
    NAMESAKES,
    built,
    by_name,
    few_where_compiled,
    to_numpy,
)
from tests.support.oracles import outputs_of

ALL = [*CASES, *MIN_CASES]
BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 2
CLOSE = {"rtol": 1e-9, "atol": 1e-9}

OF_CELLS = [(case, True) for case in ALL] + [(case, False) for case in NAMESAKES]
# Those with kernels on theirs; the others on the portable path, the only one they have.
OF_LAYERS = [
    (case, "auto", each) for case in (*NAMESAKES, *MIN_CASES[::2]) for each in (True, False)
]
OF_LAYERS += [(case, "portable", True) for case in (*NAMESAKES[:1], *CASES[len(NAMESAKES) :])]


def named(value):
    if isinstance(value, bool):
        return "one for each gate" if value else "one for all"
    return getattr(value, "name", str(value))


def dropping(rng, *shape):
    """A mask of dropout: zeros and twos."""
    return 2.0 * rng.integers(0, 2, size=shape)


def drawn(case, rng, each_gate):
    """Masks for inputs, hidden state and recurrent kernel, as far as the cell has them."""
    hidden = case.sizes(UNITS)[0]
    count = case.gates if each_gate else 1
    inputs = [dropping(rng, BATCH, FEATURES) for _ in range(count)]
    recurrent = [dropping(rng, BATCH, hidden) for _ in range(count)]
    inputs, recurrent = (m if each_gate else m[0] for m in (inputs, recurrent))
    if case in MIN_CASES:
        return kit.Masks(inputs=inputs if not each_gate else inputs[0])
    weights = None
    if hasattr(case.cell, "recurrent_weights"):
        weights = dropping(rng, hidden, case.gates * UNITS)
    return kit.Masks(inputs, recurrent, weights)


def expected(case, x, weights, states, keep, masks):
    """Row by row: to drop an input of a product is to drop a row of its kernel."""

    def dropped(kernel, mask, row):
        if mask is None:
            return kernel
        if not isinstance(mask, list):
            return mask[row][:, None] * kernel
        blocks = np.split(kernel, len(mask), axis=1)
        return np.concatenate(
            [m[row][:, None] * b for m, b in zip(mask, blocks, strict=True)], axis=1
        )

    traces = []
    for row in range(BATCH):
        kernel, *others = weights
        kernel = dropped(kernel, masks.inputs, row)
        if case not in MIN_CASES:
            recurrent, *others = others
            recurrent = recurrent * (1 if masks.weights is None else masks.weights)
            others = [dropped(recurrent, masks.recurrent, row), *others]
        one = slice(row, row + 1)
        rows = [state[one] for state in states]
        traces.append(case.oracle(x[one], [kernel, *others], rows, keep[one]))
    return {name: np.concatenate([trace[name] for trace in traces]) for name in traces[0]}


def problem(case, mask="no mask"):
    rng = np.random.default_rng(11)
    x, weights = rng.normal(size=(BATCH, TIME, FEATURES)), case.weights(rng, FEATURES, UNITS)
    states = [rng.normal(size=(BATCH, size)) for size in case.sizes(UNITS)]
    keep = np.ones((BATCH, TIME), bool) if MASKS[mask] is None else MASKS[mask]
    return rng, x, weights, states, keep


def check(trace, want):
    for name, values in want.items():
        np.testing.assert_allclose(to_numpy(getattr(trace, name)), values, **CLOSE, err_msg=name)


@pytest.mark.parametrize(("case", "each_gate"), few_where_compiled(OF_CELLS), ids=named)
def test_a_cell_drops_what_it_is_handed(case, each_gate):
    rng, x, weights, states, keep = problem(case)
    masks = drawn(case, rng, each_gate)
    want = expected(case, x, weights, states, keep, masks)
    with float64_allowed():
        cell = case.cell(UNITS, dtype="float64", **case.options)
        cell.build((None, FEATURES))
        cell.set_weights(weights)
        given = kit.Masks(*(keras.tree.map_structure(tensor, mask) for mask in masks[:3]))
        for t in range(TIME):
            # Handed-in masks act whether or not the cell is told that it trains.
            gates = cell.gates(x[:, t], states, training=bool(t % 2), masks=given)
            _, states = cell.step(gates, states, masks=given)
            for name, value in (*zip(gates._fields, gates, strict=True), ("hidden", states[0])):
                np.testing.assert_allclose(to_numpy(value), want[name][:, t], **CLOSE)


def tensor(mask):
    return None if mask is None else keras.ops.convert_to_tensor(mask, dtype="float64")


@pytest.mark.parametrize(("case", "path", "each_gate"), few_where_compiled(OF_LAYERS), ids=named)
def test_a_layer_drops_what_its_cell_draws(case, path, each_gate, monkeypatch):
    rng, x, weights, states, keep = problem(case, "holes")
    masks = drawn(case, rng, each_gate)
    want = expected(case, x, weights, states, keep, masks)
    rates = {"dropout": 0.5}
    if case not in MIN_CASES:
        rates["recurrent_dropout"] = 0.5
    if masks.weights is not None:
        rates["recurrent_weight_dropout"] = 0.5
    if each_gate and "implementation" in case.cell(UNITS, **case.options).get_config():
        rates["implementation"] = 1
    options = {"return_sequences": True, "return_gates": True, "path": path, **rates}
    with float64_allowed():
        layer = built(case, weights, FEATURES, UNITS, "float64", **options)
        given = kit.Masks(*(keras.tree.map_structure(tensor, mask) for mask in masks[:3]))
        monkeypatch.setattr(type(layer.cell), "draw_masks", lambda *_: given)
        output, trace = layer(x, initial_state=states, mask=keep, training=True)
        check(trace, want)
        np.testing.assert_allclose(to_numpy(output), outputs_of(want), **CLOSE)


def zoned(case, x, weights, states, keep, stays):
    """One step of the cell after the other; where a state stays, it is the one before."""
    rows = []
    for t in range(TIME):
        step = case.oracle(x[:, t : t + 1], weights, states, np.ones((BATCH, 1), bool))
        new = [step[name][:, 0] for name in ("hidden", "cell")[: len(states)]]
        new = [np.where(m[t], s, n) for m, s, n in zip(stays, states, new, strict=True)]
        states = [np.where(keep[:, t, None], n, s) for n, s in zip(new, states, strict=True)]
        rows.append(states)
    return [np.stack(state, axis=1) for state in zip(*rows, strict=True)]


@pytest.mark.parametrize("case", few_where_compiled([*CASES, *MIN_CASES[::2]]), ids=by_name)
def test_zoneout_keeps_the_states_that_it_draws(case, monkeypatch):
    rng, x, weights, states, keep = problem(case, "holes")
    sizes = case.sizes(UNITS)
    stays = [rng.integers(0, 2, size=(TIME, BATCH, size)).astype(bool) for size in sizes]
    want = zoned(case, x, weights, states, keep, stays)
    with float64_allowed():
        cell = kit.Zoneout(case.cell(UNITS, dtype="float64", **case.options), 0.5)
        layer = kit.RNN(cell, return_gates=True, dtype="float64")
        layer.build((None, TIME, FEATURES))
        layer.set_weights(weights)
        drawn_now = tuple(map(keras.ops.convert_to_tensor, stays))
        monkeypatch.setattr(kit.Zoneout, "draw_states", lambda *_: drawn_now)
        _, trace = layer(x, initial_state=states, mask=keep, training=True)
        for name, values in zip(("hidden", "cell"), want, strict=False):
            np.testing.assert_allclose(to_numpy(getattr(trace, name)), values, **CLOSE)
