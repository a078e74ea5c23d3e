"""`load_keras2`: files that Keras 2 wrote give the outputs that Keras 2 computed."""

import json
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.interop.keras.bounded import Bounded
from keras_rnnkit.interop.keras.keras2_weights import converted
from keras_rnnkit.layers._walk import layers_in
from tests.support.cases import assert_close

FILES = Path(__file__).parent / "files"
MODELS = ["classifier", "convolutions", "functional", "cudnn", "hard", "old"]


def data(name):
    with np.load(FILES / f"{name}.npz") as file:
        inputs = [file[f"x{i}"] for i in range(len(file)) if f"x{i}" in file]
        outputs = [file[f"y{i}"] for i in range(len(file)) if f"y{i}" in file]
    return inputs if len(inputs) > 1 else inputs[0], outputs


def assert_answers(model, name):
    x, want = data(name)
    got = model.predict(x, verbose=0, batch_size=3)
    got = got if isinstance(got, list | tuple) else [got]
    for one, other in zip(got, want, strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_gives_the_outputs_of_keras_2(name):
    model = kit.load_keras2(FILES / f"{name}.h5")
    assert_answers(model, name)
    assert not any(
        isinstance(value, Bounded) for layer in layers_in(model) for value in vars(layer).values()
    )


@pytest.mark.parametrize("name", ["classifier", "functional", "cudnn"])
def test_it_goes_on_to_plain_keras_and_into_a_file(name, tmp_path):
    theirs = kit.to_keras(kit.load_keras2(FILES / f"{name}.h5"))
    theirs.save(tmp_path / "model.keras")
    assert_answers(keras.saving.load_model(tmp_path / "model.keras"), name)


def own_classifier(layers, names=False):
    def name(own):
        return {"name": own} if names else {}

    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(6, 4, mask_zero=True, **name("embedding")),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True), **name("bidirectional")),
            layers.GRU(3, return_sequences=True, **name("gru")),
            layers.GRU(2, reset_after=False, **name("gru_1")),
            keras.layers.Dense(1, activation="sigmoid", **name("dense")),
        ]
    )


@pytest.mark.parametrize("layers", [keras.layers, kit], ids=["keras", "kit"])
@pytest.mark.parametrize("names", [False, True], ids=["in order", "by name"])
def test_weights_alone_into_a_model(layers, names):
    model = own_classifier(layers, names)
    assert kit.load_keras2(FILES / "weights.h5", model=model) is model
    assert_answers(model, "classifier")


def test_weights_alone_need_a_model():
    with pytest.raises(ValueError, match=r"weights alone; build their model.*weights\.h5'$"):
        kit.load_keras2(FILES / "weights.h5")


def test_cudnn_weights_into_a_layer_of_another_form():
    gru = kit.GRU(3, reset_after=False)
    model = keras.Sequential([keras.Input((5, 4)), kit.LSTM(3, return_sequences=True)])
    model.add(kit.Bidirectional(kit.GRU(2, return_sequences=True)))
    model.add(gru)
    before = model.get_weights()
    with pytest.raises(ValueError, match="need a GRU with `reset_after=True`"):
        kit.load_keras2(FILES / "cudnn.h5", model=model)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_time_major_goes_into_a_model_that_is_batch_major():
    with pytest.raises(ValueError, match=r"LSTM.* has the option time_major=True"):
        kit.load_keras2(FILES / "time_major.h5")
    model = keras.Sequential([keras.Input((5, 4)), kit.LSTM(3)])
    kit.load_keras2(FILES / "time_major.h5", model=model)
    with h5py.File(FILES / "time_major.h5") as file:
        ((name, layer),) = ((n, g) for n, g in file["model_weights"].items() if "lstm" in n)
        stored = layer[f"{name}/lstm_cell/kernel:0"][()]
    assert_close(model.get_weights()[0], stored)


def test_a_backward_direction_that_is_stored_first(tmp_path):
    path = tmp_path / "model.h5"
    shutil.copy(FILES / "cudnn.h5", path)
    with h5py.File(path, "r+") as file:
        group = next(g for n, g in file["model_weights"].items() if n.startswith("bidirectional"))
        names = list(group.attrs["weight_names"])
        group.attrs["weight_names"] = [*names[3:], *names[:3]]
    assert_answers(kit.load_keras2(path), "cudnn")


