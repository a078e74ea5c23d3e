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
