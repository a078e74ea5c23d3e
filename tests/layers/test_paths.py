"""Which path a layer takes, and that every path gives the same numbers."""

from itertools import product

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_rnnkit as kit
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running import rule, run
from keras_rnnkit.running.rule import (
    CONCATENATED_UP_TO,
    PER_GATE_FROM,
    Request,
    choose,
)
from tests.support.backends import float64_allowed, gradients
from tests.support.cases import NAMESAKES, assert_close, by_name, to_numpy

BACKEND = keras.config.backend()
FEATURES, TIME, BATCH = 3, 6, 4
# JAX compiles every case, which takes about a second.
EXAMPLES = 3 if BACKEND == "jax" else 20


def close(got, want):
    assert_close(got, want, rtol=2e-4, atol=2e-5)


def pair(case, units, **options):
    """The same layer on the path that is chosen, and on the portable one."""
    layers = []
    for path in ("auto", "portable"):
        layer = case.layer(units, path=path, seed=3, **case.options, **options)
        layer.build((BATCH, TIME, FEATURES))
        weights = case.weights(np.random.default_rng(1), FEATURES, units)
        layer.set_weights([weight / 2 for weight in weights[: len(layer.weights)]])
        layers.append(layer)
    return layers


def outputs(layer, x, training, **arguments):
    """Everything a call returns, as arrays."""
    returned = layer(x, training=training, **arguments)
    return [to_numpy(part).astype("float64") for part in keras.tree.flatten(returned)]


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


VARIANTS = {
    "plain": {},
    "sequences": {"return_sequences": True},
    "gates": {"return_sequences": True, "return_gates": True},
    "dropout": {"dropout": 0.4},
    "recurrent dropout": {"dropout": 0.4, "recurrent_dropout": 0.4, "return_sequences": True},
    "backwards": {"go_backwards": True, "return_state": True},
}
HOLES = np.array([[1, 1, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [1] * 6], bool)


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


def assert_same_gradients(case, units, mask, options):
    x = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")

    def loss(layer, x):
        parts = keras.tree.flatten(layer(x, mask=mask, training=True))
        numbers = [part for part in parts if "float" in keras.utils.standardize_dtype(part.dtype)]
        return sum((i + 1) * keras.ops.sum(part**2) for i, part in enumerate(numbers))

    chosen, portable = pair(case, units, **options)
    for got, want in zip(gradients(loss, chosen, x), gradients(loss, portable, x), strict=True):
        close(got / (1 + np.abs(want).max()), want / (1 + np.abs(want).max()))


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


def test_the_path_survives_the_config():
    layer = kit.LSTM.from_config(kit.LSTM(4, path="portable").get_config())
    assert layer.get_config()["path"] == "portable"
    assert (
        run.choice_for(layer, masked=False, capture_gates=False, training=True).path == "portable"
    )


@pytest.mark.parametrize("layer", [kit.LSTM, kit.GRU, kit.SimpleRNN])
def test_an_unknown_path_is_refused(layer):
    with pytest.raises(ValueError, match=r"must be one of 'auto', .*\. Received: path='fast'$"):
        layer(4, path="fast")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"activation": "relu"}, r"only tanh and sigmoid\. To use it, use the default activations"),
        ({"unroll": True}, 'loop. To use it, use unroll=False; or set `path="auto"`'),
    ],
    ids=["activation", "unroll"],
)
def test_a_path_that_is_not_possible_says_why(options, why):
    with pytest.raises(
        ValueError, match=rf"GRU 'mine'.*`path=\"fused\"` is not possible here: .*{why}"
    ):
        kit.GRU(4, path="fused", name="mine", **options)


def test_a_foreign_cell_takes_the_portable_path_and_says_so():
    layer = kit.RNN(keras.layers.LSTMCell(4))
    choice = run.choice_for(layer, masked=False, capture_gates=False, training=True)
    assert choice.path == "portable" and "no kernel" in choice.reason


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


