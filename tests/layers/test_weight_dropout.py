"""`recurrent_weight_dropout`: one mask on the recurrent kernel, on every path."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.running import run
from tests.support.backends import gradients
from tests.support.cases import MASKS, NAMESAKES, assert_close, built, by_name, to_numpy

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
DROPPING = [case for case in NAMESAKES if case.gates > 1]
RATE = 0.5


def layers(case, units, **options):
    """The same layer on the path that is chosen, and on the portable one."""
    weights = case.weights(np.random.default_rng(1), 4, units)
    for path in ("auto", "portable"):
        how = {"path": path, "recurrent_weight_dropout": RATE, "seed": 3, **options}
        yield built(case, weights, 4, units, **how)


def mask_of(case, units):
    """The mask that the next sequence will see."""
    cell = case.cell(units, recurrent_weight_dropout=RATE, seed=3, **case.options)
    cell.build((None, 4))
    masks = cell.draw_masks(np.zeros((3, 4), "float32"), np.zeros((3, units), "float32"))
    return to_numpy(masks.weights)


@pytest.mark.parametrize("units", [3, 40])
@pytest.mark.parametrize("case", DROPPING, ids=by_name)
def test_the_numbers_are_those_of_the_dropped_kernel(case, units):
    mask = mask_of(case, units)
    assert set(np.unique(mask)) == {0.0, 1 / (1 - RATE)}
    for layer in layers(case, units, return_sequences=True):
        dropped = [w.copy() for w in layer.get_weights()]
        dropped[1] *= mask
        plain = built(case, dropped, 4, units, path="portable", return_sequences=True)
        got = to_numpy(layer(X, mask=MASKS["holes"], training=True))
        assert_close(got, plain(X, mask=MASKS["holes"]), rtol=1e-4, atol=1e-4)
        plain.set_weights(layer.get_weights())
        assert_close(layer(X), plain(X), rtol=1e-4, atol=1e-4)  # no dropout in inference
        assert not np.allclose(got, to_numpy(layer(X, mask=MASKS["holes"], training=True)))


@pytest.mark.parametrize("case", DROPPING, ids=by_name)
def test_gradients_are_the_portable_ones_and_zero_where_dropped(case):
    def loss(layer, x):
        return keras.ops.sum(layer(x, training=True) ** 2)

    options = {"return_sequences": True, "dropout": 0.3, "recurrent_dropout": 0.3}
    got, want = (gradients(loss, layer, X) for layer in layers(case, 3, **options))
    for mine, other in zip(got, want, strict=True):
        assert_close(mine, other, rtol=1e-3, atol=1e-3)
    plain = next(layers(case, 3))
    by_kernel = gradients(loss, plain, X)[2]
    assert (by_kernel[mask_of(case, 3) == 0] == 0).all()
    assert by_kernel.any()


@pytest.mark.parametrize("case", DROPPING, ids=by_name)
def test_training_draws_new_masks_in_every_batch(case):
    model = keras.Sequential(
        [
            keras.Input((5, 4)),
            case.layer(30, recurrent_weight_dropout=RATE, seed=3, **case.options),
            keras.layers.Dense(1, trainable=False),
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse")
    losses = [model.fit(X, X[:, 0, :1], verbose=0).history["loss"][0] for _ in range(3)]
    assert len(set(losses)) == 3
    assert_close(model.predict(X, verbose=0), model.predict(X, verbose=0))


@pytest.mark.parametrize("case", DROPPING, ids=by_name)
def test_config_wrappers_and_foreign_layers(case, tmp_path):
    layer = case.layer(3, recurrent_weight_dropout=0.25, **case.options)
    assert layer.get_config()["recurrent_weight_dropout"] == 0.25
    copy = case.layer.from_config(layer.get_config())
    assert copy.cell.recurrent_weight_dropout == 0.25
    assert case.cell.from_config(copy.cell.get_config()).recurrent_weight_dropout == 0.25
    inputs = keras.Input((5, 4))
    both = kit.Bidirectional(layer)
    model = keras.Model(inputs, both(inputs))
    assert both.backward_layer.cell.recurrent_weight_dropout == 0.25
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[1].forward_layer.cell.recurrent_weight_dropout == 0.25
    assert_close(loaded(X), model(X))
    in_keras = keras.layers.RNN(case.cell(3, recurrent_weight_dropout=0.25, **case.options))
    in_keras(X, training=True)
    assert in_keras.cell._weight_mask is None


@pytest.mark.parametrize("case", DROPPING, ids=by_name)
@pytest.mark.parametrize("rate", [1, -0.1, "half", True])
def test_a_rate_outside_is_refused(case, rate):
    with pytest.raises(
        ValueError,
        match=r"`recurrent_weight_dropout` of .*in \[0, 1\)\. Received: recurrent_weight_dropout=",
    ):
        case.layer(3, recurrent_weight_dropout=rate, **case.options)


def test_the_path_stays_fused_and_off_keras_layer(monkeypatch):
    layer = kit.LSTM(4, recurrent_weight_dropout=RATE)
    plain = kit.LSTM(4)
    for training in (True, False):
        asked = {"masked": False, "capture_gates": False, "training": training}
        assert run.choice_for(layer, **asked) == run.choice_for(plain, **asked)
        monkeypatch.setattr(run, "_on_gpu", lambda layer: True)
        assert run.choice_for(layer, **asked).path == "fused"
        monkeypatch.undo()
