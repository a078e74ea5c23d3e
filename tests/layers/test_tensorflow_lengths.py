"""What TensorFlow compiles where lengths change, and that the numbers are the same."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import MIN_CASES, NAMESAKES, assert_close, by_name

if keras.config.backend() != "tensorflow":
    pytest.skip("TensorFlow's kernels", allow_module_level=True)

import tensorflow as tf

pytestmark = pytest.mark.xla

CASES = [*NAMESAKES, *(case for case in MIN_CASES if not case.options)]
FEATURES, UNITS, TIME = 3, 4, 6


def step(case, training, time):
    """The outputs and gradients of a layer, as a graph of that many steps."""
    layer = case.layer(UNITS, return_sequences=True, **case.options)
    layer.build((2, TIME, FEATURES))
    layer.set_weights([w / 2 for w in case.weights(np.random.default_rng(1), FEATURES, UNITS)])

    @tf.function(input_signature=[tf.TensorSpec([2, time, FEATURES])])
    def run(x):
        with tf.GradientTape() as tape:
            outputs = layer(x, training=training)
            loss = tf.reduce_sum(outputs**2)
        return outputs, tape.gradient(loss, [w.value for w in layer.trainable_weights])

    return run


@pytest.mark.parametrize("training", [True, False], ids=["training", "prediction"])
@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_compiled_or_not_the_numbers_are_the_same(case, training):
    x = tf.constant(np.random.default_rng(5).normal(size=(2, TIME, FEATURES)).astype("float32"))
    compiled, other = (step(case, training, time)(x) for time in (TIME, None))
    assert_close(compiled, other, rtol=1e-6, atol=2e-6)


def test_explain_says_so():
    for layer, ending in ((kit.LSTM(4), "fixed or comes often"), (kit.MinGRU(4), "fixed")):
        assert kit.explain(layer)[0].training.endswith(f"compiled where the length is {ending}")
