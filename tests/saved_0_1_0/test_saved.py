"""The files that 0.1.0 wrote load, on every backend, into models with the same outputs."""

import json
import zipfile

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.saved_0_1_0.write import FOLDER, GROUPS, as_array, states_of

NAMES = [group.__name__ for group in GROUPS]
EVERY_KIND = {
    name
    for name, kind in vars(kit).items()
    if isinstance(kind, type) and issubclass(kind, keras.layers.Layer)
} - {"GatedCell", "RGLRU", "RGLRUCell", "TakeLast"}  # a base class, and what 0.1.0 did not have

# A class may move to another module, and Keras numbers objects anew.
IGNORED_KEYS = ("module", "shared_object_id")


def saved(name):
    return FOLDER / f"{name}.keras"


def config_of(name):
    with zipfile.ZipFile(saved(name)) as archive:
        return json.loads(archive.read("config.json"))


@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_states_equal_the_saved_ones(name):
    model = keras.saving.load_model(saved(name))
    with np.load(FOLDER / f"{name}.npz") as arrays:
        expected = dict(arrays)
    outputs = model(expected.pop("inputs"))
    found = outputs if isinstance(outputs, dict) else {"output": outputs}
    found |= {f"state.{i}": state for i, state in enumerate(states_of(model))}
    assert set(found) == set(expected)
    tolerance = 2e-2 if name == "half" else 1e-5
    for key, value in expected.items():
        assert np.abs(value).max() > 0, key
        message = f"{name}: {key}"
        np.testing.assert_allclose(
            as_array(found[key]), value, rtol=tolerance, atol=tolerance, err_msg=message
        )


@pytest.mark.parametrize("name", NAMES)
def test_configs_keep_their_entries(name):
    before = config_of(name)
    model = keras.saving.load_model(saved(name), compile=False)
    now = keras.saving.serialize_keras_object(model)
    assert differences(before["config"], json.loads(json.dumps(now))["config"]) == []
    again = keras.saving.deserialize_keras_object(now)
    assert again.get_config() == model.get_config()


def differences(before, now, place=""):
    """Where a config differs from the saved one; entries that are new are allowed."""
    if isinstance(before, dict) and isinstance(now, dict):
        pairs = [
            (key, before[key], now.get(key, "absent")) for key in before if key not in IGNORED_KEYS
        ]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = [(i, *pair) for i, pair in enumerate(zip(before, now, strict=True))]
    else:
        return [] if before == now else [f"{place}: {before!r} became {now!r}"]
    return [line for key, *pair in pairs for line in differences(*pair, f"{place}/{key}")]


def test_there_is_a_file_of_every_kind():
    text = "".join(json.dumps(config_of(name)) for name in NAMES)
    missing = {kind for kind in EVERY_KIND if f'"keras_rnnkit>{kind}"' not in text}
    assert missing == set()
