"""What the tests of paths share: a layer on two paths, variants, methods."""

import keras
import numpy as np

import keras_rnnkit as kit
from keras_rnnkit.running import run
from tests.support.backends import gradients
from tests.support.cases import assert_close, to_numpy

BACKEND = keras.config.backend()
FEATURES, TIME, BATCH = 3, 6, 4


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


VARIANTS = {
    "plain": {},
    "sequences": {"return_sequences": True},
    "gates": {"return_sequences": True, "return_gates": True},
    "dropout": {"dropout": 0.4},
    "recurrent dropout": {"dropout": 0.4, "recurrent_dropout": 0.4, "return_sequences": True},
    "backwards": {"go_backwards": True, "return_state": True},
}
HOLES = np.array([[1, 1, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [1] * 6], bool)


# At valid and at masked steps of HOLES, at the first step and at the last one.
RESETS = np.array(
    [[0, 0, 1, 1, 0, 0], [1, 0, 0, 1, 0, 0], [0, 0, 0, 1, 1, 0], [0, 1, 0, 0, 0, 1]], bool
)


def assert_same_gradients_with_resets(case, units, **options):
    """Also of the states that the sequences start from."""
    x = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")

    def loss(layer, x):
        output = layer(x, mask=HOLES, resets=RESETS, training=True)
        return keras.ops.sum(output**2)

    found = []
    for layer in pair(case, units, return_sequences=True, **options):
        learned = kit.LearnedInitialState(layer, keras.initializers.RandomNormal(seed=1))
        learned.build(x.shape)
        found.append(gradients(loss, learned, x))
    for got, want in zip(*found, strict=True):
        close(got / (1 + np.abs(want).max()), want / (1 + np.abs(want).max()))


def assert_same_gradients(case, units, mask, options):
    x = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")

    def loss(layer, x):
        parts = keras.tree.flatten(layer(x, mask=mask, training=True))
        numbers = [part for part in parts if "float" in keras.utils.standardize_dtype(part.dtype)]
        return sum((i + 1) * keras.ops.sum(part**2) for i, part in enumerate(numbers))

    chosen, portable = pair(case, units, **options)
    for got, want in zip(gradients(loss, chosen, x), gradients(loss, portable, x), strict=True):
        close(got / (1 + np.abs(want).max()), want / (1 + np.abs(want).max()))


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
