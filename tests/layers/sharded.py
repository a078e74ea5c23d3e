"""Trains on one device of this process and on two, and writes how far apart the weights end.

    python -m tests.layers.sharded OUT KIND

"kernels": the columns of every kernel of a cell are on two devices. "rows": the rows of the batch
are, and the layers are stateful. The file also has the shapes of their parts on one device.
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


class Watched(keras.Sequential):
    """Keeps the shape of the part of a batch that a device has."""

    part = None

    def make_train_function(self, force=False):
        super().make_train_function(force)
        function = self.train_function
        self.train_function = lambda state, batches: function(state, self._noted(batches))

    def _noted(self, batches):
        for x, *others in batches:
            if isinstance(x, jax.Array):  # else it is whole
                self.part = x.sharding.shard_shape(x.shape)
            yield x, *others


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
    model = Watched([keras.Input((LENGTH, FEATURES), batch_size=ROWS), *layers])
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
    """The weights and states after three steps, and shapes of the parts on one device."""
    model = build_model(kind == "rows")
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS * 3, LENGTH, FEATURES)).astype("float32")
    model.fit(x, x[:, 0, :1], batch_size=ROWS, shuffle=False, verbose=0)
    states = [v for v in model.variables if "state" in v.path and v.dtype == "float32"]
    values = [np.asarray(v.value) for v in (*model.weights, *states)]
    kernel = model.layers[0].cell.recurrent_kernel.value
    return values, {"batch": model.part, "kernel": kernel.sharding.shard_shape(kernel.shape)}


def main(out, kind):
    alone, _ = trained(kind)
    keras.distribution.set_distribution(spread(kind))
    together, shapes = trained(kind)
    differences = [float(abs(a - b).max()) for a, b in zip(alone, together, strict=True)]
    Path(out).write_text(json.dumps({"difference": max(differences), **shapes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
