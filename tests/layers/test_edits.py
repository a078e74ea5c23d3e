"""Edits in the loop of every cell, against the NumPy equations edited in the same way."""

import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from keras_rnnkit.cells._edits import Addition, Replacement
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running.capture import capturing
from tests.support.backends import float64_allowed
from tests.support.cases import CASES, MIN_CASES, built, by_name, few_where_compiled, to_numpy
from tests.support.oracles import complex_step, outputs_of

ALL = [*CASES, *MIN_CASES]
TIME, FEATURES, UNITS = 5, 2, 4


tensor = ops.convert_to_tensor


class Setting:
    """A cell, its inputs with a mask, and its fields: in row k of the batch, field k is edited."""

    def __init__(self, case, go_backwards=False):
        rng = self.rng = np.random.default_rng(4)
        cell = case.cell(UNITS, **case.options)
        self.case, self.states = case, cell.state_names
        self.fields = [*cell.gates_type._fields, *cell.state_names]
        sizes = [*(UNITS for _ in cell.gates_type._fields), *case.sizes(UNITS)]
        self.batch = batch = len(self.fields) + 1  # in the last row all fields are edited
        self.x = rng.normal(size=(batch, TIME, FEATURES))
        self.mask = rng.random((batch, TIME)) < 0.8
        self.first = [rng.normal(size=(batch, size)) for size in case.sizes(UNITS)]
        self.weights = case.weights(rng, FEATURES, UNITS)
        self.shapes = {f: (TIME, batch, n) for f, n in zip(self.fields, sizes, strict=True)}
        self.go_backwards = go_backwards
        options = {"return_sequences": True, "go_backwards": go_backwards}
        self.layer = built(case, self.weights, FEATURES, UNITS, "float64", **options)

    def where(self, field):
        """In the rows of this field, at random."""
        rows = np.isin(np.arange(self.batch), [self.fields.index(field), self.batch - 1])
        return rows[:, None] & (self.rng.random(self.shapes[field]) < 0.6)

    def run(self, edits):
        with capturing(capture_gates=True, edits={id(self.layer): edits}) as capture:
            outputs = self.layer(self.x, mask=self.mask, initial_state=self.first)
        return outputs, capture.traces[id(self.layer)]

    def oracle(self, edit, weights=None):
        flip = slice(None, None, -1 if self.go_backwards else 1)
        x, mask = self.x[:, flip], self.mask[:, flip]
        return self.case.oracle(x, weights or self.weights, self.first, mask, edit=edit)


def assert_as_wanted(found, wanted):
    outputs, trace = found
    close = {"rtol": 1e-10, "atol": 1e-10}
    for field in trace._fields:
        got = to_numpy(getattr(trace, field))
        np.testing.assert_allclose(got, wanted[field], **close, err_msg=field)
    np.testing.assert_allclose(to_numpy(outputs), outputs_of({**wanted}), **close)


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("case", few_where_compiled(ALL), ids=by_name)
def test_a_replaced_gate_or_state_acts_as_in_the_equations(case, go_backwards):
    """Every second field is replaced by values, the others by a function of value and step."""
    with float64_allowed():
        it = Setting(case, go_backwards)
        # Before the first valid step, the outputs are zeros; the oracle has the first states there.
        it.mask[:, [0, -1]] = True
        where = {field: it.where(field) for field in it.fields}
        values = {field: it.rng.normal(size=it.shapes[field]) for field in it.fields}
        by_function = it.fields[go_backwards::2]

        def new_value(value, step):
            return value * 0.5 - 0.1 * ops.cast(step, "float64")

        def edit(name, value, t):
            if name not in where:
                return value
            new = value * 0.5 - 0.1 * t if name in by_function else values[name][t]
            return np.where(where[name][t], new, value)

        edits = {
            field: [
                Replacement(tensor(where[field]), tensor(np.arange(TIME, dtype="int32")), new_value)
                if field in by_function
                else Replacement(tensor(where[field]), tensor(values[field]))
            ]
            for field in it.fields
        }
        assert_as_wanted(it.run(edits), it.oracle(edit))


