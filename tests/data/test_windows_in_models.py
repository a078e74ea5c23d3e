"""Models train on windows, with and without missing values, on every backend."""

import keras
import numpy as np

import keras_rnnkit as kit


def wave(steps=160, missing=()):
    series = np.sin(np.arange(steps) / 3)
    series[list(missing)] = np.nan
    return series


def test_a_model_learns_a_wave_with_gaps():
    series = wave(missing=[*range(20, 28), 60, 110, 115])
    data = kit.data.windows(series, length=12, horizon=3, targets=[0], batch_size=16)
    model = keras.Sequential(
        [
            keras.Input((12, 2)),
            keras.layers.Masking(),
            kit.StackedRNN([12], cell="gru"),
            keras.layers.Dense(3),
            keras.layers.Reshape((3, 1)),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "mse")
    history = model.fit(data.train, validation_data=data.validation, epochs=20, verbose=0).history
    assert data.train.epoch == 20
    assert history["val_loss"][-1] < 0.1 < history["val_loss"][0]
    assert model.evaluate(data.test, verbose=0) < 0.1
    predicted = data.scaler.undo(model.predict(data.test, verbose=0))
    assert predicted.shape == data.test.targets().shape
    assert np.nanmean(abs(predicted - data.test.targets())) < 0.25


def test_masking_skips_the_missing_steps_alone():
    series = wave(40, missing=[7, 8])
    data = kit.data.windows(series, length=5, scale=False, seed=None)
    layer, masking = kit.LSTM(3), keras.layers.Masking()
    row = data.train.positions[:, 1].tolist().index(10)  # its inputs are the steps from 5 to 9
    x = np.concatenate([batch[0] for batch in data.train])[row : row + 1]
    masked = layer(masking(x))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(masked),
        keras.ops.convert_to_numpy(layer(x[:, [0, 1, 4]])),
        rtol=1e-5,
        atol=1e-6,
    )


def test_weights_leave_missing_targets_out_of_the_loss():
    series = wave(60, missing=[30, 31, 33])
    data = kit.data.windows(series, length=4, horizon=2, targets=[0], seed=None, batch_size=64)
    x, y, weights = data.train[0]
    assert weights.min() == 0
    model = keras.Sequential(
        [keras.Input((4, 2)), kit.GRU(3), keras.layers.Dense(2), keras.layers.Reshape((2, 1))]
    )
    model.compile("sgd", "mae")
    predicted = model.predict(x, verbose=0)
    expected = np.sum(abs(predicted - y)[..., 0] * weights) / weights.size
    np.testing.assert_allclose(model.evaluate(data.train, verbose=0), expected, rtol=1e-5)


def test_without_gaps_one_target_is_a_dense_layer():
    data = kit.data.windows(wave(80), length=6, horizon=2)
    model = keras.Sequential([keras.Input((6, 1)), kit.SimpleRNN(4), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(data.train, epochs=1, shuffle=False, verbose=0)
    assert model.predict(data.validation, verbose=0).shape == (11, 2)
