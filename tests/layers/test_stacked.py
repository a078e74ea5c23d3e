"""`StackedRNN` against chains of layers, and what it adds to them."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops, tree

import keras_rnnkit as kit
from tests.support.cases import MASKS, assert_close, to_numpy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5, 4)).astype("float32")
Y = np.array([[0.0], [1.0], [0.0]], "float32")


@keras.saving.register_keras_serializable(package="tests")
class Leaky(keras.layers.Layer):
    """A foreign cell."""

    def __init__(self, units, rate=0.5, **kwargs):
        super().__init__(**kwargs)
        self.units, self.rate, self.state_size = units, rate, units
        self.dense = keras.layers.Dense(units)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, inputs, states):
        h = self.rate * states[0] + self.dense(inputs)
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units, "rate": self.rate}


def trained(layers):
    """The losses of a few epochs, and the model, all drawn with one seed."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5, 4)), *layers(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model.fit(X, Y, epochs=3, verbose=0).history["loss"], model


def test_the_chapters_stack_trains_as_two_keras_layers():
    lstm = partial(keras.layers.LSTM, 8, dropout=0.3)
    mine, stack = trained(lambda: [kit.StackedRNN([8, 8], dropout=0.3)])
    theirs, chain = trained(lambda: [lstm(return_sequences=True), lstm()])
    assert_close(mine, theirs)
    for a, b in zip(stack.get_weights(), chain.get_weights(), strict=True):
        assert_close(a, b, atol=1e-6)


def test_the_chapters_parameters():
    model = keras.Sequential([keras.Input((100,)), keras.layers.Embedding(500, 16)])
    model.add(kit.StackedRNN([8, 8], dropout=0.3))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    assert [layer.count_params() for layer in model.layers[1].layers] == [800, 544]
    assert model.count_params() == 9353


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_a_stack_is_a_chain(mask, bidirectional, return_sequences):
    stack = kit.StackedRNN(
        [3, 2],
        cell=["gru", kit.LSTMCell],
        bidirectional=bidirectional,
        return_sequences=return_sequences,
    )
    found = stack(X, mask=mask)
    first = kit.GRU(3, return_sequences=True)
    second = kit.LSTM(2, return_sequences=return_sequences)
    if bidirectional:
        first, second = kit.Bidirectional(first), kit.Bidirectional(second)
    h = first(X, mask=mask)
    second(h, mask=mask)
    chained = [first, second]
    for mine, other in zip(stack.layers, chained, strict=True):
        other.set_weights(mine.get_weights())
    assert_close(found, second(first(X, mask=mask), mask=mask))


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_residual_connections_and_layer_norms(mask, bidirectional, return_sequences):
    options = {"bidirectional": bidirectional, "residual": True, "layer_norm": True}
    stack = kit.StackedRNN([3, 3, 2], return_sequences=return_sequences, **options)
    found = stack(X, mask=mask)
    names = [layer.name for layer in stack.layers]
    assert names == ["rnn_0", "norm_1", "rnn_1", "norm_2", "rnn_2", "projection_2"]
    rnn_0, norm_1, rnn_1, norm_2, rnn_2, projection = stack.layers
    x = rnn_0(X, mask=mask)
    x = x + rnn_1(norm_1(x), mask=mask)
    if not return_sequences:
        last = rnn_2(norm_2(x), mask=mask)
        kept = np.ones((3, 5), bool) if mask is None else mask
        ends = [np.flatnonzero(row)[-1] if row.any() else 4 for row in kept]
        x = ops.stack([x[i, end] for i, end in enumerate(ends)])
        assert_close(found, projection(x) + last)
    else:
        assert_close(found, projection(x) + rnn_2(norm_2(x), mask=mask))


def test_states_by_name_start_another_stack():
    whole = kit.StackedRNN([3, 2], return_state=True, return_sequences=True)
    output, states = whole(X)
    assert list(states) == ["rnn_0", "rnn_1"]
    assert tuple(states["rnn_0"].cell.shape) == (3, 3)
    assert_close(states["rnn_1"].hidden, output[:, -1])
    first, middle = whole(X[:, :2])
    for start in (middle, list(middle.values()), tree.flatten(list(middle.values()))):
        second, last = whole(X[:, 2:], initial_state=start)
        assert_close(ops.concatenate([first, second], axis=1), output)
        assert_close(last, states)


