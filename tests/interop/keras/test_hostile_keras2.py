"""A malicious file of Keras 2 runs nothing and reads no other file."""

import base64
import marshal
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.interop.keras.hostile import changed, kernel_of, refused

pytestmark = pytest.mark.no_backend


OTHER_FILES = {
    "external link": (
        lambda g, n, other: g.__setitem__(n, h5py.ExternalLink(other, "secret")),
        "is a link to another place or file",
    ),
    "soft link": (
        lambda g, n, other: g.__setitem__(n, h5py.SoftLink("/model_weights")),
        "is a link to another place or file",
    ),
    "virtual dataset": (
        lambda g, n, other: g.create_virtual_dataset(n, virtual(other)),
        "is a virtual dataset",
    ),
    "external storage": (
        lambda g, n, other: g.create_dataset(n, (4, 9), "f4", external=[(other, 0, 144)]),
        "is stored in another file",
    ),
}


def virtual(other):
    layout = h5py.VirtualLayout((4, 9), "f4")
    layout[:] = h5py.VirtualSource(other, "secret", (4, 9))
    return layout


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_no_other_file_is_read(kind, path, tmp_path):
    make, message = OTHER_FILES[kind]
    other = tmp_path / "secret.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones((4, 9), "f4")
    with h5py.File(path, "r+") as file:
        group, name = kernel_of(file)
        del group[name]
        make(group, name, str(other))
    # A pipe in its place: whoever opened it would wait for a writer, for ever.
    other.unlink()
    os.mkfifo(other)
    code = f"import keras_rnnkit as kit; kit.load_keras2({str(path)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False
    )
    assert message in done.stderr, done.stderr
    assert "Received: path=" in done.stderr


def test_a_link_in_the_place_of_a_group(path, tmp_path):
    with h5py.File(path, "r+") as file:
        del file["model_weights"]
        file["model_weights"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "model_weights")
    refused(path, "is a link|has no `layer_names`")


def test_a_lambda_with_code_does_not_run(path, tmp_path):
    trace = tmp_path / "ran"
    code = compile(f"open({str(trace)!r}, 'w')", "lambda", "eval")
    function = [base64.b64encode(marshal.dumps(code)).decode(), None, None]

    def change(config):
        config.append({"class_name": "Lambda", "config": {"name": "x", "function": function}})

    changed(path, change)
    refused(path, "class 'Lambda' is not one that can be loaded")
    assert not trace.exists()


CONFIGS = {
    "an unknown class": {"class_name": "Surprise", "config": {}},
    "a function of a module": {
        "class_name": "system", "module": "os", "registered_name": None, "config": {},
    },
    "a class with a module": {
        "module": "subprocess", "class_name": "Popen", "config": {"args": ["touch", "x"]},
    },
    "a path to a class": {"class_name": "keras.layers.Lambda", "config": {}},
    "an attribute": {"class_name": "__init__", "config": {}},
    "a class that is no text": {"class_name": ["LSTM"], "config": {}},
    "no config": {"class_name": "LSTM"},
    "a function as activation": {
        "class_name": "Dense",
        "config": {"units": 2, "activation": {"class_name": "function", "config": "os.system"}},
    },
    "an unknown activation": {"class_name": "Dense", "config": {"units": 2, "activation": "eval"}},
    "a regularizer of a module": {
        "class_name": "Dense",
        "config": {"units": 2, "kernel_regularizer": {"class_name": "Popen", "config": {}}},
    },
    "weights in the config": {"class_name": "Dense", "config": {"units": 2, "weights": [1]}},
    "an object as option": {"class_name": "Dropout", "config": {"rate": {"class_name": "x"}}},
    "an unknown policy": {"class_name": "Dense", "config": {"units": 2, "dtype": {"config": 1}}},
    "an unknown option": {"class_name": "Dense", "config": {"units": 2, "surprise": 1}},
    "a subclassed model": {"class_name": "Model", "config": {}},
    "a wrong type": {"class_name": "Dense", "config": {"units": "many"}},
    "an index that is not there": {"class_name": "BatchNormalization", "config": {"axis": 9}},
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGS)
def test_a_config_can_name_layers_alone(case, path):
    changed(path, lambda config: config.append(CONFIGS[case]))
    refused(path, "`path` must be an HDF5 file of Keras 2")


def test_compressed_content(path):
    with h5py.File(path, "r+") as file:
        group, name = kernel_of(file)
        del group[name]
        group.create_dataset(name, (4, 9), "f4", compression="gzip")
    refused(path, "is compressed")


def test_what_is_no_number(path):
    with h5py.File(path, "r+") as file:
        group, name = kernel_of(file)
        del group[name]
        group[name] = np.full((4, 9), b"text")
    refused(path, "does not hold numbers")


@pytest.mark.parametrize(
    "text", ["[" * 500_000, '{"a":' * 500, "{", "[]", '{"a": 1' + "0" * 5000 + "}"],
    ids=["brackets", "levels", "half", "a list", "digits"],
)  # fmt: skip
def test_a_config_that_is_no_config(text, path):
    with h5py.File(path, "r+") as file:
        del file.attrs["model_config"]
        file.attrs["model_config"] = text
    refused(path, "its config|its model")


def test_a_torn_file(path):
    content = path.read_bytes()
    for length in [0, 7, 100, *range(500, len(content), len(content) // 8)]:
        path.write_bytes(content[:length])
        refused(path, "`path` must be an HDF5 file")


def test_random_faults_end_in_an_error_or_in_a_model(path):
    content, rng = path.read_bytes(), np.random.default_rng(0)
    messages = []
    for _ in range(30):
        torn = bytearray(content)
        for place in rng.integers(0, len(torn), size=8):
            torn[place] = rng.integers(256)
        path.write_bytes(torn)
        try:
            kit.load_keras2(path)
        except ValueError as error:
            messages.append(str(error))
    assert messages and all("Received: path=" in message for message in messages)


def test_a_pipe_and_a_folder(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    refused(tmp_path / "pipe.h5", "a device or a pipe")
    refused(tmp_path, "a folder, not a file")
