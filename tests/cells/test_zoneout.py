"""`Zoneout` around cells of the kit, of Keras and of the user."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.backends import gradients
from tests.support.cases import MASKS, assert_close, to_numpy

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")


class Bare(keras.layers.Layer):
    """A cell that takes no `training`, and whose output is none of its states."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.state_size = [4, 4]

    def call(self, inputs, states):
        first, second = states
        new = keras.ops.tanh(inputs + 0.5 * first)
        return new + second, [new, 0.5 * second + inputs]


CELLS = {
    "lstm": lambda: kit.LSTMCell(3),
    "gru": lambda: kit.GRUCell(3),
    "min_lstm": lambda: kit.MinLSTMCell(3),
    "rglru": lambda: kit.RGLRUCell(3),
    "of keras": lambda: keras.layers.LSTMCell(3),
    "bare": Bare,
}
RATES = {"lstm": {"cell": 0.5, "hidden": 0.2}, "of keras": [0.2, 0.5], "bare": {"state_1": 0.4}}


def zoneout(name, seed=7, **kwargs):
    return kit.Zoneout(CELLS[name](), rate=RATES.get(name, 0.3), seed=seed, **kwargs)


def expected(cell, training, x, mask=None, seed=7):
    """Outputs and last states, step by step in NumPy around the wrapped cell."""
    twin = kit.Zoneout(cell.cell, rate=cell.rate, seed=seed)
    drawn = iter([to_numpy(mask) for mask in twin.draw_states(x.shape[1], x.shape[0])])
    masks = [next(drawn) if rate else None for rate in cell.rates]
    sizes = keras.tree.flatten(cell.state_size)
    states = [np.zeros((x.shape[0], size), "float32") for size in sizes]
    output, outputs = np.zeros((x.shape[0], 4 if isinstance(cell.cell, Bare) else 3)), []
    for t in range(x.shape[1]):
        new_output, new = cell.cell(x[:, t], list(states))
        new_output, new = to_numpy(new_output), [to_numpy(value) for value in new]
        for i, rate in enumerate(cell.rates):
            if rate and training:
                new[i] = np.where(masks[i][t], states[i], new[i])
            elif rate:
                new[i] = rate * states[i] + (1 - rate) * new[i]
        if not isinstance(cell.cell, Bare):
            new_output = new[0]
        keep = np.ones((x.shape[0], 1), bool) if mask is None else mask[:, t, None]
        states = [np.where(keep, n, s) for n, s in zip(new, states, strict=True)]
        output = np.where(keep, new_output, output)
        outputs.append(output)
    return [np.stack(outputs, axis=1), *states]