def test_an_encoder_starts_a_decoder(tmp_path):
    source, target = keras.Input((5, 4)), keras.Input((3, 2))
    encoder = kit.StackedRNN([3, 2], bidirectional=True, return_state=True, name="encoder")
    _, states = encoder(keras.layers.Masking()(source))
    decoder = kit.StackedRNN([6, 4], return_sequences=True, name="decoder")
    output = decoder(target, initial_state=kit.merge_states(states))
    model = keras.Model([source, target], output)
    data = [np.where(MASKS["right-padded"][..., None], X, 0), X[:, :3, :2]]
    found = model(data)
    _, states = encoder(data[0], mask=MASKS["right-padded"])
    both = states["rnn_1"]
    joined = kit.merge_states(states)["rnn_1"].cell
    assert_close(joined, ops.concatenate([both.forward.cell, both.backward.cell], axis=-1))
    assert_close(found, decoder(data[1], initial_state=kit.merge_states(states)))
    model.save(tmp_path / "model.keras")
    assert_close(keras.models.load_model(tmp_path / "model.keras")(data), found)


@pytest.mark.parametrize("mode", ["sum", "mul", "ave"])
def test_merged_states_of_the_same_width(mode):
    _, states = kit.StackedRNN([3], bidirectional=True, return_state=True)(X)
    forward, backward = states["rnn_0"].forward.hidden, states["rnn_0"].backward.hidden
    want = {"sum": forward + backward, "mul": forward * backward, "ave": (forward + backward) / 2}
    assert_close(kit.merge_states(states, mode)["rnn_0"].hidden, want[mode])


def test_merging_what_cannot_be_merged():
    _, states = kit.StackedRNN([3], return_state=True)(X)
    with pytest.raises(TypeError, match="two directions"):
        kit.merge_states(states)
    with pytest.raises(TypeError, match="dict"):
        kit.merge_states("states")
    with pytest.raises(TypeError, match=r"as many of the backward one.*Received: types=\['"):
        kit.merge_states([X])
    with pytest.raises(
        ValueError, match=r"same shape.*forward\.shape=\(3, 4\), backward\.shape=\(3, 3\)$"
    ):
        kit.merge_states([X[:, 0], X[:, 0, :3]], "sum")


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave"])
def test_merged_states_of_a_bidirectional(mode):
    _, *states = kit.Bidirectional(kit.LSTM(3, return_state=True))(X)
    merged = kit.merge_states(states, mode)
    h, c, back_h, back_c = map(to_numpy, states)
    want = {
        "concat": [np.concatenate(pair, -1) for pair in ((h, back_h), (c, back_c))],
        "sum": [h + back_h, c + back_c],
        "mul": [h * back_h, c * back_c],
        "ave": [(h + back_h) / 2, (c + back_c) / 2],
    }
    assert_close(merged, want[mode])
    decoder = kit.LSTM(merged[0].shape[-1])
    assert tuple(decoder(X, initial_state=merged).shape) == tuple(merged[0].shape)


def test_merged_states_of_a_bidirectional_around_a_stack_of_cells():
    encoder = kit.Bidirectional(kit.RNN([kit.LSTMCell(3), kit.GRUCell(2)], return_state=True))
    _, *states = encoder(X)
    merged = kit.merge_states(states)
    (h, c), g, (back_h, back_c), back_g = states
    want = [[(h, back_h), (c, back_c)], (g, back_g)]
    want = [ops.concatenate(pair, -1) for pair in (*want[0], want[1])]
    assert_close(tree.flatten(merged), want)
    decoder = kit.RNN([kit.LSTMCell(6), kit.GRUCell(4)])
    assert tuple(decoder(X, initial_state=merged).shape) == (3, 4)
    with pytest.raises(ValueError, match=r"`mode`.*'max'"):
        kit.merge_states(states, "max")


@pytest.mark.parametrize("bidirectional", [False, True])
def test_traces_come_with_the_output_and_on_request(bidirectional):
    stack = kit.StackedRNN(
        [3, 2], cell=["lstm", "gru"], bidirectional=bidirectional, return_gates=True
    )
    output, traces = stack(X, mask=MASKS["holes"])
    assert list(traces) == ["rnn_0", "rnn_1"]
    last = traces["rnn_1"]
    hidden = ops.concatenate([last.forward.hidden[:, -1], last.backward.hidden[:, 0]], axis=-1) \
        if bidirectional else last.hidden[:, -1]  # fmt: skip
    assert_close(hidden, output)
    assert_close(stack.trace(X, mask=MASKS["holes"]), traces)
    quiet = kit.StackedRNN([3, 2], cell=["lstm", "gru"], bidirectional=bidirectional)
    quiet(X)
    quiet.set_weights(stack.get_weights())
    assert_close(quiet.trace(X, mask=MASKS["holes"]), traces)


