"""`kit.edit` runs any model with gates and states replaced, as the edited equations do."""

import threading

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.models.traces import flat_traces
from tests.models.traced import (
    BATCH,
    FEATURES,
    KINDS,
    STEPS,
    Tagger,
    model_of,
    sequences,
    with_bias,
)
from tests.support.cases import MASKS, to_numpy, where_compiled
from tests.support.witness import calls_of, randomized, traces_by_equations

L = keras.layers
RNG = np.random.default_rng(3)
UNITS, EDITED_STEPS = [0, -1], slice(1, 4)


def changes_for(record):
    """A change of every gate and state of a record, in its structure, by arrays."""
    if isinstance(record, dict):
        return {key: changes_for(part) for key, part in record.items()}
    if not hasattr(record, "_fields"):
        return {i: changes_for(part) for i, part in enumerate(record)}
    if record._fields == ("forward", "backward"):
        return {key: changes_for(part) for key, part in record._asdict().items()}
    fields = {name: value for name, value in record._asdict().items() if name != "mask"}
    return {name: RNG.normal(size=value.shape) for name, value in fields.items()}


def flat_changes(changes):
    """The changes of each cell, in the order of the records."""
    first = next(iter(changes.values()))
    if not isinstance(first, dict):
        return [changes]
    return [one for part in changes.values() for one in flat_changes(part)]


def edit_of_oracle(changes, backward):
    """The same change for a NumPy transcription, whose steps are those of running."""

    def edit(name, value, t):
        if name not in changes:
            return value
        step = STEPS - 1 - t if backward else t
        if step not in range(STEPS)[EDITED_STEPS]:
            return value
        value = value.copy()
        value[:, UNITS] = changes[name][:, step][:, UNITS]
        return value

    return edit


@pytest.mark.parametrize(
    "kind",
    where_compiled(
        ["lstm", "backwards", "rnn_of_cells", "bidirectional", "kit_lstm", "kit_min_gru"],
        [kind for kind in KINDS if with_bias(kind) and kind != "kit_stack"],
    ),
)
def test_an_edited_model_is_what_the_edited_equations_give(kind):
    model, x = model_of(KINDS[kind]()), sequences(MASKS["holes"])
    before = kit.trace(model, x)
    changes = {key: changes_for(record) for key, record in before.items()}
    edited = kit.edit(model, x, changes, units=UNITS, steps=EDITED_STEPS)
    found = iter(flat_traces(edited.traces))
    changed = iter(flat_changes(changes))
    _, calls = calls_of(model, x)
    for layer, *call in calls:
        count = len(layer.cell.cells) if hasattr(layer.cell, "cells") else 1
        records = [next(found) for _ in range(count)]
        backward = records[0][1].origin.backward
        edits = [edit_of_oracle(next(changed), backward) for _ in range(count)]
        wanted = traces_by_equations(layer, *call, edits)
        for (name, record), want in zip(records, wanted, strict=True):
            for field in record._fields:
                expected = want[field][:, ::-1] if backward else want[field]
                np.testing.assert_allclose(
                    getattr(record, field), expected, 1e-5, 1e-5, err_msg=f"{name}.{field}"
                )
    for a, b in zip(flat_traces(edited.before), flat_traces(before), strict=True):
        np.testing.assert_array_equal(a[1].hidden, b[1].hidden)


