"""Every layer sets `supports_masking` itself, as some versions of Keras do not."""

import keras
import pytest

import keras_rnnkit as kit

LAYERS = {
    "Bidirectional": lambda: kit.Bidirectional(kit.GRU(2)),
    "Embedding": lambda: kit.Embedding(3, 2, mask_zero=True),
    "GRU": lambda: kit.GRU(2),
    "LSTM": lambda: kit.LSTM(2),
    "LearnedInitialState": lambda: kit.LearnedInitialState(kit.LSTM(2)),
    "MinGRU": lambda: kit.MinGRU(2),
    "MinLSTM": lambda: kit.MinLSTM(2),
    "RGLRU": lambda: kit.RGLRU(2),
    "RNN": lambda: kit.RNN(keras.layers.LSTMCell(2)),
    "SimpleRNN": lambda: kit.SimpleRNN(2),
    "StackedRNN": lambda: kit.StackedRNN([2, 2]),
    "TimeDistributed": lambda: kit.TimeDistributed(keras.layers.Dense(2)),
}


def without_masks(made):
    """An `__init__` of Keras 3.16, which says nothing about masks."""

    def init(self, *args, **kwargs):
        made(self, *args, **kwargs)
        self.supports_masking = False

    return init


def test_no_layer_is_forgotten():
    layers = {
        name
        for name, kind in vars(kit).items()
        if isinstance(kind, type) and issubclass(kind, keras.layers.Layer) and "Cell" not in name
    }
    # Zoneout is a cell, too; TakeLast takes two inputs, and makes a mask of its own.
    assert layers - {"Zoneout", "TakeLast"} == set(LAYERS)


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_layer_says_it_itself(make, monkeypatch):
    for name in ("Bidirectional", "Embedding", "RNN", "TimeDistributed"):
        kind = getattr(keras.layers, name)
        monkeypatch.setattr(kind, "__init__", without_masks(kind.__init__))
    assert make().supports_masking
