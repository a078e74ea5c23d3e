"""In integrated gradients, the masks are those of the real input."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import where_compiled
from tests.support.witness import randomized

L = keras.layers
IDS = np.random.default_rng(0).integers(1, 9, (4, 6))
IDS[1, :2], IDS[2, 3:] = 0, 0


def with_masking(first, second=None):
    """Ids whose vector is zero for id 0, so that the `Masking` behind finds the padding."""
    inputs = keras.Input((6,), dtype="int32")
    x = first(inputs)
    if second is not None:
        x = second(x)
    model = keras.Model(inputs, L.Dense(1)(L.LSTM(4, name="lstm")(x)))
    randomized(model)
    table = model.layers[1].get_weights()[0]
    table[0] = 0
    model.layers[1].set_weights([table])
    return model


@pytest.mark.parametrize("baseline", [None, 0.7])
def test_masking_behind_an_embedding_masks_as_the_embedding_itself_would(baseline):
    model = with_masking(L.Embedding(9, 3), L.Masking())
    same = with_masking(L.Embedding(9, 3, mask_zero=True))
    same.set_weights(model.get_weights())
    found = kit.attribute(model, IDS, baseline=baseline)
    want = kit.attribute(same, IDS, baseline=baseline)
    assert found.gap.max() < 0.01
    np.testing.assert_allclose(found.total, want.total, rtol=1e-4, atol=1e-5)
    valid = IDS != 0
    np.testing.assert_allclose(found.scores[valid], want.scores[valid], rtol=1e-3, atol=1e-5)
    assert not found.scores[~valid].any()


def test_masking_behind_an_input_that_is_named():
    inputs = keras.Input((6, 2), name="vectors")
    model = randomized(keras.Model(inputs, L.Dense(1)(L.GRU(3)(L.Masking()(inputs)))))
    x = np.random.default_rng(1).normal(size=(3, 6, 2)).astype("float32")
    x[1, :3] = 0
    named = kit.attribute(model, x, layer="vectors", baseline=0.5)
    want = kit.attribute(model, x, baseline=0.5)
    np.testing.assert_allclose(
        named.scores[x.any(-1)], want.scores[x.any(-1)], rtol=1e-4, atol=1e-5
    )
    assert named.gap.max() < 0.01


class Attends(keras.Model):
    """Each step attends to itself and to those before, by a mask without rows."""

    def __init__(self):
        super().__init__()
        self.attend, self.lstm = L.MultiHeadAttention(1, 3), L.LSTM(4)
        self.head = L.Dense(1)

    def call(self, inputs):
        mask = keras.ops.tril(keras.ops.ones((5, 5), "bool"))
        return self.head(self.lstm(self.attend(inputs, inputs, attention_mask=mask)))


@pytest.mark.parametrize("rows", where_compiled([3], [1, 3, 5]))  # as many as there are steps, too
def test_a_mask_of_attention_without_rows_stays(rows):
    model, x = Attends(), np.random.default_rng(1).normal(size=(5, 5, 2)).astype("float32")
    model(x)
    found = kit.attribute(randomized(model), x[:rows])
    assert found.gap.max() < 0.01
    np.testing.assert_allclose(found.scores, kit.attribute(model, x).scores[:rows], 1e-3, 1e-5)
