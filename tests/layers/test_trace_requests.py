"""Checks of `trace` and `return_gates`: a mask that arrays do not have, and a built layer."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import assert_close, to_numpy

TOKENS = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 7]])
LAYERS = {
    "LSTM": lambda **options: kit.LSTM(3, **options),
    "RNN": lambda **options: kit.RNN(kit.LayerNormGRUCell(3), **options),
    "MinGRU": lambda **options: kit.MinGRU(3, **options),
    "Bidirectional": lambda **options: kit.Bidirectional(kit.GRU(3, **options)),
    "StackedRNN": lambda **options: kit.StackedRNN([3, 2], **options),
}
WRAPPED = {**LAYERS, "LearnedInitialState": lambda: kit.LearnedInitialState(kit.LSTM(3))}


def model_with(layer):
    inputs = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(9, 4, mask_zero=True)(inputs)
    return keras.Model(inputs, layer(vectors)), keras.Model(inputs, vectors)


@pytest.mark.parametrize("name", WRAPPED)
def test_a_trace_without_the_mask_of_the_model_is_refused(name, tmp_path):
    model, front = model_with(WRAPPED[name]())
    model.save(tmp_path / "model.keras")
    vectors = front.predict(TOKENS, verbose=0)
    for layer in (model.layers[-1], keras.models.load_model(tmp_path / "model.keras").layers[-1]):
        with pytest.raises(ValueError, match=r"`trace` needs a `mask`.*Received: mask=None"):
            layer.trace(vectors)
        masked = layer.trace(vectors, mask=TOKENS != 0)
        assert_close(layer.trace(front(TOKENS)), masked)  # there Keras has attached it
        whole = layer.trace(vectors, mask=np.ones_like(TOKENS, bool))
        first, all_true = (keras.tree.flatten(trace)[0] for trace in (masked, whole))
        assert not np.allclose(to_numpy(first), to_numpy(all_true))


def parts_in_models():
    """Layers that get the model's mask by way of something else, and what calls them."""
    reader = kit.GRU(3)
    yield reader, keras.Sequential([keras.Input((None, 4)), reader])
    both = kit.Bidirectional(kit.GRU(3))
    yield both.forward_layer, both
    stack = kit.StackedRNN([3, 2])
    yield stack.recurrent_layers[0], stack
    learned = kit.LearnedInitialState(kit.LSTM(3))
    yield learned.layer, learned


# Keras warns that a Sequential destroys masks behind it; inside they hold.
@pytest.mark.filterwarnings("ignore:Layer 'sequential:UserWarning")
@pytest.mark.parametrize("which", range(4), ids=["nested", "direction", "in a stack", "learned"])
def test_a_part_of_something_is_refused_too(which):
    part, layer = list(parts_in_models())[which]
    model, front = model_with(layer)
    model(TOKENS)
    vectors = front.predict(TOKENS, verbose=0)
    with pytest.raises(ValueError, match="`trace` needs a `mask`"):
        part.trace(vectors)
    part.trace(vectors, mask=TOKENS != 0)


def test_a_layer_of_a_subclassed_model_is_refused_too():
    class Reader(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding = keras.layers.Embedding(9, 4, mask_zero=True)
            self.lstm = kit.LSTM(3)

        def call(self, tokens):
            return self.lstm(self.embedding(tokens))

    model = Reader()
    model.predict(TOKENS, verbose=0)
    with pytest.raises(ValueError, match="`trace` needs a `mask`"):
        model.lstm.trace(to_numpy(model.embedding(TOKENS)))


@pytest.mark.parametrize("name", WRAPPED)
def test_a_trace_needs_no_mask_where_the_model_has_none(name):
    layer = WRAPPED[name]()
    keras.Sequential([keras.Input((5, 4)), layer])
    x = np.ones((2, 5, 4), "float32")
    mask = keras.tree.flatten(layer.trace(x))[-1]
    assert to_numpy(mask).all()


@pytest.mark.parametrize("name", LAYERS)
def test_return_gates_is_settled_once_a_layer_is_built(name):
    layer = LAYERS[name]()
    layer(np.ones((2, 5, 4), "float32"))
    with pytest.raises(ValueError, match=r"cannot be set once.*`layer.trace\(sequences\)`"):
        layer.return_gates = True
    layer.return_gates = False  # what it is
    assert not isinstance(layer(np.ones((2, 5, 4), "float32")), tuple)


@pytest.mark.parametrize("name", LAYERS)
def test_return_gates_may_be_set_before(name):
    early, made = LAYERS[name](), LAYERS[name](return_gates=True)
    early.return_gates = True
    shapes = [
        [tuple(t.shape) for t in keras.tree.flatten(layer(np.ones((2, 5, 4), "float32")))]
        for layer in (early, made)
    ]
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) > 1


@pytest.mark.skipif(keras.config.backend() != "jax", reason="JAX's trainer takes variables away")
def test_a_trace_between_two_batches_is_refused_until_the_model_has_its_weights_back():
    layer = kit.LSTM(3)
    model = keras.Sequential([keras.Input((5, 4)), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x = np.ones((6, 5, 4), "float32")
    want = to_numpy(layer.trace(x).hidden)
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            with pytest.raises(RuntimeError, match=r"jax_state_sync\(\)"):
                layer.trace(x)
            self.model.jax_state_sync()
            seen.append(to_numpy(layer.trace(x).hidden))

    model.fit(x, x[:, 0, :1], batch_size=2, verbose=0, callbacks=[Look()])
    assert len(seen) == 3
    for hidden in seen:
        np.testing.assert_allclose(hidden, want, atol=1e-6)


@pytest.mark.parametrize("forward", [keras.layers.LSTM, kit.LSTM])
def test_a_trace_of_layers_of_keras_is_refused_in_words(forward):
    backward = keras.layers.LSTM(3, go_backwards=True)
    layer = kit.Bidirectional(forward(3), backward_layer=backward)
    for built in (False, True):
        with pytest.raises(
            ValueError, match=r"`trace` needs layers of .*Received: layer=keras's LSTM"
        ):
            layer.trace(np.ones((2, 5, 4), "float32"))
        if not built:
            layer(np.ones((2, 5, 4), "float32"))