def test_a_stack_of_cells_says_what_to_do_instead():
    layer = kit.RNN([kit.LSTMCell(2), kit.LSTMCell(2)])
    choice = run.choice_for(layer, masked=False, capture_gates=False, training=True)
    assert (choice.path, choice.faster) == ("portable", "stack layers, not cells")


PRODUCTS = ("concatenated", "fused gates", "hoisted", "per gate")
METHODS = [
    *((method, {}) for method in PRODUCTS),
    # A mask for each gate, which a product of all gates together cannot have.
    *((method, {"dropout": 0.4, "recurrent_dropout": 0.4}) for method in ("hoisted", "per gate")),
]


def by_method(method, case):
    """The rule with one method for all."""
    chosen = run.choose

    def choose_method(request):
        choice = chosen(request)
        cannot = case.name == "gru_reset_before" and method == "concatenated"
        return choice if choice.path != "fused" or cannot else choice._replace(method=method)

    return choose_method


@pytest.mark.skipif(BACKEND == "torch", reason="these are the methods of the other backends")
@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
@pytest.mark.parametrize(("method", "options"), METHODS, ids=str)
def test_every_method_gives_the_same_numbers(method, options, case, monkeypatch):
    layers = pair(case, 3, return_sequences=True, return_gates=True, **options)
    monkeypatch.setattr(run, "choose", by_method(method, case))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    mask = rng.random((BATCH, TIME)) < 0.7

    def loss(layer, inputs):
        output, trace = layer(inputs, mask=mask, training=True)
        return keras.ops.sum(output**2) + sum(keras.ops.sum(part**3) for part in trace[:-1])

    found, want = (
        [*outputs(layer, x, True, mask=mask), *gradients(loss, layer, x)] for layer in layers
    )
    for a, b in zip(found, want, strict=True):
        close(a, b)


@pytest.mark.skipif(BACKEND == "torch", reason="these are the methods of the other backends")
def test_a_method_without_masks_for_each_gate_refuses_them(monkeypatch):
    chosen = run.choose
    monkeypatch.setattr(
        run, "choose", lambda request: chosen(request)._replace(method="fused gates")
    )
    layer = kit.LSTM(3, recurrent_dropout=0.5)
    with pytest.raises(ValueError, match="where dropout has a mask for each gate"):
        layer(np.zeros((BATCH, TIME, FEATURES), "float32"), training=True)


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


PLAIN = Request(units=64, keras_layer=True)


