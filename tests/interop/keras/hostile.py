"""Changes to a file of Keras 2, and the check that it is then refused."""

import json

import h5py
import pytest

import keras_rnnkit as kit


def kernel_of(file):
    """The group of the weights of the GRU, with the name of its kernel."""
    group = file["model_weights"]
    layer = next(name for name in group if "gru" in name)
    kernel = next(n for n in group[layer].attrs["weight_names"] if "/kernel" in n)
    return group[layer], kernel


def changed(path, change):
    """Change the config in the file."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config["config"])
        file.attrs["model_config"] = json.dumps(config)


def refused(path, message):
    with pytest.raises(ValueError, match=message) as raised:
        kit.load_keras2(path)
    assert str(raised.value).endswith(f"Received: path='{path}'")