@pytest.mark.parametrize("case", few_where_compiled(ALL), ids=by_name)
def test_gradients_of_what_is_added_are_those_of_the_equations(case):
    """An exact gradient of every gate and state at every step, by NumPy in the complex plane."""
    with float64_allowed():
        it = Setting(case)
        it.mask[:, 0] = True
        fields, weigh = it.fields, it.rng.normal(size=it.first[0].shape)

        def oracle_loss(added):
            by_field = dict(zip(fields, added, strict=True))

            def edit(name, value, t):
                # The cell state counts where it is computed: hidden and output follow from it.
                name = {"new cell": "cell", "cell": None}.get(name, name)
                return value + by_field[name][t] if name in by_field else value

            return np.sum(weigh * it.oracle(edit)["hidden"].sum(1) ** 2)

        def loss(*added):
            edits = {f: [Addition(value)] for f, value in zip(fields, added, strict=True)}
            outputs, _ = it.run(edits)
            return ops.sum(tensor(weigh) * ops.sum(outputs, axis=1) ** 2)

        zeros = [ops.zeros(it.shapes[field], dtype="float64") for field in fields]
        _, found = backend_kernels().value_and_gradients(loss, zeros)
        wanted = complex_step(oracle_loss, [np.zeros(it.shapes[field]) for field in fields])
        for field, got, want in zip(fields, found, wanted, strict=True):
            np.testing.assert_allclose(to_numpy(got), want, rtol=1e-8, atol=1e-10, err_msg=field)
            assert not to_numpy(got)[~it.mask.T].any()


def test_a_stack_of_cells_has_edits_for_each():
    layer = kit.RNN([kit.GRUCell(3), kit.LSTMCell(2)], return_sequences=True)
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    closed = Replacement(tensor(np.ones((4, 1, 1), bool)), tensor(np.zeros((4, 1, 1), "float32")))
    layer(x)
    with capturing(capture_gates=True, edits={id(layer): ({}, {"input": [closed]})}) as capture:
        outputs = layer(x)
    gru, lstm = capture.traces[id(layer)]
    np.testing.assert_array_equal(to_numpy(gru.hidden), to_numpy(layer.trace(x)[0].hidden))
    assert not to_numpy(lstm.cell).any()
    assert not to_numpy(outputs).any()


def test_zoneout_mixes_before_a_state_is_edited():
    layer = kit.RNN(kit.Zoneout(kit.LSTMCell(3), rate=0.5), return_sequences=True)
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    layer(x)
    ones = np.ones((4, 1, 1), "float32")
    edits = {
        "cell": [Replacement(tensor(ones > 0), tensor(2 * ones))],
        "hidden": [Replacement(tensor(ones > 0), tensor(3 * ones))],
        "forget": [Replacement(tensor(ones > 0), tensor(ones))],
    }
    with capturing(capture_gates=True, edits={id(layer): edits}) as capture:
        outputs = layer(x)
    trace = capture.traces[id(layer)]
    for found, value in ((trace.cell, 2), (trace.hidden, 3), (trace.forget, 1), (outputs, 3)):
        np.testing.assert_array_equal(to_numpy(found), np.full((2, 4, 3), value))


class OwnCell(kit.CoupledLSTMCell):
    """A user's cell whose methods have no argument `edit`."""

    def gates(self, inputs, states, training=False):
        return super().gates(inputs, states, training=training)

    def step(self, gates, states):
        return super().step(gates, states)


def test_of_a_users_cell_what_its_gates_return_is_edited():
    layer = kit.RNN(OwnCell(3), return_sequences=True)
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    layer(x)
    ones = np.ones((4, 1, 1), "float32")
    with capturing(
        capture_gates=True,
        edits={id(layer): {"forget": [Replacement(tensor(ones > 0), tensor(ones))]}},
    ) as capture:
        layer(x)
    edited, plain = capture.traces[id(layer)], layer.trace(x)
    assert (to_numpy(edited.forget) == 1).all()
    assert (to_numpy(edited.input) > 0).all()  # does not follow, as `gates` has no `edit`
    assert np.abs(to_numpy(edited.cell) - to_numpy(plain.cell)).max() > 1e-3