WIDE = {"backend": "jax", "units": 256}
RULE = [
    ({"backend": "jax", "training": True, "units": CONCATENATED_UP_TO}, "fused", "concatenated"),
    ({"backend": "jax", "units": CONCATENATED_UP_TO + 1}, "fused", "fused gates"),
    (WIDE, "fused", "fused gates"),
    ({**WIDE, "cell": "GRU", "training": True}, "fused", "fused gates"),
    ({**WIDE, "cell": "SimpleRNN"}, "fused", "fused gates"),
    ({**WIDE, "capture_gates": True}, "fused", "fused gates"),
    ({**WIDE, "recurrent_dropout": True}, "fused", "fused gates"),
    ({**WIDE, "recurrent_dropout": True, "training": True}, "fused", "per gate"),
    ({**WIDE, "dropout_per_gate": True, "training": True}, "fused", "per gate"),
    ({**WIDE, "gpu": True, "capture_gates": True}, "fused", "hoisted"),
    ({"backend": "jax", "units": 8, "cell": "GRU, reset before"}, "fused", "fused gates"),
    ({"backend": "jax", "units": 8, "gpu": True, "cell": "GRU"}, "fused", "hoisted"),
    ({"backend": "tensorflow", "units": CONCATENATED_UP_TO}, "fused", "concatenated"),
    ({"backend": "tensorflow", "units": PER_GATE_FROM - 1}, "fused", "fused gates"),
    ({"backend": "tensorflow", "units": 8, "cell": "GRU, reset before"}, "fused", "fused gates"),
    ({"backend": "tensorflow"}, "fused", "per gate"),
    ({"backend": "tensorflow", "units": 512, "cell": "GRU", "training": True}, "fused", "per gate"),
    ({"backend": "tensorflow", "units": 512, "cell": "GRU"}, "fused", "fused gates"),
    ({"backend": "torch"}, "fused", "native"),
    ({"backend": "torch", "masked": True}, "fused", "native"),
    ({"backend": "torch", "masked": True, "training": True}, "fused", "native"),
    ({"backend": "torch", "masked": True, "training": True, "units": 128}, "fused", "native"),
    ({"backend": "torch", "masked": True, "units": 128}, "fused", "native"),
    (
        {"backend": "torch", "masked": True, "training": True, "units": 128, "gpu": True},
        "fused",
        "native",
    ),
    ({"backend": "torch", "capture_gates": True}, "fused", "preallocated"),
    ({"backend": "torch", "recurrent_dropout": True}, "fused", "native"),
    ({"backend": "torch", "recurrent_dropout": True, "training": True}, "fused", "preallocated"),
    ({"backend": "torch", "dropout_per_gate": True, "training": True}, "fused", "preallocated"),
    ({"backend": "torch", "dtype": "float64"}, "fused", "preallocated"),
    ({"backend": "torch", "onednn": False}, "fused", "preallocated"),
    ({"backend": "torch", "gpu": True, "use_cudnn": False}, "fused", "preallocated"),
    ({"backend": "torch", "cell": "GRU", "capture_gates": True}, "fused", "preallocated"),
    ({"backend": "torch", "cell": "GRU, reset before"}, "fused", "hoisted"),
    ({"backend": "jax", "gpu": True, "recurrent_dropout": True}, "fused", "hoisted"),
    ({"backend": "numpy"}, "portable", ""),
    ({"backend": "torch", "cell": "GRU"}, "fused", "preallocated"),
    ({"backend": "torch", "cell": "GRU", "gpu": True}, "fused", "native"),
    ({"backend": "jax", "gpu": True}, "fused", "hoisted"),
    ({"backend": "tensorflow", "gpu": True}, "keras", ""),
    ({"backend": "tensorflow", "gpu": True, "use_cudnn": False}, "fused", "hoisted"),
    ({"backend": "tensorflow", "gpu": True, "keras_layer": False}, "fused", "hoisted"),
    ({"backend": "jax", "gpu": True, "cell": "GRU"}, "fused", "hoisted"),
    ({"backend": "jax", "gpu": True, "use_cudnn": False}, "fused", "hoisted"),
    ({"backend": "jax", "gpu": True, "keras_layer": False}, "fused", "hoisted"),
    ({"backend": "tensorflow", "gpu": True, "cell": "GRU"}, "keras", ""),
    ({"backend": "tensorflow", "gpu": True, "capture_gates": True}, "fused", "hoisted"),
    ({"backend": "tensorflow", "gpu": True, "masked": True}, "fused", "hoisted"),
    ({"backend": "jax", "gpu": True, "weight_dropout": True}, "fused", "hoisted"),
    ({"backend": "torch", "weight_dropout": True, "training": True}, "fused", "native"),
    ({"path": "portable", "gpu": True}, "portable", ""),
    ({"backend": "torch", "exported": True, "masked": True, "units": 128}, "fused", "native"),
    ({"backend": "torch", "exported": True, "cell": "GRU"}, "fused", "native"),
    ({"backend": "torch", "exported": True, "cell": "SimpleRNN"}, "fused", "native"),
    ({"backend": "torch", "exported": True, "cell": "GRU, reset before"}, "portable", ""),
    ({"backend": "torch", "exported": True, "cell": "MinGRU"}, "portable", ""),
    ({"backend": "torch", "exported": True, "capture_gates": True}, "portable", ""),
    ({"backend": "torch", "exported": True, "dtype": "float16"}, "portable", ""),
    ({"backend": "torch", "transformed": True}, "portable", ""),
    ({"backend": "torch", "transformed": True, "cell": "MinLSTM"}, "portable", ""),
]


