"""Streams: fed step by step, a model gives the outputs for the whole sequence."""

from itertools import pairwise

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_rnnkit as kit
from tests.support.cases import (
    CASES,
    MASKS,
    NAMESAKES,
    assert_close,
    few_where_compiled,
    to_numpy,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5, 4)).astype("float32")
LAYERS = keras.layers


def sequential(*layers):
    return keras.Sequential([keras.Input((None, 4)), *layers])


# The cells without kernels have one path.
PATHS = [(case, path) for case in CASES for path in ("auto", "portable")[: 1 + (case in NAMESAKES)]]
PATHS = [pytest.param(*PATHS[0], marks=pytest.mark.xla), *few_where_compiled(PATHS[1:])]


@pytest.mark.parametrize(
    "return_sequences",
    [pytest.param(False, marks=pytest.mark.slow_on("jax", "tensorflow")), True],
)
@pytest.mark.parametrize(("case", "path"), PATHS, ids=lambda of: getattr(of, "name", of))
def test_steps_give_the_output_of_the_whole_sequence(case, return_sequences, path):
    options = {"return_sequences": return_sequences, "path": path, **case.options}
    model = sequential(case.layer(3, **options), LAYERS.Dense(2, activation="tanh"))
    whole = to_numpy(model(X))
    live = kit.stream(model)
    outputs = [to_numpy(live.step(X[:, t])) for t in range(5)]
    assert outputs[0].shape == (3, 2)
    found = np.stack(outputs, axis=1) if return_sequences else outputs[-1]
    assert_close(found, whole, atol=1e-6)
    assert len(live.states) == 1


@pytest.mark.slow_on("tensorflow")
@settings(max_examples=15, deadline=None)
@given(cuts=st.sets(st.integers(1, 4)), mask=st.sampled_from(sorted(MASKS)))
def test_any_chunks_and_masks_give_the_output_of_the_whole_sequence(cuts, mask):
    kept = MASKS[mask]
    x = X if kept is None else np.where(kept[..., None], X, 0)
    for stack in STACKS:
        whole = stack(x)
        live = kit.stream(stack)
        starts = [0, *sorted(cuts), 5]
        parts = [to_numpy(live.chunk(x[:, a:b])) for a, b in pairwise(starts)]
        assert_close(np.concatenate(parts, axis=1), whole, atol=1e-6)


STACKS = [
    sequential(LAYERS.Masking(), kit.StackedRNN([3, 2], return_sequences=True, residual=True)),
    sequential(LAYERS.Masking(), kit.RNN(keras.layers.GRUCell(3), return_sequences=True)),
]


def test_word_numbers_and_a_fixed_length():
    model = keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            LAYERS.Embedding(10, 4, mask_zero=True),
            kit.StackedRNN([8, 8], dropout=0.3, layer_norm=True),
            LAYERS.Dense(1, activation="sigmoid"),
        ]
    )
    words = RNG.integers(0, 10, (3, 5)).astype("int32")
    live = kit.stream(model)
    for t in range(5):
        output = live.step(words[:, t])
    assert_close(output, model(words), atol=1e-6)


def test_learned_initial_states_and_left_padding():
    layer = kit.LearnedInitialState(kit.LSTM(3, return_sequences=True), initializer="ones")
    model = sequential(LAYERS.Masking(), layer)
    x = np.where(MASKS["left-padded"][..., None], X, 0)
    live = kit.stream(model)
    outputs = [to_numpy(live.step(x[:, t])) for t in range(5)]
    assert_close(np.stack(outputs, axis=1), model(x), atol=1e-6)


def test_learned_first_states_of_a_stack():
    stack = kit.StackedRNN([3, 2], cell=["lstm", "gru"], return_sequences=True, layer_norm=True)
    model = sequential(kit.LearnedInitialState(stack, keras.initializers.RandomNormal(seed=1)))
    live = kit.stream(model)
    outputs = [to_numpy(live.step(X[:, t])) for t in range(5)]
    assert_close(np.stack(outputs, axis=1), model(X), atol=1e-6)


def test_the_masks_of_a_functional_model():
    words = keras.Input((None,), dtype="int32")
    x = LAYERS.Embedding(9, 4, mask_zero=True)(words)
    masked = keras.Model(words, kit.LSTM(3)(x))
    tokens = np.array([[0, 0, 3, 4, 0], [1, 0, 2, 0, 5]], "int32")
    live = kit.stream(masked)
    for t in range(5):
        output = live.step(tokens[:, t])
    assert_close(output, masked(tokens), atol=1e-6)

    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, kit.GRU(3)(LAYERS.Masking()(inputs)))
    x = np.where(MASKS["holes"][..., None], X, 0)
    live = kit.stream(model)
    live.chunk(x[:, :2])
    assert_close(live.chunk(x[:, 2:]), model(x), atol=1e-6)


def test_an_operation_over_all_steps_is_refused_where_a_mask_makes_it():
    inputs = keras.Input((None, 4))
    empty = keras.ops.any(inputs != 0, axis=1)
    model = keras.Model(inputs, [kit.GRU(3)(inputs), empty])
    with pytest.raises(ValueError, match="several steps"):
        kit.stream(model)


@pytest.mark.parametrize("layer", [kit.MinGRU, kit.MinLSTM, kit.RGLRU])
def test_minimal_layers(layer):
    model = sequential(LAYERS.Masking(), layer(3, return_sequences=True))
    x = np.where(MASKS["holes"][..., None], X, 0)
    live = kit.stream(model)
    parts = [to_numpy(live.chunk(x[:, a:b])) for a, b in ((0, 2), (2, 5))]
    assert_close(np.concatenate(parts, axis=1), model(x), atol=1e-6)


