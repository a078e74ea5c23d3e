"""Recurrent layers as ONNX operators give the numbers of the layers."""

import keras
import pytest

import keras_rnnkit as kit
from tests.interop.onnx.one_layer import OneLayer, masks, sequences

KINDS = {
    "LSTM": (keras.layers.LSTM, kit.LSTM),
    "GRU": (keras.layers.GRU, kit.GRU),
    "RNN": (keras.layers.SimpleRNN, kit.SimpleRNN),
}
LAYERS = [(op, layer) for op, pair in KINDS.items() for layer in pair]


def by_class(case):
    return (
        f"{case.__module__.partition('.')[0]}-{case.__name__}" if isinstance(case, type) else case
    )


@pytest.mark.parametrize(("op", "layer"), LAYERS, ids=by_class)
def test_one_layer_is_one_node(op, layer):
    one = OneLayer(layer(4, return_sequences=True, return_state=True))
    assert one.kinds().count(op) == 1
    assert not {"Loop", "Scan"} & set(one.kinds())
    for batch, steps in ((2, 5), (1, 1), (5, 3)):
        one.assert_same(sequences(batch, steps))


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize(("op", "layer"), LAYERS, ids=by_class)
def test_any_mask(op, layer, return_sequences, backwards):
    one = OneLayer(
        layer(4, return_sequences=return_sequences, return_state=True, go_backwards=backwards),
        masked=True,
    )
    assert one.kinds().count(op) == 1
    for mask in masks(4, 6).values():
        one.assert_same(sequences(4, 6), mask)