@pytest.mark.parametrize(("changes", "path", "method"), RULE, ids=[str(row[0]) for row in RULE])
def test_the_rule(changes, path, method):
    choice = choose(PLAIN._replace(**changes))
    assert (choice.path, choice.method) == (path, method)
    assert choice.reason


@pytest.mark.parametrize("training", [False, True])
def test_what_keeps_a_layer_off_cudnn_is_named(training):
    plain = PLAIN._replace(backend="tensorflow", gpu=True, training=training)
    names = {"recurrent_dropout": "recurrent_dropout", "weight_dropout": "recurrent_weight_dropout"}
    names |= {"masked": "the mask", "capture_gates": "the gates"}
    for option, name in names.items():
        assert choose(plain._replace(**{option: True})).faster == f"cuDNN, without {name}"


def test_no_rule_of_jax_reaches_cudnn():
    """There Keras' call of cuDNN gives wrong numbers under jit, behind a transposed tensor."""
    flags = (
        "masked",
        "capture_gates",
        "training",
        "recurrent_dropout",
        "weight_dropout",
        "use_cudnn",
    )
    for cell, units, path, gpu in product(
        ("LSTM", "GRU", "GRU, reset before", "SimpleRNN", "MinLSTM", None),
        (8, 64, 128, 512),
        rule.PATHS,
        (False, True),
    ):
        if path == "fused" and cell is None:
            continue  # refused
        for values in product((False, True), repeat=len(flags)):
            how = dict(zip(flags, values, strict=True))
            request = PLAIN._replace(
                backend="jax", gpu=gpu, cell=cell, units=units, path=path, **how
            )
            choice = choose(request)
            assert choice.path != "keras"
            assert "cuDNN" not in choice.reason + choice.faster


@pytest.mark.skipif(BACKEND != "jax", reason="the fault of Keras on JAX")
@pytest.mark.parametrize("front", [kit.GRU, kit.SimpleRNN, kit.LSTM])
def test_on_a_gpu_no_layer_calls_keras_own_on_jax(monkeypatch, front):
    def inner_loop(*_, **__):
        raise AssertionError("Keras' own layer was called")

    monkeypatch.setattr(run, "_on_gpu", lambda layer: True)
    monkeypatch.setattr(keras.layers.LSTM, "inner_loop", inner_loop)
    inputs = keras.Input((TIME, FEATURES))
    outputs = kit.LSTM(4)(front(4, return_sequences=True)(inputs))
    plain = keras.Model(inputs, outputs)
    x = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    close(plain.predict(x, verbose=0), plain(x))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow alone hands over to Keras' layer")
@pytest.mark.parametrize("backwards", [False, True])
def test_on_a_gpu_keras_own_layer_takes_over(monkeypatch, backwards):
    x = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    layer = kit.LSTM(4, return_sequences=True, return_state=True, go_backwards=backwards)
    want = outputs(layer, x, False)
    handed_over = []

    def inner_loop(self, sequences, initial_state, mask, training=False):
        handed_over.append(self.go_backwards)
        return keras.layers.RNN.inner_loop(self, sequences, initial_state, mask, training)

    monkeypatch.setattr(run, "_on_gpu", lambda layer: True)
    monkeypatch.setattr(keras.layers.LSTM, "inner_loop", inner_loop)
    got = outputs(layer, x, False)
    assert handed_over == [False]
    assert layer.go_backwards is backwards
    for a, b in zip(got, want, strict=True):
        close(a, b)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the others compile around cuDNN")
def test_on_a_gpu_the_model_is_kept_from_xla(monkeypatch):
    assert kit.LSTM(4).supports_jit
    monkeypatch.setattr(run, "_on_gpu", lambda layer: True)
    assert not kit.LSTM(4).supports_jit
    assert kit.LSTM(4, use_cudnn=False).supports_jit
