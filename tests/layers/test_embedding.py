"""`Embedding`: Keras' numbers everywhere, and the exact gradient."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import assert_close

WORDS = np.array([[1, 1, 1, 2], [1, 3, 1, 1]])


def model_of(embedding):
    pool = keras.layers.GlobalAveragePooling1D()
    ones = keras.layers.Dense(1, kernel_initializer="ones", trainable=False)
    return keras.Sequential([keras.Input((4,), dtype="int32"), embedding, pool, ones])


@pytest.mark.parametrize("optimizer", ["RMSprop", "Adam", "Adagrad"])
def test_a_frequent_token_is_updated_by_its_summed_gradient(optimizer):
    embedding = kit.Embedding(5, 3, embeddings_initializer="zeros")
    model = model_of(embedding)
    table = keras.Variable(np.zeros((5, 3), "float32"))
    # The outputs are 0, so that the loss, mean((y - 1)^2), has the gradient -1 by each; the pool
    # hands a quarter of it to each word.
    counts = np.array([[(word == WORDS).sum() for word in range(5)]]).T
    gradient = np.repeat(-counts / 4, 3, axis=1).astype("float32")
    model.compile(getattr(keras.optimizers, optimizer)(0.01), "mse")
    own = getattr(keras.optimizers, optimizer)(0.01)
    for _ in range(3):
        embedding.set_weights([np.zeros((5, 3))])
        table.assign(np.zeros((5, 3)))
        model.train_on_batch(WORDS, np.ones((2, 1)))
        own.apply([keras.ops.convert_to_tensor(gradient)], [table])
        assert_close(embedding.get_weights()[0], table, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "float16"])
@pytest.mark.parametrize("mask_zero", [True, False])
def test_the_numbers_the_mask_and_the_weights_are_those_of_keras(dtype, mask_zero):
    options = {"mask_zero": mask_zero, "dtype": dtype, "embeddings_regularizer": "l2"}
    mine, theirs = kit.Embedding(5, 3, **options), keras.layers.Embedding(5, 3, **options)
    theirs(WORDS)
    mine.build()
    mine.set_weights(theirs.get_weights())
    for words in (WORDS - 1, (WORDS - 1).astype("float32"), np.array([2, 0])):
        a, b = mine(words), theirs(words)
        assert a.dtype == b.dtype
        assert_close(keras.ops.cast(a, "float32"), keras.ops.cast(b, "float32"))
    assert (getattr(a, "_keras_mask", None) is None) == (not mask_zero)
    assert mine.supports_masking == mask_zero
    assert_close(mine.losses, theirs.losses)


def test_files_and_the_namesake(tmp_path):
    theirs = model_of(keras.layers.Embedding(5, 3, mask_zero=True, name="words"))
    mine = kit.from_keras(theirs)
    assert type(mine.layers[0]) is kit.Embedding
    mine.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0]) is kit.Embedding and loaded.layers[0].mask_zero
    assert_close(loaded(WORDS), theirs(WORDS))
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    mine.set_weights([0 * weight for weight in mine.get_weights()])
    mine.load_weights(tmp_path / "theirs.weights.h5")
    assert_close(mine(WORDS), theirs(WORDS))


def test_lora_learns_and_the_table_stays():
    embedding = kit.Embedding(5, 3)
    model = model_of(embedding)
    embedding.enable_lora(2)
    model.compile("adam", "mse")
    before = [np.array(weight) for weight in embedding.get_weights()]
    losses = [model.train_on_batch(WORDS, np.ones((2, 1))) for _ in range(5)]
    changed = [(a != b).any() for a, b in zip(before, embedding.get_weights(), strict=True)]
    assert changed.count(False) == 1 and losses[-1] < losses[0]


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_it_can_be_quantized_as_keras_own(mode):
    mine, theirs = kit.Embedding(5, 4), keras.layers.Embedding(5, 4)
    for layer in (mine, theirs):
        layer.build()
    mine.set_weights(theirs.get_weights())
    for layer in (mine, theirs):
        layer.quantize(mode)
    assert_close(mine(WORDS), theirs(WORDS))


class Doubled(kit.Embedding):
    def call(self, inputs):
        return 2 * super().call(inputs)


def test_a_subclass_is_not_quantized_unless_it_is_asked_to():
    layer = Doubled(5, 4)
    layer.build()
    with pytest.raises(NotImplementedError):
        layer.quantize("int8")