def test_stateful_stacks_carry_reset_and_save(tmp_path):
    def make(stateful):
        return keras.Sequential(
            [keras.Input(batch_shape=(3, None, 4)), kit.StackedRNN([3, 2], stateful=stateful)]
        )

    model, plain = make(True), make(False)
    plain.set_weights(model.get_weights())
    model.predict(X[:, :2], batch_size=3, verbose=0)
    model.save(tmp_path / "model.keras")
    model.layers[0].trace(X)  # moves nothing
    want = plain.predict(X, batch_size=3, verbose=0)
    assert_close(model.predict(X[:, 2:], batch_size=3, verbose=0), want)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(loaded.predict(X[:, 2:], batch_size=3, verbose=0), want)
    assert kit.reset_states(model) == 2
    assert_close(model.predict(X, batch_size=3, verbose=0), want)
    model.layers[0].reset_state()
    assert_close(model.predict(X, batch_size=3, verbose=0), want)


@pytest.mark.parametrize(
    "cell",
    [
        "lstm",
        kit.GRUCell,
        Leaky,
        lambda units: kit.LSTMCell(units, use_bias=False),
        [kit.SimpleRNNCell(3), keras.layers.GRUCell(2, reset_after=False)],
        ["gru", Leaky],
    ],
    ids=["name", "class", "foreign class", "function", "cells", "mixed"],
)
def test_every_kind_of_cell_is_saved_and_cloned(cell, tmp_path):
    stack = kit.StackedRNN([3, 2], cell=cell, residual=True, layer_norm=True)
    model = keras.Sequential([keras.Input((5, 4)), stack])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(loaded(X), model(X))
    for name, value in loaded.layers[0].get_config().items():
        assert name == "cell" or value == stack.get_config()[name]
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert_close(clone(X), model(X))


def test_options_reach_the_cells_and_survive_the_config():
    stack = kit.StackedRNN(
        [3, 2],
        dropout=[0.0, 0.5],
        recurrent_dropout=0.25,
        cell_options={"use_bias": False, "kernel_regularizer": keras.regularizers.L2(0.5)},
        seed=7,
        bidirectional=True,
        merge_mode="sum",
        stateful=True,
        path="portable",
        return_sequences=True,
        dtype="mixed_bfloat16",
    )
    config = stack.get_config()
    copy = kit.StackedRNN.from_config(config)
    assert copy.get_config() == config
    first, second = (layer.forward_layer for layer in copy.recurrent_layers)
    assert (first.cell.dropout, second.cell.dropout) == (0.0, 0.5)
    assert (first.cell.seed, second.cell.seed) == (7, 8)
    assert second.cell.recurrent_dropout == 0.25
    assert not second.cell.use_bias
    assert second.cell.kernel_regularizer.l2 == 0.5
    assert first.requested_path == "portable"
    assert keras.backend.standardize_dtype(copy(X).dtype) == "bfloat16"


def test_one_cell_from_a_function_is_refused():
    cell = kit.GRUCell(8)
    with pytest.raises(ValueError, match="same cell"):
        kit.StackedRNN([8, 8], cell=lambda units: cell)


@pytest.mark.parametrize("cell", ["peephole_lstm", "lstm"])
def test_the_dtype_and_a_seed_of_zero_reach_the_cells(cell):
    stack = kit.StackedRNN([3, 2], cell=cell, dropout=0.5, seed=0, dtype="mixed_bfloat16")
    assert [layer.cell.seed for layer in stack.layers] == [0, 1]
    assert {layer.cell.compute_dtype for layer in stack.layers} == {"bfloat16"}


def test_a_foreign_class_keeps_its_options_through_the_config():
    stack = kit.StackedRNN([3], cell=Leaky, cell_options={"rate": 0.25})
    assert kit.StackedRNN.from_config(stack.get_config()).layers[0].cell.rate == 0.25


def test_explained_and_summarised():
    model = keras.Sequential([keras.Input((5, 4)), keras.layers.Masking()])
    model.add(kit.StackedRNN([3, 2], bidirectional=True))
    rows = kit.explain(model)
    assert [row.layer for row in rows] == [
        "forward_rnn_0", "backward_rnn_0", "forward_rnn_1", "backward_rnn_1"
    ]  # fmt: skip
    lines = []
    model.summary(expand_nested=True, print_fn=lines.append)
    assert "rnn_1 (Bidirectional)" in "".join(lines)


