"""`fit_chunks` trains like chunks by hand, and like `fit` where a chunk is the sequence."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.models.chunked import (
    FEATURES,
    KINDS,
    LANES,
    TIME,
    data,
    optimizer,
    plain_models,
    stateful_model,
    train_by_hand,
    weights_of,
)
from tests.support.cases import assert_close, to_numpy, where_compiled

BORDERS = [(0, 3), (3, 7), (7, 11)]  # of chunks of 4 steps: the first one is shorter


def copies(kind, **options):
    """A stateful model, and the plain ones with its weights."""
    model, plain = stateful_model(kind, **options), plain_models(kind, **options)
    plain[0].set_weights([to_numpy(weight) for weight in model.trainable_weights])
    return model, plain


@pytest.mark.parametrize("kind", where_compiled(["gru"], list(KINDS)))
def test_it_trains_like_chunks_by_hand(kind):
    model, plain = copies(kind)
    x, y, weights = data()
    history = kit.fit_chunks(model, x, y, 4, sample_weight=weights, epochs=2, verbose=0)
    losses = train_by_hand(plain, x, y, BORDERS, weights, epochs=2)
    np.testing.assert_allclose(
        history.history["loss"], losses.reshape(2, -1).mean(axis=1), rtol=1e-5
    )
    assert_close(weights_of(model), weights_of(plain[0]))
    assert history.epoch == [0, 1]


@pytest.fixture
def float64():
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


@pytest.mark.slow_on("tensorflow")
@pytest.mark.skipif(keras.config.backend() == "jax", reason="the tests run JAX in float32")
def test_it_trains_like_chunks_by_hand_to_the_rounding_of_float64(float64):
    model, plain = copies("simple and lstm", masked=True, resets=True)
    x, y, _ = data()
    x[0, 8:] = x[1, :5] = 0
    resets = np.random.default_rng(1).random(x.shape[:2]) < 0.2
    kit.fit_chunks(model, [x, resets], y, 4, epochs=2, verbose=0)
    train_by_hand(plain, [x, resets], y, BORDERS, epochs=2)
    assert weights_of(model)[0].dtype == "float64"
    assert_close(weights_of(model), weights_of(plain[0]), rtol=1e-12, atol=1e-12)


@pytest.mark.xla
@pytest.mark.parametrize("kind", where_compiled(["lstm"], ["lstm", "minimal", "simple and lstm"]))
def test_masks_and_resets_go_with_their_steps(kind):
    model, plain = copies(kind, masked=True, resets=True)
    x, y, _ = data()
    x[0, 8:] = x[1, :5] = 0  # padded at the end and at the start
    x[2:, 3:7] = 0  # a chunk without a valid step
    resets = np.random.default_rng(1).random(x.shape[:2]) < 0.2
    kit.fit_chunks(model, [x, resets], y, 4, verbose=0)
    train_by_hand(plain, [x, resets], y, BORDERS)
    assert_close(weights_of(model), weights_of(plain[0]))


@pytest.mark.parametrize("steps", [TIME, 2 * TIME])
def test_one_chunk_is_the_whole_sequence(steps):
    model = stateful_model("lstm", time=TIME)
    whole = keras.Sequential(
        [
            keras.Input((TIME, FEATURES)),
            kit.LSTM(4, return_sequences=True),
            keras.layers.Dense(1),
        ]
    )
    whole.compile(optimizer(), "mse", weighted_metrics=["mae"])
    whole.set_weights([to_numpy(weight) for weight in model.trainable_weights])
    x, y, weights = data()
    validation = data(LANES, seed=1)
    shared = {"epochs": 2, "validation_data": validation, "verbose": 0, "sample_weight": weights}
    found = kit.fit_chunks(model, x, y, steps, **shared).history
    wanted = whole.fit(x, y, batch_size=LANES, shuffle=False, **shared).history
    assert list(found) == list(wanted)
    assert_close(list(found.values()), list(wanted.values()))
    assert_close(weights_of(model), weights_of(whole))


def test_metrics_are_of_all_chunks_of_the_epoch():
    model = stateful_model("lstm")
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=["mae"])
    x, y, _ = data()
    found = kit.fit_chunks(model, x, y, 4, epochs=2, validation_data=(x, y), verbose=0).history
    predicted = []
    for row in (0, LANES):
        kit.reset_states(model)
        predicted.append(to_numpy(model(x[row : row + LANES])))
    errors = np.concatenate(predicted) - y
    for name, values in {"loss": np.square(errors), "mae": np.abs(errors)}.items():
        chunks = [values[:, start:stop].mean() for start, stop in BORDERS]
        assert_close(found[name], [np.mean(chunks)] * 2)  # each chunk counts as a batch
    assert_close(found["val_loss"], found["loss"])
    assert_close(found["val_mae"], found["mae"])


def test_validation_leaves_the_states_of_the_training():
    x, y, _ = data()
    validation = data(3 * LANES, 9, seed=1)[:2]
    model, other = stateful_model("lstm"), stateful_model("lstm")
    other.set_weights(model.get_weights())
    kit.fit_chunks(model, x, y, 4, epochs=2, validation_data=validation, verbose=0)
    kit.fit_chunks(other, x, y, 4, epochs=2, verbose=0)
    assert_close(states(model), states(other))
    assert all(np.any(one) for one in states(model))
    assert_close(weights_of(model), weights_of(other))


def states(model):
    layers = [layer for layer in model.layers if getattr(layer, "stateful", False)]
    return [to_numpy(one) for one in keras.tree.flatten([layer.states for layer in layers])]


def test_several_inputs_and_outputs_by_name():
    x = keras.Input(batch_shape=(LANES, None, FEATURES), name="x")
    more = keras.Input(batch_shape=(LANES, None, 1), name="more")
    h = kit.StackedRNN([4, 3], cell="gru", stateful=True, return_sequences=True)(
        keras.layers.Concatenate()([x, more])
    )
    outputs = {"mean": keras.layers.Dense(1)(h), "class": keras.layers.Dense(2)(h)}
    model = keras.Model({"x": x, "more": more}, outputs)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", {"mean": "mse", "class": cross_entropy})
    inputs, y, weights = data()
    history = kit.fit_chunks(
        model,
        {"x": inputs, "more": inputs[..., :1].astype("float64")},
        {"mean": y, "class": y[..., 0] > 0},
        4,
        sample_weight={"mean": weights, "class": weights},
        verbose=0,
    )
    assert int(model.optimizer.iterations) == 6
    assert np.isfinite(history.history["class_loss"]).all()
