"""Layers against `keras.layers` with the same weights: numbers, training, weights both ways."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import MASKS, NAMESAKES, assert_close, by_name, to_numpy

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")

OPTIONS = {
    "defaults": {},
    "return_sequences": {"return_sequences": True},
    "return_state": {"return_state": True},
    "go_backwards": {"go_backwards": True, "return_sequences": True},
    "unroll": {"unroll": True, "return_sequences": True},
    "no bias": {"use_bias": False},
    "other activations": {"activation": "relu"},
    "zero output": {"zero_output_for_mask": True, "return_sequences": True},
}


def pair(case, **options):
    """Our layer and the Keras layer, with the same random weights."""
    layers = [kind(3, **case.options, **options) for kind in (case.layer, case.keras_layer)]
    for layer in layers:
        layer.build((None, 5, 4))
    rng = np.random.default_rng(5)
    weights = [rng.normal(size=w.shape) for w in layers[1].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return layers


# Every option with holes in the mask, and those that choose another way through time without one.
GRID = [(name, "holes") for name in OPTIONS]
GRID += [(name, "no mask") for name in ("defaults", "return_state", "go_backwards", "unroll")]


@pytest.mark.parametrize(("options", "mask"), GRID)
@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_same_numbers_as_keras(case, options, mask):
    mine, theirs = pair(case, **OPTIONS[options])
    assert_close(mine(X, mask=MASKS[mask]), theirs(X, mask=MASKS[mask]))


@pytest.mark.parametrize(
    ("case", "rates"),
    [
        *((case, (0.3, 0.3)) for case in NAMESAKES),
        *(
            pytest.param(case, (0.3, 0.0), marks=pytest.mark.slow_on("tensorflow"))
            for case in NAMESAKES
            if case.name in ("lstm", "gru")
        ),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_same_training_as_keras(case, rates):
    """From one global seed: the same first weights, dropout masks, gradients and losses."""
    histories = []
    for kind in (case.layer, case.keras_layer):
        keras.utils.set_random_seed(7)
        options = {"dropout": rates[0], "recurrent_dropout": rates[1], **case.options}
        layers = [kind(4, return_sequences=True, **options), kind(3, **options)]
        model = keras.Sequential([keras.Input((5, 4)), *layers, keras.layers.Dense(1)])
        # On TensorFlow building the graphs would take most of the time.
        eagerly = keras.config.backend() == "tensorflow"
        model.compile("adam", "mse", run_eagerly=eagerly)
        y = X[:, 0, :1]
        fit = model.fit(X, y, epochs=2, batch_size=2, verbose=0)
        # At the end alone: a validation moves the seed of the layers of Keras.
        histories.append({**fit.history, "validation": model.evaluate(X, y, verbose=0)})
    for key in histories[0]:
        np.testing.assert_allclose(histories[0][key], histories[1][key], rtol=1e-4, err_msg=key)


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_masks_of_a_keras_embedding_are_obeyed(case):
    tokens = np.array([[1, 2, 3, 0, 0], [0, 0, 4, 5, 6], [0, 0, 0, 0, 0]])
    embedding = keras.layers.Embedding(7, 4, mask_zero=True)
    mine, theirs = pair(case, return_sequences=True, return_state=True)
    assert_close(mine(embedding(tokens)), theirs(embedding(tokens)))
    unmasked = mine(to_numpy(embedding(tokens)))[0]
    assert not np.allclose(to_numpy(mine(embedding(tokens))[0]), to_numpy(unmasked))


@pytest.mark.parametrize("stateful", [False, True], ids=["stateless", "stateful"])
@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_weights_go_both_ways(case, stateful):
    mine = case.layer(3, stateful=stateful, **case.options)
    theirs = case.keras_layer(3, stateful=stateful, **case.options)
    for layer in (mine, theirs):
        layer.build((3, 5, 4))
    assert [w.name for w in mine.weights] == [w.name for w in theirs.weights]
    mine.set_weights(theirs.get_weights())
    assert_close(mine(X), theirs(X))
    theirs.set_weights([w + 1 for w in mine.get_weights()])
    mine.set_weights(theirs.get_weights())
    assert_close(mine(X, initial_state=zeros(case)), theirs(X, initial_state=zeros(case)))


def zeros(case):
    return [np.zeros((3, 3), "float32") for _ in range(case.states)]


def keras_model(case, stateful):
    i = keras.Input(batch_shape=(3, 5, 4))
    layer = case.keras_layer(3, stateful=stateful, return_sequences=True, **case.options)
    wrapped = keras.layers.Bidirectional(case.keras_layer(2, **case.options))
    return keras.Model(i, wrapped(layer(i)))


@pytest.mark.parametrize("stateful", [False, True], ids=["stateless", "stateful"])
@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_a_model_saved_from_keras_loads_as_ours(case, stateful, tmp_path):
    theirs = keras_model(case, stateful)
    theirs.save(tmp_path / "model.keras")
    theirs.save_weights(tmp_path / "model.weights.h5")
    mine = kit.from_keras(keras.models.load_model(tmp_path / "model.keras"))
    assert isinstance(mine.layers[1], case.layer)
    assert isinstance(mine.layers[2], kit.Bidirectional)
    assert isinstance(mine.layers[2].backward_layer, case.layer)
    assert isinstance(mine.layers[2].backward_layer.cell, case.cell)
    want = to_numpy(theirs(X))
    assert_close(mine(X), want)
    mine.set_weights([w * 0 for w in mine.get_weights()])
    kit.reset_states(mine)
    mine.load_weights(tmp_path / "model.weights.h5")
    assert_close(mine(X), want)


def test_a_converted_model_keeps_states_stacks_and_compilation():
    cells = [keras.layers.LSTMCell(3), keras.layers.GRUCell(2)]
    layer = keras.layers.RNN(keras.layers.StackedRNNCells(cells), stateful=True)
    theirs = keras.Sequential([keras.Input(batch_shape=(3, 5, 4)), layer])
    theirs.compile("sgd", "mse")
    theirs(X)
    mine = kit.from_keras(theirs)
    assert isinstance(mine.layers[0].cell.cells[1], kit.GRUCell)
    assert_close(mine(X), theirs(X))
    assert mine.evaluate(X, X[:, 0, :2], batch_size=3, verbose=0) > 0


def test_only_a_built_model_can_be_converted():
    with pytest.raises(ValueError, match=r"must be built.*model\.built=False$"):
        kit.from_keras(keras.Sequential([keras.layers.LSTM(3)]))
    with pytest.raises(TypeError, match="must be a Keras model or layer"):
        kit.from_keras("model.keras")


@keras.saving.register_keras_serializable(package="tests")
class MakesItsOwn(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.reader = keras.layers.LSTM(3, name="reader")

    def call(self, x):
        return self.reader(x)


def test_a_model_that_cannot_be_converted_is_refused():
    model = MakesItsOwn()
    model(X)
    with pytest.raises(
        ValueError, match=r"makes its recurrent layers in its own code.*layers=\['reader'\]$"
    ):
        kit.from_keras(model)


def test_same_numbers_as_torch():
    torch = pytest.importorskip("torch", reason="torch.nn is a witness where torch is installed")
    rng = np.random.default_rng(3)
    for kind, layer, order in (
        (torch.nn.LSTM, kit.LSTM(3, return_sequences=True), [0, 1, 2, 3]),
        (torch.nn.GRU, kit.GRU(3, return_sequences=True), [1, 0, 2]),
        (torch.nn.RNN, kit.SimpleRNN(3, return_sequences=True), [0]),
    ):
        layer.build((None, 5, 4))
        weights = [rng.normal(size=w.shape).astype("float32") for w in layer.get_weights()]
        layer.set_weights(weights)
        theirs = kind(4, 3, batch_first=True)
        kernel, recurrent, bias = (reordered(w, order) for w in weights)
        two = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
        with torch.no_grad():
            for name, value in zip(
                ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"),
                (kernel.T, recurrent.T, *two),
                strict=True,
            ):
                getattr(theirs, name).copy_(torch.tensor(value))
            want = theirs(torch.tensor(X))[0].numpy()
        np.testing.assert_allclose(to_numpy(layer(X)), want, rtol=1e-5, atol=1e-5)


def reordered(weight, order):
    blocks = np.split(weight, len(order), axis=-1)
    return np.concatenate([blocks[i] for i in order], axis=-1)