def test_streams_know_nothing_of_each_other():
    model = sequential(kit.LSTM(3))
    first = kit.stream(model)
    first.chunk(X[:, :3])
    second = first.copy()
    third = kit.stream(model)
    assert_close(second.chunk(X[:, 3:]), model(X), atol=1e-6)
    assert_close(third.chunk(X[:, :3]), model(X[:, :3]), atol=1e-6)
    assert_close(first.chunk(X[:, 3:]), model(X), atol=1e-6)
    first.reset()
    assert first.states is None
    assert_close(first.chunk(X[:1]), model(X[:1]), atol=1e-6)


def test_the_weights_are_those_of_the_moment():
    model = sequential(kit.LSTM(3))
    live = kit.stream(model)
    live.chunk(X)
    model.set_weights([2 * w for w in model.get_weights()])
    live.reset()
    assert_close(live.chunk(X), model(X), atol=1e-6)


def test_a_stateful_model_keeps_its_own_states():
    layer = kit.LSTM(3, stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=(3, 5, 4)), layer])
    model(X)
    before = [to_numpy(state) for state in layer.states]
    live = kit.stream(model)
    first = to_numpy(live.chunk(2 * X))
    assert_close(layer.states, before)
    model.layers[0].reset_state()
    assert_close(first, model(2 * X), atol=1e-6)


def test_several_inputs_and_outputs():
    a, b = keras.Input((None, 4)), keras.Input((None, 2))
    h = kit.GRU(3, return_sequences=True)(LAYERS.Concatenate()([a, b]))
    model = keras.Model([a, b], {"every": h, "last": kit.LSTM(2)(h)})
    data = [X, X[..., :2]]
    whole = model(data)
    live = kit.stream(model)
    outputs = [live.step([x[:, t] for x in data]) for t in range(5)]
    assert_close(outputs[-1]["last"], whole["last"], atol=1e-6)
    assert_close(outputs[-1]["every"], whole["every"][:, -1], atol=1e-6)


class Own(LAYERS.Layer):
    def call(self, x):
        return 2 * x


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (LAYERS.GlobalAveragePooling1D(), "global_average.*several steps"),
        (LAYERS.Conv1D(2, 3, padding="causal"), "Conv1D.*several steps"),
        (kit.Bidirectional(kit.LSTM(3, return_sequences=True)), "begins at the end"),
        (kit.StackedRNN([3], bidirectional=True), "begins at the end"),
        (kit.LSTM(3, go_backwards=True), "backwards"),
        (LAYERS.LSTM(3), "from_keras"),
        (LAYERS.LayerNormalization(axis=1), "`axis`"),
        (Own(), "stepwise"),
    ],
)
def test_what_needs_the_whole_sequence_is_refused(layer, words):
    model = keras.Sequential([keras.Input((5, 4)), layer])
    with pytest.raises(ValueError, match=f"(?s){words}"):
        kit.stream(model)


@pytest.mark.parametrize(
    "mix",
    [lambda h: keras.ops.max(h, axis=1), lambda h: keras.ops.flip(h, axis=1), lambda h: h[:, 0]],
)
def test_operations_over_time_are_refused(mix):
    inputs = keras.Input((5, 4))
    model = keras.Model(inputs, mix(kit.GRU(3, return_sequences=True)(inputs)))
    with pytest.raises(ValueError, match="operation"):
        kit.stream(model)


def test_operations_on_elements_are_not():
    inputs = keras.Input((5, 4))
    h = kit.GRU(4, return_sequences=True)(inputs)
    model = keras.Model(inputs, kit.LSTM(2)(keras.ops.tanh(h) + 0.5 * inputs))
    live = kit.stream(model)
    live.chunk(X[:, :2])
    assert_close(live.chunk(X[:, 2:]), model(X), atol=1e-6)


class OwnModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.rnn = kit.GRU(3)

    def call(self, x):
        return 2 * self.rnn(x)


def test_own_models_in_stepwise():
    model = OwnModel()
    whole = model(X)
    with pytest.raises(ValueError, match="stepwise"):
        kit.stream(model)
    live = kit.stream(model, stepwise=(OwnModel,))
    live.chunk(X[:, :2])
    assert_close(live.chunk(X[:, 2:]), whole, atol=1e-6)


def test_states_given_inside_the_model_are_refused():
    inputs, state = keras.Input((5, 4)), keras.Input((3,))
    model = keras.Model([inputs, state], kit.GRU(3)(inputs, initial_state=state))
    with pytest.raises(ValueError, match="initial_state"):
        kit.stream(model).chunk([X, X[:, 0, :3]])


def test_own_layers_in_stepwise():
    model = sequential(Own(), kit.LSTM(3))
    assert_close(kit.stream(model, stepwise=(Own,)).chunk(X), model(X), atol=1e-6)


def test_misuse_says_what_to_do():
    with pytest.raises(TypeError, match="built"):
        kit.stream(keras.Sequential([kit.LSTM(3)]))
    live = kit.stream(sequential(kit.LSTM(3)))
    live.step(X[:, 0])
    with pytest.raises(ValueError, match=r"batch size, which is 3.*batch_size=1$"):
        live.step(X[:1, 0])
    with pytest.raises(ValueError, match="one time step"):
        live.chunk(X[:, :0])
    with pytest.raises(ValueError, match="`chunk` takes several"):
        live.step(X[:, :1])
    with pytest.raises(ValueError, match="`step` takes one"):
        live.chunk(X[:, 0])
    shared, inputs = kit.LSTM(4, return_sequences=True), keras.Input((None, 4))
    twice = keras.Model(inputs, shared(shared(inputs)))
    with pytest.raises(ValueError, match="more than once"):
        kit.stream(twice).chunk(X)
