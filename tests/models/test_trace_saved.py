"""A model that was trained, saved and loaded in another process is traced the same."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.models.traces import flat_traces

L = keras.layers

# No layer of the kit, and no code of its own: only a file and `kit.trace`.
PROGRAM = """
import sys
import keras
import numpy as np
import keras_rnnkit as kit

model = keras.models.load_model(sys.argv[1])
kit.trace(model, np.load(sys.argv[2])).save(sys.argv[3])
"""


def plain_model():
    inputs = keras.Input((6,), dtype="int32")
    x = L.Embedding(9, 4, mask_zero=True)(inputs)
    x = L.Bidirectional(L.LSTM(3, return_sequences=True), name="both")(x)
    x = L.RNN([L.GRUCell(3), L.SimpleRNNCell(2)], return_sequences=True, name="cells")(x)
    encoder = keras.Sequential([L.GRU(3, name="gru", reset_after=False)], name="encoder")
    return keras.Model(inputs, L.Dense(1)(encoder(x)))


# Keras passes no mask into an unbuilt model in a model.
@pytest.mark.filterwarnings("ignore:Layer 'encoder:UserWarning")
def test_a_loaded_keras_model_is_traced_as_the_trained_one(tmp_path):
    model, x = plain_model(), np.random.default_rng(0).integers(0, 9, (8, 6)).astype("int32")
    model.compile("adam", "mse")
    model.fit(x, np.ones((8, 1)), epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    paths = [str(tmp_path / name) for name in ("model.keras", "x.npy", "traces.npz")]
    subprocess.run(
        [sys.executable, "-c", PROGRAM, *paths], check=True, env=dict(os.environ), timeout=300
    )
    found, want = kit.Traces.load(paths[2]), kit.trace(model, x)
    assert list(found) == ["both", "cells", "gru"]
    for (name, a), (_, b) in zip(flat_traces(found), flat_traces(want), strict=True):
        for field in a._fields:
            np.testing.assert_allclose(
                getattr(a, field), getattr(b, field), atol=1e-5, err_msg=f"{name}.{field}"
            )
    np.testing.assert_allclose(found.outputs, model.predict(x, verbose=0), atol=1e-5)
