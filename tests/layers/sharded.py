"""Trains on one device of this process and on two, and writes how far apart the weights end.

    python -m tests.layers.sharded OUT KIND

"kernels": the columns of every recurrent weight are on two devices. "rows": the rows of the batch
are, and the layers are stateful.
"""

import json
import os
import sys
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax
import keras
import numpy as np

import keras_rnnkit as kit

ROWS, LENGTH, FEATURES, UNITS = 4, 6, 3, 8


def build_model(stateful):
    keras.utils.set_random_seed(1)
    options = {"return_sequences": True, "stateful": stateful}
    layers = [
        kit.LSTM(UNITS, **options),
        kit.GRU(UNITS, path="portable", **options),
        kit.MinLSTM(UNITS, **options),
        kit.SimpleRNN(UNITS, stateful=stateful),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential([keras.Input((LENGTH, FEATURES), batch_size=ROWS), *layers])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def spread(kind):
    devices = keras.distribution.list_devices()
    if kind == "rows":
        return keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    mesh = keras.distribution.DeviceMesh((1, 2), ["batch", "model"], devices)
    layout = keras.distribution.LayoutMap(mesh)
    layout[".*cell/.*kernel"] = (None, "model")
    return keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")


def trained(kind):
    """The weights and the states after three steps, and whether each device has all weights."""
    model = build_model(stateful=kind == "rows")
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS * 3, LENGTH, FEATURES)).astype("float32")
    model.fit(x, x[:, 0, :1], batch_size=ROWS, shuffle=False, verbose=0)
    recurrent = [w.value for w in model.weights if w.path.endswith("recurrent_kernel")]
    whole = all(w.sharding.is_fully_replicated for w in recurrent)
    states = [v for v in model.variables if "state" in v.path and v.dtype == "float32"]
    return [np.asarray(v.value) for v in (*model.weights, *states)], whole


def main(out, kind):
    alone, _ = trained(kind)
    keras.distribution.set_distribution(spread(kind))
    together, whole = trained(kind)
    differences = [float(abs(a - b).max()) for a, b in zip(alone, together, strict=True)]
    result = {"difference": max(differences), "whole": whole, "devices": len(jax.devices())}
    Path(out).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
