"""What `kit.trace` refuses, with the name of the layer or of the argument."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.models._intercept import intercepting
from tests.models.traced import BATCH, FEATURES, STEPS, model_of, sequences

L = keras.layers


class OwnLSTM(L.LSTM):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        return super().call(sequences, initial_state, mask, training) * 2


class StepByStep(keras.Model):
    def __init__(self):
        super().__init__()
        self.cell = L.LSTMCell(3)

    def call(self, inputs):
        return self.cell(inputs[:, 0], self.cell.get_initial_state(batch_size=BATCH))[0]


def test_what_cannot_be_traced_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'mine' of class OwnLSTM has code of its own"):
        kit.trace(model_of(OwnLSTM(3, name="mine")), sequences())
    video = keras.Sequential([keras.Input((2, 4, 4, 1)), L.ConvLSTM2D(1, 3, name="video")])
    with pytest.raises(ValueError, match=r"'video' of class ConvLSTM2D has gates of images"):
        kit.trace(video, np.zeros((1, 2, 4, 4, 1)))
    model = StepByStep()
    model(sequences())
    with pytest.raises(ValueError, match=r"cell 'lstm_cell.*' of class LSTMCell .* step by step"):
        kit.trace(model, sequences())
    with pytest.raises(ValueError, match="has no recurrent layers"):
        kit.trace(keras.Sequential([keras.Input((2,)), L.Dense(1)]), np.zeros((1, 2)))


def test_layers_choose_what_is_traced():
    model = keras.Sequential(
        [
            keras.Input((STEPS, FEATURES)),
            OwnLSTM(3, return_sequences=True, name="mine"),
            L.GRU(3, name="theirs"),
        ]
    )
    assert set(kit.trace(model, sequences(), layers=["theirs"])) == {"theirs"}
    with pytest.raises(ValueError, match=r"mine, theirs. Received: layers=\['other'\]"):
        kit.trace(model, sequences(), layers=["other"])


def test_wrong_input_is_refused():
    model = model_of(L.GRU(3))
    with pytest.raises(ValueError, match=r"`x` must have at least one row"):
        kit.trace(model, sequences()[:0])
    with pytest.raises(ValueError, match=r"`model` must be built"):
        kit.trace(keras.Sequential([L.GRU(3)]), sequences())
    with pytest.raises(TypeError, match=r"`model` must be a Keras model or layer"):
        kit.trace("lstm", sequences())


def test_a_quantized_layer_is_refused_by_name():
    dense = L.Dense(2, name="head")
    dense.build((None, 3))
    dense.quantize("int8")
    with pytest.raises(ValueError, match=r"'head' is quantized"), intercepting({dense: None}):
        pass
