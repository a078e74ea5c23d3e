"""What `Bidirectional` says about the masks of its outputs."""

import keras
import numpy as np
import pytest
from keras import ops, tree

import keras_rnnkit as kit
from tests.support.cases import MASKS, assert_close

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
MASK = MASKS["holes"]
BACKWARD = {
    "the mirror image": lambda **options: None,
    "fewer states": lambda **options: kit.GRU(2, go_backwards=True, **options),
}


@pytest.mark.parametrize("backward", BACKWARD)
@pytest.mark.parametrize("merge_mode", ["concat", None])
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("state", [True, False])
def test_there_is_a_mask_for_each_output_and_none_for_states(
    state, sequences, merge_mode, backward
):
    options = {"return_sequences": sequences, "return_state": state}
    layer = kit.Bidirectional(
        kit.LSTM(2, **options),
        merge_mode=merge_mode,
        backward_layer=BACKWARD[backward](**options),
    )
    returned = tree.flatten(layer(X, mask=MASK))
    masks = tree.flatten(layer.compute_mask(*map(ops.convert_to_tensor, (X, MASK))))
    assert len(masks) == len(returned)
    with_mask = (1 if merge_mode else 2) if sequences else 0
    assert [mask is not None for mask in masks] == [i < with_mask for i in range(len(masks))]


def test_there_is_a_mask_for_the_outputs_and_none_for_the_trace():
    both = kit.Bidirectional(kit.LSTM(2, return_sequences=True), return_gates=True)
    both(X)
    output, *others = both.compute_mask(*map(ops.convert_to_tensor, (X, MASK)))
    assert_close(output, MASK)
    assert others == [None]


def test_the_next_layer_gets_the_mask_with_the_states():
    inputs = keras.Input((5, 4))
    both = kit.Bidirectional(kit.GRU(2, return_sequences=True, return_state=True))
    last = kit.LSTM(3)
    sequences, *_ = both(keras.layers.Masking()(inputs))
    model = keras.Model(inputs, last(sequences))
    x = np.where(MASKS["right-padded"][..., None], X, 0)
    want = last(both(x, mask=MASKS["right-padded"])[0], mask=MASKS["right-padded"])
    assert_close(model(x), want)
