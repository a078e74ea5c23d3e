"""`Bucketed` in `fit`, `evaluate` and `predict`."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit

ROWS, BATCH = 46, 3


def data(seed=0, **options):
    rng = np.random.default_rng(seed)
    x = [rng.integers(1, 20, n) for n in rng.integers(1, 12, ROWS)]
    y = np.array([float(7 in row) for row in x], "float32")
    bucketed = kit.data.Bucketed(x, y, batch_size=BATCH, lengths=3, **options)
    assert len(bucketed.lengths) == 3 and len(x) % BATCH
    return x, y, bucketed


def model(inputs=None):
    net = keras.Sequential(
        [
            *([keras.Input((None,), dtype="int32")] if inputs is None else inputs),
            kit.Embedding(20, 4, mask_zero=True),
            kit.GRU(4),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    net.compile("sgd", "binary_crossentropy", metrics=["accuracy"], weighted_metrics=["mse"])
    return net


def noted(bucketed, monkeypatch):
    """Notes the targets of the batches that the model gets, by their index."""
    asked = []
    original = type(bucketed).__getitem__

    def note(self, index):
        asked.append((self.epoch, index))
        return original(self, index)

    monkeypatch.setattr(type(bucketed), "__getitem__", note)
    return asked


@pytest.mark.parametrize("workers", [1, 2])
def test_predictions_are_those_of_each_sequence_alone(workers):
    x, _, bucketed = data(workers=workers)
    net = model()
    alone = np.array([net.predict_on_batch(row[None])[0] for row in x])
    for _ in range(3):  # in another order each time
        found = bucketed.restore(net.predict(bucketed, verbose=0))
        np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-5)
    assert bucketed.epoch == 3


def test_predictions_of_a_model_that_is_not_built():
    x, _, bucketed = data(workers=2)
    net = model(inputs=[])
    found = bucketed.restore(net.predict(bucketed, verbose=0))
    alone = np.array([net.predict_on_batch(row[None])[0] for row in x])
    np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-5)


def test_evaluate_is_that_of_the_padded_arrays():
    x, y, _ = data()
    weights = np.linspace(0.5, 2, ROWS)
    bucketed = kit.data.Bucketed(x, y, batch_size=ROWS, lengths=1, sample_weight=weights)
    small = kit.data.Bucketed(x, y, batch_size=BATCH, lengths=3, sample_weight=weights)
    net = model()
    padded = kit.data.pad(x, padding="post")
    want = net.evaluate(padded, y, batch_size=ROWS, sample_weight=weights, verbose=0)
    np.testing.assert_allclose(net.evaluate(bucketed, verbose=0), want, rtol=1e-4)
    np.testing.assert_allclose(net.evaluate(small, verbose=0)[1:], want[1:], rtol=1e-4)


@pytest.mark.parametrize("workers", [1, 2])
def test_fit_trains_on_the_batches_of_each_epoch_in_order(workers):
    """As a loop of `train_on_batch` does, in a first `fit` and in a second one."""
    _, _, bucketed = data(workers=workers, class_weight={1: 3.0})
    _, _, pure = data(class_weight={1: 3.0})
    net, by_hand = model(), model()
    by_hand.set_weights(net.get_weights())
    for start in (0, 2):
        net.fit(bucketed, epochs=2, shuffle=False, verbose=0, validation_data=data(1)[2])
        for epoch in (start, start + 1):
            pure.set_epoch(epoch)
            for batch in pure:
                by_hand.train_on_batch(*batch)
    assert bucketed.epoch == 4
    for one, other in zip(net.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_each_batch_comes_once_where_keras_shuffles(monkeypatch):
    _, _, bucketed = data()
    net = model()
    net.fit(bucketed, epochs=1, verbose=0)
    asked = noted(bucketed, monkeypatch)
    net.fit(bucketed, epochs=1, verbose=0)
    assert {index for epoch, index in asked if epoch == 1} == set(range(len(bucketed)))
    assert bucketed.epoch == 2


def test_validation_and_several_inputs():
    rng = np.random.default_rng(0)
    x = {
        "text": [rng.integers(1, 20, n) for n in rng.integers(1, 12, ROWS)],
        "signal": [rng.normal(size=(n, 2)) for n in rng.integers(1, 9, ROWS)],
        "age": rng.normal(size=(ROWS, 3)),
    }
    text = keras.Input((None,), dtype="int32", name="text")
    signal = keras.Input((None, 2), name="signal")
    age = keras.Input((3,), name="age")
    parts = [
        kit.GRU(3)(kit.Embedding(20, 4, mask_zero=True)(text)),
        kit.LSTM(3)(keras.layers.Masking(0.0)(signal)),
        age,
    ]
    output = keras.layers.Dense(1)(keras.layers.Concatenate()(parts))
    net = keras.Model({"text": text, "signal": signal, "age": age}, output)
    net.compile("sgd", "mse")
    bucketed = kit.data.Bucketed(x, x["age"][:, 0], batch_size=BATCH, lengths=3)
    history = net.fit(bucketed, validation_data=bucketed, epochs=2, shuffle=False, verbose=0)
    assert len(history.history["val_loss"]) == 2
    found = bucketed.restore(net.predict(bucketed, verbose=0))
    for row in (0, 17):
        one = {name: np.asarray(part[row])[None] for name, part in x.items()}
        one = {
            name: part.astype("int32" if name == "text" else "float32")
            for name, part in one.items()
        }
        np.testing.assert_allclose(net.predict_on_batch(one)[0], found[row], rtol=1e-3, atol=1e-5)


def test_targets_with_a_time_axis():
    rng = np.random.default_rng(0)
    x = [rng.integers(1, 20, n) for n in rng.integers(1, 12, ROWS)]
    y = [(row > 9).astype("float32")[:, None] for row in x]
    net = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            kit.Embedding(20, 4, mask_zero=True),
            kit.GRU(4, return_sequences=True),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    net.compile("adam", "mse")
    bucketed = kit.data.Bucketed(x, y, batch_size=BATCH, lengths=3)
    losses = net.fit(bucketed, epochs=2, shuffle=False, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    one_batch = kit.data.Bucketed(x, y, batch_size=ROWS, lengths=1)
    errors = [
        (net.predict_on_batch(one[None])[0] - two) ** 2 for one, two in zip(x, y, strict=True)
    ]
    padding_left_out = np.concatenate(errors).mean()
    np.testing.assert_allclose(net.evaluate(one_batch, verbose=0), padding_left_out, rtol=1e-4)