def test_the_mask_is_passed_on_by_the_stack():
    inputs = keras.layers.Masking()(keras.Input((5, 4)))
    stack = kit.StackedRNN([3], return_sequences=True, return_state=True)
    output, _ = stack(inputs)
    assert output._keras_mask is not None
    assert getattr(kit.StackedRNN([3])(inputs), "_keras_mask", None) is None


def test_shapes_are_known_ahead():
    stack = kit.StackedRNN([3, 2], bidirectional=True, return_state=True, return_gates=True)
    shapes = stack.compute_output_shape((3, 5, 4))
    found = tree.map_structure(lambda tensor: tuple(tensor.shape), stack(X))
    assert tree.flatten(shapes) == tree.flatten(found)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"units": 8}, "`units`.*list.*8"),
        ({"units": []}, "`units`"),
        ({"units": [8, 0]}, "`units`"),
        ({"units": [8, True]}, "`units`"),
        ({"units": [8], "cell": "ltsm"}, "'lstm'.*'ltsm'"),
        ({"units": [8], "cell": ["lstm", "gru"]}, "`cell`.*2"),
        ({"units": [8], "cell": keras.layers.Dense(8)}, "`state_size`"),
        ({"units": [8], "cell": lambda units: object()}, "`call`"),
        ({"units": [8], "cell": kit.GRUCell(4)}, r"cell\.units=4, units=8$"),
        ({"units": [8, 8], "cell": [kit.GRUCell(8)] * 2}, "same cell"),
        ({"units": [8, 8], "cell": kit.LSTM}, "not a layer.*Received: cell="),
        ({"units": [8], "cell": kit.GRUCell, "dropout": 1.5}, "`dropout`.*1.5"),
        (
            {"units": [8], "cell": kit.GRUCell(8), "dropout": 0.5},
            r"must be set there\. Received: dropout=0\.5$",
        ),
        ({"units": [8, 8], "dropout": [0.1]}, "`dropout`.*2 layers"),
        ({"units": [8, 4], "residual": "identity"}, r"the same width.*Received: widths=\[8, 4\]$"),
        ({"units": [8], "residual": 1}, "`residual`"),
        ({"units": [8], "bidirectional": True, "merge_mode": None}, "`merge_mode`"),
        ({"units": [8], "path": "quick"}, "`path`"),
        (
            {"units": [8], "cell_options": {"return_sequences": True}},
            "Pass it to the stack.*'return_sequences'",
        ),
        ({"units": [8], "cell_options": {"dropout": 0.5}}, "Pass it to the stack.*'dropout'"),
        ({"units": [8], "seed": keras.random.SeedGenerator(0)}, "`seed`.*integer"),
        ({"units": [8], "cell": "min_gru", "recurrent_dropout": 0.5}, "no `recurrent_dropout`"),
    ],
)
def test_misuse_says_what_to_do(options, words):
    with pytest.raises(ValueError, match=words):
        kit.StackedRNN(**options)


def test_wrong_data_says_what_to_do():
    stack = kit.StackedRNN([3, 2])
    with pytest.raises(ValueError, match=r"\(batch, time, features\).*\(3, 4\)"):
        stack(X[:, 0])
    with pytest.raises(ValueError, match=r"names 'rnn_0', 'rnn_1'; missing: 'rnn_1'"):
        stack(X, initial_state={"rnn_0": [X[:, 0, :3]] * 2})
    with pytest.raises(ValueError, match=r"2 tensor\(s\) for layer 'rnn_1'.*len\(states\)=1$"):
        stack(X, initial_state=[[X[:, 0, :3]] * 2, [X[:, 0, :2]]])
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        stack(X, initial_state=[[X[:, 0, :2]] * 2, [X[:, 0, :2]] * 2])


def test_gradients_reach_every_layer():
    stack = kit.StackedRNN([3, 2], residual=True, layer_norm=True)
    model = keras.Sequential([keras.Input((5, 4)), stack])
    before = [to_numpy(w) for w in model.trainable_variables]
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.fit(X, Y * np.ones(2), verbose=0)
    for name, old, new in zip(
        [w.path for w in model.trainable_variables], before, model.trainable_variables, strict=True
    ):
        assert not np.allclose(old, to_numpy(new)), name
