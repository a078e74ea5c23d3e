"""Which calls tell a layer that its model passes it a mask."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit

LAYERS = {
    "LSTM": lambda: kit.LSTM(3),
    "StackedRNN": lambda: kit.StackedRNN([3]),
    "LearnedInitialState": lambda: kit.LearnedInitialState(kit.GRU(3)),
    "Bidirectional": lambda: kit.Bidirectional(kit.GRU(3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_call_with_data_does_not_change_what_the_model_says(name):
    layer = LAYERS[name]()
    keras.Sequential([keras.Input((5, 4)), layer])
    masked = keras.layers.Embedding(9, 4, mask_zero=True)(np.array([[1, 2, 0, 0, 0]]))
    layer(masked)
    assert not getattr(layer, "_masked_in_a_model", False)
    keras.Sequential([keras.Input((5, 4)), keras.layers.Masking(), layer])
    assert layer._masked_in_a_model
