"""A malicious file of Keras 2 cannot make the loader allocate much, or run for long."""

import json
import struct
import time

import h5py
import numpy as np
import pytest

from tests.interop.keras.hostile import changed, kernel_of, refused

pytestmark = pytest.mark.no_backend


@pytest.mark.parametrize("units", [10**6, 10**12, 2**80], ids=["large", "huge", "no integer"])
def test_a_huge_layer_is_refused_before_it_is_made(units, path):
    changed(path, lambda config: config[0]["config"].update(units=units))
    refused(path, "more than the file has|too large|int")


def test_huge_states_are_refused_before_they_are_made(path):
    def change(config):
        config[0]["config"].update(stateful=True, batch_input_shape=[2**30, 5, 4])

    changed(path, change)
    refused(path, "its stateful layers have 3221225472 states")


def test_states_in_a_layer_for_each_step(path):
    inner = {"class_name": "GRU", "config": {"units": 2, "stateful": True}}
    many = {"class_name": "TimeDistributed", "config": {"layer": inner}}
    changed(path, lambda config: config.append(many))
    refused(path, "has stateful layers in a TimeDistributed")


def test_many_names_of_one_large_dataset(path):
    with h5py.File(path, "r+") as file:
        group, _ = kernel_of(file)
        group["large"] = np.zeros(2**16, "f4")
        names = [f"name{i}" for i in range(20)]
        for name in names:
            group[name] = group["large"]
        group.attrs["weight_names"] = names
    refused(path, "the arrays up to 'name1' are larger than the file")


def test_a_size_that_the_file_does_not_have(path):
    """A dataset that claims 2^48 bytes, in a header that was changed by hand."""
    with h5py.File(path, "r+") as file:
        group, name = kernel_of(file)
        del group[name]
        group.create_dataset(name, data=np.zeros((123, 457), "f4"))
    old = struct.pack("<QQ", 123, 457)
    stored = struct.pack("<Q", 123 * 457 * 4)
    content = path.read_bytes()
    assert old in content and content.count(stored) == 1
    new = struct.pack("<QQ", 2**30, 2**16)
    path.write_bytes(content.replace(old, new).replace(stored, struct.pack("<Q", 2**48)))
    refused(path, "larger than the file|Unable to")


def test_a_model_without_layers(path):
    with h5py.File(path, "r+") as file:
        empty = {"layers": [], "build_input_shape": [None, 3]}
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": empty})
    refused(path, "its sequential model has no layers")


def test_text_with_many_escaped_quotes_takes_little_time(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["model_config"]
        file.attrs["model_config"] = '\\"' * 30_000
    start = time.process_time()
    refused(path, "its config is no JSON")
    assert time.process_time() - start < 5


def test_a_shape_without_content(path):
    with h5py.File(path, "r+") as file:
        group, name = kernel_of(file)
        del group[name]
        group.create_dataset(name, (2**20, 2**20), "f4", chunks=(1, 2**10))
    refused(path, "declares the shape .* but stores less")
