"""Models wired at random are traced exactly, or refused by name."""

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st

import keras_rnnkit as kit
from keras_rnnkit.layers._walk import stateful_layers
from tests.support.cases import to_numpy
from tests.support.witness import check_traces, randomized

L = keras.layers
ROWS, STEPS, WIDTH = 2, 4, 3
# Keras refuses '/' in a name, PyTorch '.', and on TensorFlow a name is one of an operation too.
NAMES = (None, "my layer", "größe", "lstm", "lstm", "lstm:1", "lstm#2", "循環", "<b>")
if keras.config.backend() == "tensorflow":
    NAMES = (None, "a.b", "a_b", "lstm", "lstm", "lstm_1", "lstm-2")


# All take and return `(batch, STEPS, WIDTH)`.
RECURRENT = (
    lambda **o: L.LSTM(WIDTH, return_sequences=True, **o),
    lambda **o: L.GRU(WIDTH, return_sequences=True, reset_after=False, **o),
    lambda **o: L.SimpleRNN(WIDTH, return_sequences=True, go_backwards=True, **o),
    lambda **o: L.RNN([L.GRUCell(2), L.LSTMCell(WIDTH)], return_sequences=True, **o),
    lambda **o: L.Bidirectional(L.GRU(WIDTH, return_sequences=True), merge_mode="ave", **o),
    lambda **o: kit.LSTM(WIDTH, return_sequences=True, **o),
    lambda **o: kit.MinGRU(WIDTH, return_sequences=True, **o),
    lambda **o: kit.StackedRNN([2, WIDTH], cell="gru", return_sequences=True, **o),
    lambda **o: L.LSTM(WIDTH, return_sequences=True, stateful=True, **o),
    lambda **o: kit.GRU(WIDTH, return_sequences=True, stateful=True, **o),
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


class Twice(keras.Model):
    """A model of its own class, which calls its layer twice, and holds it in a dict."""

    def __init__(self, inner):
        super().__init__()
        self.parts, self.dense = {"inner": inner}, L.Dense(WIDTH)

    def build(self, shape):
        self.parts["inner"].build(shape)
        self.dense.build(shape)

    def call(self, inputs):
        inner = self.parts["inner"]
        return self.dense(inner(inner(inputs)))


def nested(inner):
    inputs = keras.Input((STEPS, WIDTH), batch_size=ROWS)
    return keras.Model(inputs, L.Dense(WIDTH)(inner(inputs)))


class InTime(L.Layer):
    """A recurrent layer in `TimeDistributed`: of the sequence, and of the sequence times two."""

    def __init__(self, inner, own):
        super().__init__()
        self.outer = own.TimeDistributed(inner)

    def build(self, shape):
        self.outer.build((shape[0], 2, *shape[1:]))

    def call(self, inputs):
        x = keras.ops.stack([inputs, 2 * inputs], axis=1)
        return keras.ops.sum(self.outer(x), axis=1)


WRAPPERS = (
    lambda inner: inner,
    Block,
    nested,
    Twice,
    lambda inner: InTime(inner, L),
    lambda inner: InTime(inner, kit),
)


@st.composite
def plans(draw):
    """Layers, and for each call which layer it is and which earlier tensors it takes."""
    kinds = st.tuples(st.sampled_from(RECURRENT), st.sampled_from(WRAPPERS), st.sampled_from(NAMES))
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
    top: set[str] = set()  # names in one graph have to be unique
    made = []
    for make, wrap, name in layers:
        layer = wrap(make(**({} if name is None or name in top else {"name": name})))
        top.add(layer.name)
        made.append(layer)
    layers = made
    inputs = [keras.Input((STEPS, WIDTH), batch_size=ROWS) for _ in range(2)]
    tensors = [L.Masking()(x) if masked else x for x in inputs]
    for layer, sources in calls:
        parts = [tensors[i] for i in sources]
        tensors.append(layers[layer](L.Add()(parts) if len(parts) > 1 else parts[0]))
    outputs = [tensors[-1], L.Dense(1)(L.Add()(tensors[2:] * 2))]
    return Written(inputs, outputs) if len(calls) % 2 else keras.Model(inputs, outputs)


class Written(keras.Model):
    """A functional model of a class of its own."""


def refusals(model):
    """Parts of the messages by which a model has to be refused."""
    in_time = [layer for layer in model._flatten_layers() if isinstance(layer, InTime)]
    return ["around the stateful layer"] if any(map(stateful_layers, in_time)) else []


# PyTorch compiles nothing.
EXAMPLES = 12 if keras.config.backend() == "torch" else 4


# Keras passes no mask through a model in a model, or a layer that does not know of masks.
@pytest.mark.filterwarnings("ignore:Layer '.*was passed an input with a mask:UserWarning")
@hypothesis.settings(max_examples=EXAMPLES, deadline=None)
@hypothesis.given(plan=plans(), seed=st.integers(0, 9))
def test_a_model_wired_at_random_is_traced_exactly_or_refused(plan, seed, tmp_path_factory):
    layers, calls, masked = plan
    model = randomized(wired(layers, calls, masked), seed)
    rng = np.random.default_rng(seed)
    x = [rng.normal(size=(ROWS, STEPS, WIDTH)).astype("float32") for _ in range(2)]
    if masked:
        x = [np.where(rng.random((ROWS, STEPS, 1)) < 0.3, 0, part).astype("float32") for part in x]
    states = [to_numpy(variable) for variable in model.non_trainable_variables]
    try:
        traces = kit.trace(model, x)
    except ValueError as error:
        reasons = ["Received: two layers or calls with the key=", *refusals(model)]
        if not any(reason in str(error) for reason in reasons):
            raise
        return
    for old, variable in zip(states, model.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(old, to_numpy(variable))
    check_traces(model, x)
    path = tmp_path_factory.mktemp("random") / "traces.npz"
    traces.save(path)
    assert list(kit.Traces.load(path)) == list(traces)
