"""`Decay`: how fast the units of an RG-LRU forget at the start."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import to_numpy

Decay = kit.initializers.Decay


@pytest.mark.parametrize("low_and_high", [(0.9, 0.999), (0.5, 0.5), (0.99, 0.99999)])
def test_the_factors_are_uniform_in_the_range(low_and_high):
    low, high = low_and_high
    decay = to_numpy(Decay(low, high, seed=0)((2000,))).astype("float64")
    factors = np.exp(-8 * np.log1p(np.exp(decay)))
    assert np.all((factors > low - 1e-5) & (factors < high + 1e-6))
    np.testing.assert_allclose(factors.mean(), (low + high) / 2, atol=0.03 * (high - low) + 1e-6)


def test_the_default_of_the_cell_and_configs():
    layer = kit.RGLRU(3, decay_initializer=Decay(0.5, 0.6, seed=1))
    same = kit.RGLRU.from_config(layer.get_config())
    for one in (layer, same):
        one.build((None, 5, 2))
    np.testing.assert_array_equal(layer.get_weights()[2], same.get_weights()[2])
    default = kit.RGLRU(3).cell.decay_initializer
    assert default.get_config() == {"low": 0.9, "high": 0.999, "seed": None}
    loaded = keras.initializers.deserialize(keras.initializers.serialize(Decay(0.1, 0.2, 3)))
    assert repr(loaded) == "Decay(low=0.1, high=0.2, seed=3)"


@pytest.mark.parametrize(
    "arguments",
    [(0, 0.9), (0.9, 1), (0.9, 0.8), ("a", 0.9), (True, 0.9), (0.9, 0.99999999)],
)
def test_a_broken_range_is_refused(arguments):
    with pytest.raises(ValueError, match="`low` and `high` of Decay must be numbers with 0 < low"):
        Decay(*arguments)


def test_a_broken_seed_is_refused():
    with pytest.raises(ValueError, match="`seed` of Decay must be an integer or None"):
        Decay(seed="a")
