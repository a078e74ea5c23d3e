"""`kit.trace_gradients` gives the gradient of the loss by every gate and state at every step."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from keras_rnnkit.models.traces import flat_traces
from tests.models.traced import FEATURES, KINDS, STEPS, Tagger, model_of, sequences
from tests.support.backends import float64_allowed
from tests.support.cases import MASKS, to_numpy, where_compiled
from tests.support.witness import randomized

L = keras.layers
EPSILON = 1e-5


@pytest.fixture
def float64():
    before = keras.config.dtype_policy()
    with float64_allowed():
        keras.config.set_dtype_policy("float64")
        yield
        keras.config.set_dtype_policy(before)


def squares(targets, outputs):
    return keras.ops.mean((targets - outputs) ** 2, axis=-1)


def nudge(delta):
    """The change that adds, in each row, a number at one step and unit."""

    def change(value, step):
        return value + ops.take(ops.convert_to_tensor(delta), step, axis=1)

    return change


class Nudges:
    """A row for each gate and state of some cells: at a random step and unit, it is changed."""

    def __init__(self, record, mask, rng):
        self.rng, self.mask, self.places = rng, mask, []
        self._find(record)

    def _find(self, record):
        for part in _parts(record).values():
            self._find(part)
        if not _parts(record):
            for name in record._fields[:-1]:
                step = self.rng.choice(np.flatnonzero(self.mask))
                unit = self.rng.integers(getattr(record, name).shape[-1])
                self.places.append((record, name, step, unit))

    def changes(self, record):
        if _parts(record):
            return {key: self.changes(part) for key, part in _parts(record).items()}
        made = {}
        for row, (own, name, step, unit) in enumerate(self.places):
            if own is record:
                delta = np.zeros((2 * len(self.places), *getattr(record, name).shape[1:]))
                delta[2 * row, step, unit], delta[2 * row + 1, step, unit] = EPSILON, -EPSILON
                made[name] = nudge(delta)
        return made


def _parts(record):
    if isinstance(record, dict):
        return record
    if not hasattr(record, "_fields"):
        return dict(enumerate(record))
    return record._asdict() if record._fields == ("forward", "backward") else {}


def check(model, x, mask, rng):
    """Gradients of one row against central differences of all fields, each in rows of its own."""
    traces = kit.trace(model, x)
    y = rng.normal(size=traces.outputs.shape)
    gradients = kit.trace_gradients(model, x, y, loss=squares)
    nudges = Nudges(dict(traces), mask, rng)
    count = 2 * len(nudges.places)
    edited = kit.edit(model, np.repeat(x, count, axis=0), nudges.changes(dict(traces)))
    losses = ((edited.outputs - y) ** 2).reshape(count, -1).mean(1)
    found = {id(old): new for old, new in zip(*map(_records, (traces, gradients)), strict=True)}
    for (old, name, step, unit), up, down in zip(
        nudges.places, losses[::2], losses[1::2], strict=True
    ):
        record, wanted = found[id(old)], (up - down) / (2 * EPSILON)
        if name == "cell":  # the edit changes it after the step, the gradient counts all
            hidden = record.hidden * old.output * (1 - np.tanh(old.cell) ** 2)
            wanted = wanted + hidden[0, step, unit]
        np.testing.assert_allclose(
            getattr(record, name)[0, step, unit], wanted, rtol=1e-5, atol=1e-9, err_msg=name
        )
    return gradients


def _records(traces):
    return [record for _, record in flat_traces(traces)]


@pytest.mark.parametrize(
    "kind",
    where_compiled(
        ["backwards", "rnn_of_cells", "kit_learned"],
        [
            *("gru_reset_before", "backwards", "rnn_of_cells"),
            *("bidirectional", "kit_stack", "kit_learned"),
        ],
    ),
)
def test_gradients_are_central_differences(kind, float64):
    mask = MASKS["holes"][1]
    x = np.where(mask[:, None], sequences(dtype="float64")[:1], 0)
    gradients = check(model_of(KINDS[kind](), dtype="float64"), x, mask, np.random.default_rng(8))
    for _, record in flat_traces(gradients):
        if record.origin.cell != "StackedRNNCells":
            for field in record[:-1]:
                assert not field[~record.mask].any()
                assert field[record.mask].any()


@pytest.mark.slow
def test_a_layer_that_is_called_twice_has_gradients_for_each_call(float64):
    model, x = Tagger(), sequences(dtype="float64")[:1]
    model(x, training=True)
    check(randomized(model), x, np.ones(STEPS, bool), np.random.default_rng(2))


def test_the_loss_of_the_model_is_the_default_and_the_model_stays():
    model = model_of(L.LSTM(3, name="lstm"))
    x, y = sequences(MASKS["holes"]), np.ones((3, 3), "float32")
    with pytest.raises(ValueError, match=r"`loss` must be given.* Received: loss=None"):
        kit.trace_gradients(model, x, y)
    wanted = kit.trace_gradients(model, x, y, loss="mean_squared_error")
    model.compile(loss="mean_squared_error")
    variables = [to_numpy(variable) for variable in model.variables]
    found = kit.trace_gradients(model, x, y)
    for field in found["lstm"]._fields:
        mine, other = getattr(found["lstm"], field), getattr(wanted["lstm"], field)
        np.testing.assert_allclose(mine, other, rtol=1e-6)
    for old, new in zip(variables, model.variables, strict=True):
        np.testing.assert_array_equal(old, to_numpy(new))
    np.testing.assert_array_equal(found.outputs, kit.trace(model, x).outputs)
    np.testing.assert_array_equal(found["lstm"].mask, MASKS["holes"])
    # The loss looks at the last state alone, and a mean has this gradient.
    gradient = 2 * (found.outputs - y) / y.size
    np.testing.assert_allclose(found["lstm"].hidden[1, 3], gradient[1], rtol=1e-5)


def test_a_layer_in_time_distributed():
    inputs = keras.Input((4, STEPS, FEATURES))
    outer = L.TimeDistributed(L.GRU(3), name="outer")(inputs)
    model = randomized(keras.Model(inputs, outer))
    x = np.random.default_rng(0).normal(size=(2, 4, STEPS, FEATURES)).astype("float32")
    y = np.zeros((2, 4, 3), "float32")
    gradients = kit.trace_gradients(model, x, y, loss="mse")
    assert gradients["outer"].hidden.shape == (2, 4, STEPS, 3)
    np.testing.assert_allclose(
        gradients["outer"].hidden[:, :, -1], 2 * gradients.outputs / y.size, rtol=1e-5
    )


def test_gradients_are_saved_like_traces(tmp_path):
    model = model_of(L.GRU(3, name="gru"), masked=False)
    gradients = kit.trace_gradients(model, sequences(), np.ones((3, 3)), loss="mse")
    gradients.save(tmp_path / "gradients.npz")
    loaded = kit.Traces.load(tmp_path / "gradients.npz")
    np.testing.assert_array_equal(loaded["gru"].hidden, gradients["gru"].hidden)
