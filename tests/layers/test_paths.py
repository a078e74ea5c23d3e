"""Every path gives the same numbers."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_rnnkit as kit
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running import run
from keras_rnnkit.running.rule import (
    CONCATENATED_UP_TO,
)
from tests.layers.paths import (
    BACKEND,
    BATCH,
    FEATURES,
    HOLES,
    TIME,
    VARIANTS,
    assert_same_gradients,
    close,
    outputs,
    pair,
)
from tests.support.backends import float64_allowed, gradients
from tests.support.cases import NAMESAKES, by_name, to_numpy

# JAX compiles every case, which takes about a second.
EXAMPLES = 3 if BACKEND == "jax" else 20


def masks(draw):
    kind = draw(st.sampled_from(["none", "post", "pre", "holes", "one row of nothing"]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if kind == "none":
        return None
    lengths = rng.integers(1, TIME + 1, BATCH)
    mask = np.arange(TIME) < lengths[:, None]
    if kind == "pre":
        mask = mask[:, ::-1]
    if kind in ("holes", "one row of nothing"):
        mask = rng.random((BATCH, TIME)) < 0.6
    if kind == "one row of nothing":
        mask[1] = False
    return np.ascontiguousarray(mask)


@st.composite
def options_and_calls(draw):
    flags = {
        name: draw(st.booleans())
        for name in (
            "return_sequences",
            "return_state",
            "return_gates",
            "go_backwards",
            "use_bias",
            "zero_output_for_mask",
        )
    }
    for name in ("dropout", "recurrent_dropout"):
        flags[name] = draw(st.sampled_from([0.0, 0.4]))
    call = {"mask": masks(draw), "training": draw(st.booleans())}
    if draw(st.booleans()):
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        call["resets"] = rng.random((BATCH, TIME)) < 0.3
    return flags, call, draw(st.booleans())


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(
    drawn=options_and_calls(),
    units=st.sampled_from([2, CONCATENATED_UP_TO + 1]),
    implementation=st.sampled_from([1, 2]),
)
def test_every_path_gives_the_portable_numbers(case, drawn, units, implementation):
    flags, call, with_states = drawn
    if case.name != "simple_rnn":
        flags = {**flags, "implementation": implementation}
    x = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    if with_states:
        rng = np.random.default_rng(6)
        states = [rng.normal(size=(BATCH, units)).astype("float32") for _ in range(case.states)]
        call = {**call, "initial_state": states}
    chosen, portable = pair(case, units, **flags)
    for got, want in zip(outputs(chosen, x, **call), outputs(portable, x, **call), strict=True):
        close(got, want)


GRADIENTS = [
    pytest.param(case, units, variant, id=f"{case.name}-{units}-{variant}")
    for case in NAMESAKES
    for units in (2, CONCATENATED_UP_TO + 1)
    for variant in VARIANTS
    if BACKEND != "jax"
    or variant in ("gates", "recurrent dropout")
    or (units == 2 and variant == "backwards")
]


@pytest.mark.parametrize(("case", "units", "variant"), GRADIENTS)
def test_every_path_has_the_portable_gradients(case, units, variant):
    mask = None if variant in ("plain", "dropout") else HOLES
    assert_same_gradients(case, units, mask, VARIANTS[variant])


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
@settings(max_examples=max(2, EXAMPLES // 2), deadline=None, derandomize=True)
@given(drawn=options_and_calls(), recompute=st.sampled_from([False, 1, 4]))
def test_every_path_has_the_portable_gradients_of_any_call(case, drawn, recompute):
    """Also those of chunks that run again in the backward pass."""
    flags, call, with_states = drawn
    x = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    call["training"] = True
    if with_states:
        rng = np.random.default_rng(6)
        states = [rng.normal(size=(BATCH, 3)).astype("float32") for _ in range(case.states)]
        call["initial_state"] = states

    def loss(layer, x):
        parts = keras.tree.flatten(layer(x, **call))
        numbers = [part for part in parts if "float" in keras.utils.standardize_dtype(part.dtype)]
        return sum((i + 1) * keras.ops.sum(part**2) for i, part in enumerate(numbers))

    layers = pair(case, 3, recompute=recompute, **flags)[0], pair(case, 3, **flags)[1]
    for got, want in zip(*(gradients(loss, layer, x) for layer in layers), strict=True):
        scale = 1 + np.abs(want).max()
        close(got / scale, want / scale)


@pytest.mark.skipif(BACKEND != "torch", reason="a method on PyTorch")
@pytest.mark.parametrize("variant", ["plain", "sequences", "dropout", "backwards"])
def test_a_masked_lstm_in_place_has_the_portable_gradients(variant, monkeypatch):
    monkeypatch.setattr(backend_kernels(), "has_onednn", lambda: False)
    options = {**VARIANTS[variant], "use_cudnn": False}  # which serves on a GPU
    layer, _ = pair(NAMESAKES[0], 3, **options)
    assert (
        run.choice_for(layer, masked=True, capture_gates=False, training=True).method
        == "preallocated"
    )
    assert_same_gradients(NAMESAKES[0], 3, HOLES, options)


@pytest.mark.xla
@pytest.mark.parametrize("case", NAMESAKES[:2], ids=by_name)
def test_training_and_prediction_in_a_model_are_the_portable_ones(case):
    x = np.random.default_rng(5).integers(0, 5, (2 * BATCH, TIME))
    results = []
    for layer in pair(case, 5, dropout=0.3):
        embedding = keras.layers.Embedding(
            5, FEATURES, mask_zero=True, embeddings_initializer="ones"
        )
        model = keras.Sequential([keras.Input((TIME,)), embedding, layer, keras.layers.Dense(1)])
        model.layers[-1].set_weights([np.ones((5, 1)), np.zeros(1)])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(x, x[:, :1], batch_size=BATCH, epochs=2, shuffle=False, verbose=0)
        results.append([*model.get_weights(), model.predict(x, batch_size=BATCH, verbose=0)])
    for got, want in zip(*results, strict=True):
        close(got, want)
    assert not np.allclose(results[0][0], 1)


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_in_float64_the_paths_differ_by_rounding_alone(case):
    x = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES))
    with float64_allowed():
        layers = pair(case, 3, dtype="float64", return_sequences=True, return_gates=True)
        got, want = (outputs(layer, x, False, mask=HOLES) for layer in layers)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("filling", [np.nan, 1e8], ids=str)
@pytest.mark.parametrize("path", ["auto", "portable"])
@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_the_values_at_masked_steps_have_no_effect(case, path, filling):
    x = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    layer = case.layer(3, path=path, return_sequences=True, return_state=True, **case.options)
    empty, filled = (np.where(HOLES[..., None], x, value) for value in (0, filling))
    got = outputs(layer, filled.astype("float32"), False, mask=HOLES)
    want = outputs(layer, empty.astype("float32"), False, mask=HOLES)
    for a, b in zip(got, want, strict=True):
        close(a, b)


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_an_empty_batch_has_empty_outputs(case):
    layer = case.layer(3, **case.options)
    assert tuple(layer(np.zeros((0, TIME, FEATURES), "float32")).shape) == (0, 3)


def test_initial_states_of_a_subclass_are_no_output_before_the_first_valid_step():
    class FromOnes(kit.LSTM):
        def get_initial_state(self, batch_size):
            return [keras.ops.ones((batch_size, self.units)) for _ in range(2)]

    x = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    returned = []
    for path in ("auto", "portable"):
        layer = FromOnes(3, path=path, return_sequences=True)
        layer.build(x.shape)
        layer.set_weights(NAMESAKES[0].weights(np.random.default_rng(1), FEATURES, 3))
        returned.append(outputs(layer, x, False, mask=HOLES)[0])
    close(*returned)
    assert not returned[0][1].any()


@pytest.mark.skipif(BACKEND != "torch", reason="what PyTorch leaves out without a word")
@pytest.mark.parametrize("layer", [kit.GRU, kit.SimpleRNN, kit.LSTM])
def test_a_second_derivative_is_refused_not_wrong(layer):
    import torch

    x = torch.ones(BATCH, TIME, FEATURES, requires_grad=True)
    output, _ = layer(3, return_gates=True)(x)
    with pytest.raises(NotImplementedError, match=r'differentiated twice.*path="portable"'):
        torch.autograd.grad(output.sum(), x, create_graph=True)


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_half_precision_has_the_gradients_of_full_precision(case):
    """Scaled as a loss scale would have them, over more steps than the kernels clean up after."""
    x = np.random.default_rng(5).normal(size=(BATCH, 12, FEATURES)).astype("float32")
    found = []
    for dtype in ("float16", "float32"):
        policy = "mixed_float16" if dtype == "float16" else dtype
        layer = case.layer(3, dtype=policy, **case.options)
        layer.build(x.shape)
        weights = case.weights(np.random.default_rng(1), FEATURES, 3)
        layer.set_weights([weight / 2 for weight in weights[: len(layer.weights)]])

        def loss(layer, x):
            return keras.ops.sum(keras.ops.cast(layer(x), "float32")) * 64

        found.append([gradient.astype("float32") for gradient in gradients(loss, layer, x)])
    for half, full in zip(*found, strict=True):
        np.testing.assert_allclose(half, full, rtol=0.05, atol=0.02 * np.abs(full).max())


@pytest.mark.skipif(BACKEND != "torch", reason="PyTorch's autocast")
@pytest.mark.parametrize("layer", [kit.GRU, kit.LSTM])
def test_autocast_leaves_the_kernels_alone(layer):
    import torch

    layer = layer(3, return_gates=True)
    x = torch.ones(BATCH, TIME, FEATURES)
    plain = keras.tree.flatten(layer(x))[0]
    with torch.autocast("cpu"):
        found = keras.tree.flatten(layer(x))[0]
    close(to_numpy(found), to_numpy(plain))


def test_a_subclass_of_a_cell_may_compute_something_else():
    class Doubled(kit.LSTMCell):
        def step(self, gates, states):
            h, states = super().step(gates, states)
            return 2 * h, states

    x = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    own, plain = kit.RNN(Doubled(4)), kit.RNN(kit.LSTMCell(4))
    own(x), plain(x)
    own.set_weights(plain.get_weights())
    close(to_numpy(own(x)), 2 * to_numpy(plain(x)))


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_the_number_of_steps_is_known_after_one_that_was_not(case):
    layer = case.layer(2, return_sequences=True, **case.options)
    any_length = keras.Model(inputs := keras.Input((None, FEATURES)), layer(inputs))
    x = np.zeros((BATCH, TIME, FEATURES), "float32")
    any_length.predict(x, verbose=0)
    inputs = keras.Input((TIME, FEATURES))
    flat = keras.layers.Flatten()(layer(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(flat))
    assert model.predict(np.zeros((BATCH, TIME, FEATURES), "float32"), verbose=0).shape == (
        BATCH,
        1,
    )