@pytest.mark.parametrize("mask", ["no mask", "holes", "an all-padding row"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("name", CELLS)
def test_the_numbers_are_those_of_the_equations(name, training, mask):
    mask = MASKS[mask]
    cell = zoneout(name)
    layer = kit.RNN(cell, return_sequences=True, return_state=True)
    got = layer(X, mask=mask, training=training)
    assert_close(got, expected(cell, training, X, mask))
    unrolled = kit.RNN(zoneout(name), return_sequences=True, return_state=True, unroll=True)
    unrolled.build(X.shape)
    unrolled.set_weights(layer.get_weights())
    assert_close(unrolled(X, mask=mask, training=training), got)


def test_masks_differ_in_every_step_row_unit_and_state_and_batch():
    cell = kit.Zoneout(kit.LSTMCell(50), rate={"hidden": 0.1, "cell": 0.5}, seed=3)
    layer = kit.RNN(cell, return_sequences=True, return_gates=True)
    x = np.random.default_rng(1).normal(size=(8, 30, 4)).astype("float32")
    for _ in range(2):
        _, trace = layer(x, training=True)
        for states, rate in ((to_numpy(trace.hidden), 0.1), (to_numpy(trace.cell), 0.5)):
            stayed = states[:, 1:] == states[:, :-1]
            assert abs(stayed.mean() - rate) < 0.02
            for axis in (0, 1, 2):
                share = stayed.mean(axis=axis)
                assert 0 < share.std() < 0.5
            assert (stayed[:, 0] != stayed[:, 1]).any()
    first = to_numpy(layer(x, training=True)[0])
    assert not np.allclose(first, to_numpy(layer(x, training=True)[0]))


def test_the_same_seed_draws_the_same():
    first, second = (kit.RNN(zoneout("gru", seed)) for seed in (5, 5))
    first(X), second(X)
    second.set_weights(first.get_weights())
    assert_close(first(X, training=True), second(X, training=True))
    third = kit.RNN(zoneout("gru", 600))
    third(X)
    third.set_weights(first.get_weights())
    assert not np.allclose(to_numpy(third(X, training=True)), to_numpy(second(X, training=True)))


@pytest.mark.parametrize("name", ["lstm", "of keras"])
def test_fit_draws_new_masks_in_every_batch(name):
    cell = kit.Zoneout(CELLS[name](), rate=0.5, seed=7)
    model = keras.Sequential(
        [keras.Input((None, 4)), kit.RNN(cell), keras.layers.Dense(1, trainable=False)]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse")
    losses = [model.fit(X, X[:, 0, :1], verbose=0).history["loss"][0] for _ in range(3)]
    assert len(set(losses)) == 3
    assert_close(model.predict(X, verbose=0), model.predict(X, verbose=0))
    assert_close(model.predict(X, verbose=0), model(X))


def test_gradients_pass_by_the_states_that_stay():
    def loss(layer, x):
        return keras.ops.sum(layer(x, training=True))

    cell = kit.Zoneout(kit.GRUCell(3), rate=0.4, seed=2)
    layer = kit.RNN(cell)
    layer.build(X.shape)
    (masks,) = (to_numpy(mask) for mask in cell.draw_states(5, 3))
    cell = kit.Zoneout(cell.cell, rate=0.4, seed=2)
    by_inputs = gradients(loss, kit.RNN(cell), X)[0]
    stayed = masks[-1].all(axis=-1)  # rows whose last step changed nothing
    np.testing.assert_array_equal((by_inputs[:, -1] == 0).all(axis=-1), stayed)


def test_dropout_of_the_wrapped_cell_is_drawn_once_a_sequence():
    inner = kit.SimpleRNNCell(
        40, dropout=0.5, seed=0, use_bias=False, recurrent_initializer="zeros",
        kernel_initializer="identity", activation="linear",
    )  # fmt: skip
    layer = kit.RNN(kit.Zoneout(inner, rate=0.0), return_sequences=True)
    outputs = to_numpy(layer(np.ones((2, 6, 40), "float32"), training=True))
    assert set(np.unique(outputs)) == {0.0, 2.0}
    assert (outputs == outputs[:, :1]).all()


def test_gates_are_those_of_the_wrapped_cell():
    layer = kit.RNN(zoneout("lstm"), return_gates=True, return_sequences=True)
    output, trace = layer(X, training=True)
    assert isinstance(trace, kit.LSTMTrace)
    assert_close(trace.hidden, output)
    foreign = kit.RNN(zoneout("of keras"), return_gates=True)
    assert foreign(X)[1]._fields == ("state_0", "state_1", "mask")
    stack = kit.RNN([zoneout("lstm"), zoneout("gru")], return_gates=True)
    first, second = stack(X, training=True)[1]
    assert isinstance(first, kit.LSTMTrace) and isinstance(second, kit.GRUTrace)


def test_a_stack_and_a_nest_draw_for_each_cell():
    cells = [kit.Zoneout(kit.GRUCell(20), 0.5, seed=1), kit.Zoneout(kit.GRUCell(20), 0.5, seed=2)]
    layer = kit.RNN(cells, return_gates=True)
    x = np.random.default_rng(1).normal(size=(8, 20, 4)).astype("float32")
    for trace in layer(x, training=True)[1]:
        stayed = to_numpy(trace.hidden)[:, 1:] == to_numpy(trace.hidden)[:, :-1]
        assert abs(stayed.mean() - 0.5) < 0.05
    nest = kit.Zoneout(kit.Zoneout(kit.GRUCell(20), 0.5, seed=1), 0.5, seed=2)
    trace = kit.RNN(nest, return_gates=True)(x, training=True)[1]
    stayed = to_numpy(trace.hidden)[:, 1:] == to_numpy(trace.hidden)[:, :-1]
    assert abs(stayed.mean() - 0.75) < 0.05


@pytest.mark.parametrize("name", ["lstm", "of keras"])
def test_a_cell_by_itself(name):
    cell = kit.Zoneout(CELLS[name](), rate=0.5, seed=1)
    states = [np.full((3, 3), 9.0, "float32")] * 2
    _, (h, _) = cell(X[:, 0], states, training=True)
    stayed = to_numpy(h) == 9
    assert stayed.any() and not stayed.all()
    output, (h, _) = cell(X[:, 0], states)
    inner = to_numpy(cell.cell(X[:, 0], states)[0])
    assert_close(h, 4.5 + inner / 2)
    assert_close(output, h)


def test_config_and_files(tmp_path):
    cell = kit.Zoneout(kit.LSTMCell(3, dropout=0.25), {"cell": 0.5}, seed=4, dtype="float32")
    copy = kit.Zoneout.from_config(cell.get_config())
    assert copy.get_config() == cell.get_config()
    assert copy.rates == [0.0, 0.5] and copy.cell.dropout == 0.25
    assert keras.saving.get_registered_name(kit.Zoneout) == "keras_rnnkit>Zoneout"
    model = keras.Sequential([keras.Input((5, 4)), kit.Bidirectional(kit.RNN(cell))])
    model.save(tmp_path / "model.keras")
    assert_close(keras.models.load_model(tmp_path / "model.keras")(X), model(X))
    layer = kit.RNN(kit.Zoneout(kit.GRUCell(3, dtype="mixed_bfloat16")), dtype="mixed_bfloat16")
    assert keras.utils.standardize_dtype(layer(X, training=True).dtype) == "bfloat16"


ERRORS = {
    "rate": (
        lambda: kit.Zoneout(kit.GRUCell(3), 1.0),
        ValueError,
        r"in \[0, 1\). Received: rate=1.0$",
    ),
    "count": (
        lambda: kit.Zoneout(kit.LSTMCell(3), [0.1]),
        ValueError,
        r"one number, or 2 for the states of LSTMCell \(hidden, cell\)\. Received: rate=\[0.1\]$",
    ),
    "name": (
        lambda: kit.Zoneout(kit.GRUCell(3), {"cell": 0.1}),
        ValueError,
        r"names of the states of GRUCell, 'hidden'\. Received: rate={'cell': 0\.1}$",
    ),
    "no cell": (lambda: kit.Zoneout(keras.layers.Dense(3)), TypeError, "one recurrent cell"),
    "stack": (
        lambda: kit.Zoneout(keras.layers.StackedRNNCells([kit.GRUCell(3)])),
        TypeError,
        "Wrap each cell of the stack",
    ),
}


@pytest.mark.parametrize(("misuse", "kind", "message"), ERRORS.values(), ids=ERRORS)
def test_a_misuse_is_explained(misuse, kind, message):
    with pytest.raises(kind, match=message):
        misuse()
