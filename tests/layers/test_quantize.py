"""Keras' own `quantize` and `enable_lora` in models with recurrent layers."""

import warnings

import keras
import numpy as np
import pytest

import keras_rnnkit as kit

# Keras warns of every layer that it skips.
pytestmark = pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`")

X = np.arange(12).reshape(3, 4)


def model_of(*recurrent):
    return keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            kit.Embedding(12, 4, name="embedding"),
            *recurrent,
            keras.layers.Dense(2, name="dense"),
        ]
    )


RECURRENT = (
    lambda: kit.Bidirectional(kit.LSTM(3, return_sequences=True), name="both"),
    lambda: kit.StackedRNN([3, 3], return_sequences=True, name="stack"),
    lambda: kit.MinGRU(3, return_sequences=True, name="min"),
    lambda: kit.RNN(kit.PeepholeLSTMCell(3, name="peephole"), name="rnn"),
)


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_quantize_skips_recurrent_layers_and_says_so(mode):
    model = model_of(*(make() for make in RECURRENT))
    want = model.predict(X, verbose=0)
    with pytest.warns(UserWarning, match="keeps its weights") as caught:
        model.quantize(mode)
    texts = [text for text in map(str, (w.message for w in caught)) if "keeps its" in text]
    for place in ("both/forward", "both/backward", "stack/", "min/", "rnn/peephole"):
        assert any(place in text for text in texts), place
    assert len(texts) == 6  # a cell of each layer
    assert all(text.endswith(f"Received: mode='{mode}'") for text in texts)
    policies = {layer.name: layer.dtype_policy.name for layer in model.layers}
    quantized = {name for name, policy in policies.items() if policy.startswith(mode)}
    assert quantized == {"embedding", "dense"}
    found = model.predict(X, verbose=0)
    assert 0 < np.abs(found - want).max() < (0.05 if mode == "int8" else 0.5)


def test_a_quantized_model_is_saved_and_loaded(tmp_path):
    model = model_of(kit.LSTM(3))
    with pytest.warns(UserWarning, match="keeps its weights"):
        model.quantize("int8")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-6)


@pytest.mark.parametrize("layer", [kit.LSTM, kit.GRU, kit.SimpleRNN, kit.MinLSTM])
def test_a_recurrent_layer_refuses_to_be_quantized(layer):
    layer = layer(3, name="mine")
    layer.build((None, 4, 2))
    with pytest.raises(NotImplementedError, match=r"'mine' keeps its weights.*mode='int8'$"):
        layer.quantize("int8")


def test_lora_trains_the_embedding_and_the_dense_layer_beside_a_recurrent_one():
    model = model_of(kit.GRU(3, name="gru"))
    assert not hasattr(model.get_layer("gru"), "enable_lora")
    model.get_layer("gru").trainable = False
    for layer in model.layers:
        if hasattr(layer, "enable_lora"):
            layer.enable_lora(2)
    names = {weight.path.split("/")[-1] for weight in model.trainable_weights}
    assert names == {
        *("lora_embeddings_a", "lora_embeddings_b"),
        *("lora_kernel_a", "lora_kernel_b", "bias"),
    }
    model.compile("sgd", "mse")
    before = model.predict(X, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, np.ones((3, 2)), epochs=2, verbose=0)
    assert np.abs(model.predict(X, verbose=0) - before).max() > 1e-4
