"""Models wired at random are traced exactly."""

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st

import keras_rnnkit as kit
from tests.support.witness import check_traces, randomized

L = keras.layers
STEPS, WIDTH = 4, 3

# All take and return `(batch, STEPS, WIDTH)`.
RECURRENT = (
    lambda: L.LSTM(WIDTH, return_sequences=True),
    lambda: L.GRU(WIDTH, return_sequences=True, reset_after=False),
    lambda: L.SimpleRNN(WIDTH, return_sequences=True, go_backwards=True),
    lambda: L.RNN([L.GRUCell(2), L.LSTMCell(WIDTH)], return_sequences=True),
    lambda: L.Bidirectional(L.GRU(WIDTH, return_sequences=True), merge_mode="ave"),
    lambda: kit.LSTM(WIDTH, return_sequences=True),
    lambda: kit.MinGRU(WIDTH, return_sequences=True),
    lambda: kit.StackedRNN([2, WIDTH], cell="gru", return_sequences=True),
)


class Block(L.Layer):
    """A layer with a recurrent one in it, which it calls in its own code."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.norm = [inner], L.LayerNormalization()
        self.supports_masking = True

    def build(self, shape):
        self.inner[0].build(shape)
        self.norm.build(shape)

    def call(self, inputs, mask=None):
        return self.norm(inputs + self.inner[0](inputs, mask=mask))


def nested(inner):
    inputs = keras.Input((STEPS, WIDTH))
    return keras.Model(inputs, L.Dense(WIDTH)(inner(inputs)))


WRAPPERS = (lambda inner: inner, Block, nested)


@st.composite
def plans(draw):
    """Layers, and for each call which layer it is and which earlier tensors it takes."""
    kinds = st.tuples(st.sampled_from(RECURRENT), st.sampled_from(WRAPPERS))
    layers = draw(st.lists(kinds, min_size=1, max_size=3))
    count = draw(st.integers(len(layers), 4))
    calls = [
        (
            i if i < len(layers) else draw(st.integers(0, len(layers) - 1)),
            draw(st.lists(st.integers(0, i + 1), min_size=1, max_size=2)),
        )
        for i in range(count)
    ]
    return layers, calls, draw(st.booleans())


def wired(layers, calls, masked):
    layers = [wrap(make()) for make, wrap in layers]
    inputs = [keras.Input((STEPS, WIDTH)) for _ in range(2)]
    tensors = [L.Masking()(x) if masked else x for x in inputs]
    for layer, sources in calls:
        parts = [tensors[i] for i in sources]
        tensors.append(layers[layer](L.Add()(parts) if len(parts) > 1 else parts[0]))
    return keras.Model(inputs, [tensors[-1], L.Dense(1)(L.Add()(tensors[2:] * 2))])


# PyTorch compiles nothing.
EXAMPLES = 12 if keras.config.backend() == "torch" else 4


# Keras passes no mask through a model in a model.
@pytest.mark.filterwarnings("ignore:Layer 'functional:UserWarning")
@hypothesis.settings(max_examples=EXAMPLES, deadline=None)
@hypothesis.given(plan=plans(), seed=st.integers(0, 9))
def test_a_model_wired_at_random_is_traced_exactly(plan, seed):
    layers, calls, masked = plan
    model = randomized(wired(layers, calls, masked), seed)
    rng = np.random.default_rng(seed)
    x = [rng.normal(size=(2, STEPS, WIDTH)).astype("float32") for _ in range(2)]
    if masked:
        x = [np.where(rng.random((2, STEPS, 1)) < 0.3, 0, part).astype("float32") for part in x]
    check_traces(model, x)