def with_last_bias(path, dtype):
    """A copy of the classifier whose last array has this dtype."""
    shutil.copy(FILES / "classifier.h5", path)
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]["dense"]
        name = group.attrs["weight_names"][-1]
        value = group[name][()]
        del group[name]
        group.create_dataset(name, data=value.astype(dtype))
    return path


def test_numbers_in_another_byte_order(tmp_path):
    path = with_last_bias(tmp_path / "model.h5", ">f4")
    assert_answers(kit.load_keras2(path), "classifier")


@pytest.mark.skipif(np.dtype("longdouble").itemsize == 8, reason="it has no longer numbers")
def test_an_array_that_no_backend_takes_leaves_the_model_unchanged(tmp_path):
    path = with_last_bias(tmp_path / "model.h5", "longdouble")
    model = own_classifier(kit)
    before = model.get_weights()
    with pytest.raises(ValueError, match="does not hold numbers, but float"):
        kit.load_keras2(path, model=model)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("training", [None, False, True])
def test_only_a_call_that_is_always_in_training_mode_is_refused(training, tmp_path):
    """Keras 3 would run it in inference mode in `predict`."""
    path = tmp_path / "model.h5"
    shutil.copy(FILES / "functional.h5", path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        layer = next(one for one in config["config"]["layers"] if one["name"] == "encoder")
        layer["inbound_nodes"][0][0][3]["training"] = training
        file.attrs["model_config"] = json.dumps(config)
    if training:
        with pytest.raises(ValueError, match="after 'words' is called with `training`"):
            kit.load_keras2(path)
    else:
        assert_answers(kit.load_keras2(path), "functional")


def test_a_hard_sigmoid_that_no_weights_can_change():
    options = {"recurrent_activation": "hard_sigmoid", "data_format": "channels_last"}
    layer = keras.layers.ConvLSTM1D(2, 2, **options)
    layer.build((None, 3, 5, 4))
    with pytest.raises(ValueError, match="ConvLSTMCell has a `hard_sigmoid`"):
        converted(layer.cell, layer.get_weights())
    model = own_classifier(kit)
    model.add(keras.layers.Activation("hard_sigmoid"))
    before = model.get_weights()
    with pytest.raises(ValueError, match="is the `hard_sigmoid` of Keras 3"):
        kit.load_keras2(FILES / "weights.h5", model=model)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("units", "message"),
    [(4, r"has the shape \(4, 16\), and the file \(4, 12\)"), (None, "weights for 4 layers")],
    ids=["width", "count"],
)
def test_a_model_of_another_shape_is_refused_and_unchanged(units, message):
    first = kit.LSTM(units, return_sequences=True) if units else keras.layers.Dropout(0.1)
    model = keras.Sequential([keras.Input((5, 4)), kit.GRU(4, return_sequences=True), first])
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"`path` must be.*Received: path="):
        kit.load_keras2(FILES / "cudnn.h5", model=model)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_wrong_arguments():
    with pytest.raises(FileNotFoundError):
        kit.load_keras2(FILES / "none.h5")
    with pytest.raises(TypeError, match="must be a path"):
        kit.load_keras2(3)
    with pytest.raises(TypeError, match="must be a Keras model"):
        kit.load_keras2(FILES / "old.h5", model=kit.LSTM(2))
    with pytest.raises(ValueError, match="must be built"):
        kit.load_keras2(FILES / "old.h5", model=keras.Sequential([kit.LSTM(2)]))


def test_a_file_of_keras_3_is_refused(tmp_path):
    path = tmp_path / "model.h5"
    shutil.copy(FILES / "old.h5", path)
    with h5py.File(path, "r+") as file:
        file["model_weights"].attrs["keras_version"] = "3.15.1"
    with pytest.raises(ValueError, match=r"written by Keras 3.*`keras.models.load_model` reads"):
        kit.load_keras2(path)