@pytest.mark.parametrize(
    "kind",
    where_compiled(["kit_stack"], ["backwards", "rnn_of_cells", "kit_stack", "kit_learned"]),
)
def test_a_models_own_trace_patched_into_it_changes_nothing(kind):
    model, x = model_of(KINDS[kind]()), sequences(MASKS["holes"])
    own = kit.trace(model, x)

    def patch(record):
        if isinstance(record, dict):
            return {key: patch(part) for key, part in record.items()}
        if not hasattr(record, "_fields"):
            return dict(enumerate(map(patch, record)))
        if record._fields == ("forward", "backward"):
            return {key: patch(part) for key, part in record._asdict().items()}
        return {name: own for name in record._fields if name != "mask"}

    edited = kit.edit(model, x, {key: patch(record) for key, record in own.items()})
    for mine, other in zip(*map(keras.tree.flatten, (edited.outputs, own.outputs)), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


def test_a_state_of_one_row_is_patched_into_another():
    model = model_of(L.LSTM(3, name="lstm"), masked=False)
    x = sequences()
    donor = kit.trace(model, x[:1])["lstm"]
    last = STEPS - 1
    edited = kit.edit(model, x, {"lstm": {"hidden": donor}}, steps=last)
    np.testing.assert_array_equal(edited.outputs, np.repeat(donor.hidden[:, -1], BATCH, axis=0))
    before = edited.before["lstm"].hidden[:, :last]
    np.testing.assert_allclose(edited.traces["lstm"].hidden[:, :last], before, atol=1e-6)


def test_a_cell_whose_forget_gate_is_open_and_input_gate_closed_keeps_its_state():
    model = model_of(L.LSTM(3, name="lstm"), masked=False)
    changes = {"lstm": {"forget": 1.0, "input": 0}}
    cell = kit.edit(model, sequences(), changes, steps=slice(2, None)).traces["lstm"].cell
    np.testing.assert_array_equal(cell[:, 2:], np.repeat(cell[:, 1:2], STEPS - 2, axis=1))


def test_a_head_follows():
    inputs = keras.Input((STEPS, FEATURES))
    hidden = L.GRU(3, name="gru")(inputs)
    model = randomized(keras.Model(inputs, L.Dense(1, activation="sigmoid")(hidden)))
    kernel, bias = model.get_weights()[-2:]
    edited = kit.edit(model, sequences(), {"gru": {"hidden": kit.Change(0.0, units=1)}})
    state = edited.traces["gru"].hidden[:, -1]
    np.testing.assert_array_equal(state[:, 1], 0)
    np.testing.assert_allclose(edited.outputs, 1 / (1 + np.exp(-(state @ kernel + bias))), 1e-5)


def test_a_function_gets_values_and_the_steps_of_the_record():
    model = model_of(L.Bidirectional(L.LSTM(3), name="both"), masked=False)

    def numbered(value, step):
        return 0 * value + keras.ops.cast(step, value.dtype)

    changes = {"both": {"backward": {"cell": numbered, "input": lambda i, step: i / 2}}}
    edited = kit.edit(model, sequences(), changes)
    backward, before = edited.traces["both"].backward, edited.before["both"].backward
    np.testing.assert_array_equal(backward.cell[0, :, 0], np.arange(STEPS))
    np.testing.assert_allclose(backward.input[:, -1], before.input[:, -1] / 2, rtol=1e-6)


def test_several_changes_of_a_field_and_their_own_units_and_steps():
    model = model_of(L.LSTM(3, name="lstm"), masked=False)
    changes = [kit.Change(0.25), kit.Change(0.75, units=[1, 2], steps=2), kit.Change(1, units=-1)]
    found = kit.edit(model, sequences(), {"lstm": {"forget": changes}}, steps=[1, 2])
    wanted = np.full((BATCH, 2, 3), 0.25)
    wanted[:, 1, 1:] = 0.75
    wanted[:, :, 2] = 1
    np.testing.assert_array_equal(found.traces["lstm"].forget[:, 1:3], wanted)
    plain = found.before["lstm"].forget
    np.testing.assert_allclose(found.traces["lstm"].forget[:, 0], plain[:, 0], atol=1e-6)


def test_the_second_call_of_a_layer_is_edited_by_itself():
    model, x = Tagger(), sequences()
    model(x, training=True)
    edited = kit.edit(randomized(model), x, {"shared:1": {"output": 0.0}})
    assert not edited.traces["shared:1"].hidden.any()
    first, before = edited.traces["shared"].hidden, edited.before["shared"].hidden
    np.testing.assert_allclose(first, before, atol=1e-6)


def test_a_layer_and_a_model_in_time_distributed():
    inputs = keras.Input((4, STEPS, FEATURES))
    inner = keras.Sequential([keras.Input((STEPS, FEATURES)), L.GRU(3, name="inner")])
    outputs = [
        L.TimeDistributed(L.LSTM(3), name="layer")(inputs),
        L.TimeDistributed(inner, name="model")(inputs),
    ]
    model = randomized(keras.Model(inputs, outputs))
    x = RNG.normal(size=(2, 4, STEPS, FEATURES)).astype("float32")
    rows = RNG.normal(size=(2, 1, 1, 3))
    changes = {
        "layer": {"cell": RNG.normal(size=(4, STEPS, 3)), "forget": rows},
        "model": {"inner": {"update": RNG.normal(size=(2, 4, STEPS, 3))}},
    }
    for batch_size in (None, 1):
        edited = kit.edit(model, x, changes, units=[0, 2], batch_size=batch_size)
        layer, gru = edited.traces["layer"], edited.traces["model"]["inner"]
        for found, value in (
            (layer.cell, changes["layer"]["cell"]),
            (layer.forget, rows),
            (gru.update, changes["model"]["inner"]["update"]),
        ):
            value = np.broadcast_to(value, found.shape)
            np.testing.assert_allclose(found[..., [0, 2]], value[..., [0, 2]], rtol=1e-6)
            assert np.abs(found[..., 1] - value[..., 1]).min() > 0


def test_batches_make_no_difference():
    model, x = model_of(L.Bidirectional(L.GRU(3), name="both")), sequences()
    values = {"both": {"backward": {"update": RNG.random((BATCH, STEPS, 3)), "reset": 0.5}}}
    whole = kit.edit(model, x, values)
    parts = kit.edit(model, x, values, batch_size=2)
    np.testing.assert_allclose(whole.outputs, parts.outputs, atol=1e-6)
    assert np.abs(whole.outputs - whole.before.outputs).max() > 1e-3


@pytest.mark.parametrize("own", [L, kit], ids=["keras", "kit"])
def test_weights_and_states_stay_as_they_were(own):
    inputs = keras.Input(batch_shape=(BATCH, STEPS, FEATURES))
    layer = own.LSTM(3, stateful=True, name="lstm")
    model = randomized(keras.Model(inputs, layer(inputs)))
    model(sequences())
    before = [to_numpy(v) for v in (*model.variables, *layer.states)]
    attributes = set(vars(layer))
    edited = kit.edit(model, sequences(), {"lstm": {"forget": 0.0}})
    assert np.abs(edited.outputs - edited.before.outputs).max() > 1e-4
    for old, new in zip(before, (*model.variables, *layer.states), strict=True):
        np.testing.assert_array_equal(old, to_numpy(new))
    assert attributes == set(vars(layer))
    np.testing.assert_array_equal(edited.before.outputs, kit.trace(model, sequences()).outputs)


def test_a_call_in_another_thread_is_not_edited():
    model, x = model_of(L.LSTM(3, name="lstm"), masked=False), sequences()
    want, stop, wrong = to_numpy(model(x)), threading.Event(), []

    def call():
        while not stop.is_set():
            if not np.allclose(to_numpy(model(x)), want, atol=1e-6):
                wrong.append(True)

    other = threading.Thread(target=call)
    other.start()
    try:
        for _ in range(3):
            assert not kit.edit(model, x, {"lstm": {"output": 0}}).outputs.any()
    finally:
        stop.set()
        other.join()
    assert not wrong


@pytest.mark.parametrize(
    ("changes", "how", "message"),
    [
        ({"gru": {}}, {}, r"layers of the model: 'lstm'. Received: changes=\['gru'\]"),
        ({"lstm": {"update": 1}}, {}, r"'input', 'forget', .* Received: changes=\['update'\]"),
        ({"lstm": {"forget": np.ones(2)}}, {}, r"\(3, 5, 3\). Received: value.shape=\(2,\)"),
        ({"lstm": {"forget": np.ones((9, 5, 3))}}, {}, r"Received: value.shape=\(9, 5, 3\)"),
        ({"lstm": {"forget": 1}}, {"units": 3}, r"below 3, .* Received: units=3"),
        ({"lstm": {"forget": 1}}, {"steps": [9]}, r"below 5, .* Received: steps=\[9\]"),
        ({"lstm": {"forget": 1}}, {"units": [True]}, r"`units` must be an index, a slice"),
        ({"lstm": {"forget": 1}}, {"units": []}, r"at least one of the 3 .* Received: units=\[\]"),
        ({"lstm": {"forget": 1}}, {"steps": []}, r"or be None for all .* Received: steps=\[\]"),
        ({"lstm": {"forget": "open"}}, {}, r"must be a number, an array, .* value='open'"),
        ({"lstm": 1.0}, {}, r"must be a dict, .* Received: type\(changes\)=float"),
        (1.0, {}, r"`changes` must be a dict .* Received: type\(changes\)=float"),
    ],
)
def test_wrong_changes_are_refused(changes, how, message):
    model = model_of(L.LSTM(3, name="lstm"), masked=False)
    with pytest.raises((TypeError, ValueError), match=message):
        kit.edit(model, sequences(), changes, **how)


def test_parts_are_named_in_errors():
    model = model_of(L.Bidirectional(L.LSTM(3), name="both"), masked=False)
    with pytest.raises(ValueError, match=r"'both' must name its parts: 'forward', 'backward'"):
        kit.edit(model, sequences(), {"both": {"forget": 1.0}})
    other = kit.trace(model_of(L.GRU(3, name="both"), masked=False), sequences())
    with pytest.raises(ValueError, match=r"must have the field 'both' > 'forward' > 'forget'"):
        kit.edit(model, sequences(), {"both": {"forward": {"forget": other}}})
