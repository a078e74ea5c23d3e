"""Saved classifiers: what comes back, and what is refused."""

import copy
import json
import shutil
import zipfile

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.data import DataFileError
from keras_rnnkit.text import _folder, _settings

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

NAMES = {"model.keras", "vocabulary.json", "settings.json"}


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "classifier"
    fitted.save(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of a saved classifier, to be changed."""
    return shutil.copytree(saved, tmp_path / "copy")


def test_classes_and_arguments_come_back_in_their_types(fitted_topics, tmp_path):
    fitted_topics.save(tmp_path)
    loaded = kit.TextClassifier.load(tmp_path)
    assert loaded.classes_.dtype == fitted_topics.classes_.dtype
    assert loaded.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "classes",
    [[False, True], [-1.5, 2.0], ["긍정", "부정"], np.array(["x", "yy"], object), [3, 2**40]],
    ids=repr,
)
def test_settings_store_classes_of_any_plain_type(classes, fitted, tmp_path):
    classes = np.array(classes)
    stored = _folder.Saved(fitted.get_params(), classes, None, None, [9], {})
    content = {**_settings.content_of(stored), "files": dict.fromkeys(NAMES - {"settings.json"})}
    file = tmp_path / "settings.json"
    file.write_text(_settings.as_text(content), "utf-8")
    found = _settings.read(file, fitted.get_params()).classes
    assert found.tolist() == classes.tolist() and found.dtype.kind == classes.dtype.kind


def test_weights_by_class_come_back(fitted, tmp_path):
    parameters = {**fitted.get_params(), "class_weight": {1: 0.5, "two": np.float64(2)}}
    stored = _folder.Saved(parameters, np.array([0, 1]), None, None, [9], {})
    content = {**_settings.content_of(stored), "files": dict.fromkeys(NAMES - {"settings.json"})}
    file = tmp_path / "settings.json"
    file.write_text(_settings.as_text(content), "utf-8")
    found = _settings.read(file, parameters).parameters
    assert found["class_weight"] == {1: 0.5, "two": 2.0}


def test_a_cell_that_is_no_name_is_refused_before_anything_is_written(fitted, tmp_path):
    parameters = {**fitted.get_params(), "cell": kit.LSTMCell}
    unsaved = _folder.Saved(parameters, fitted.classes_, fitted.vocabulary_, fitted.model_, [9], {})
    with pytest.raises(ValueError, match="give a cell by its name"):
        _folder.write_folder(tmp_path / "new", unsaved, overwrite=False)
    assert not (tmp_path / "new").exists()


def test_what_could_not_be_loaded_is_not_saved(fitted, tmp_path):
    changed = copy.copy(fitted).set_params(batch_size=0)
    with pytest.raises(ValueError, match="`batch_size` must be an integer"):
        changed.save(tmp_path / "new")
    changed = copy.copy(fitted).set_params(random_state=np.random.RandomState(0))
    with pytest.raises(ValueError, match=r"`set_params\(random_state=\.\.\.\)`"):
        changed.save(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    changed.set_params(random_state=None).save(tmp_path / "new")


def test_a_classifier_is_overwritten_on_request_alone(folder, fitted):
    with pytest.raises(FileExistsError, match="overwrite=True"):
        fitted.save(folder)
    fitted.save(folder, overwrite=True)
    kit.TextClassifier.load(folder)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_file_that_is_missing_torn_or_changed_is_named(name, folder):
    file = folder / name
    content = file.read_bytes()
    half, changed = content[: len(content) // 2], bytearray(content)
    changed[len(changed) // 2] ^= 1
    for other in (half, bytes(changed), b"", None):
        file.unlink()
        if other is not None:
            file.write_bytes(other)
        with pytest.raises(DataFileError, match=name):
            kit.TextClassifier.load(folder)
        file.write_bytes(content)
    kit.TextClassifier.load(folder)


@pytest.mark.parametrize("renamed", [1, 2])
def test_saving_that_stops_between_two_files_is_noticed(
    renamed, folder, fitted_topics, monkeypatch
):
    from keras_rnnkit import _files

    done, take_place = [], _files._take_place

    def stopping(temporary, target, overwrite):
        if target.parent == folder and target.name in NAMES:
            if len(done) == renamed:
                raise KeyboardInterrupt
            done.append(target.name)
        take_place(temporary, target, overwrite)

    monkeypatch.setattr(_files, "_take_place", stopping)
    with pytest.raises(KeyboardInterrupt):
        fitted_topics.save(folder, overwrite=True)
    assert len(done) == renamed and "settings.json" not in done
    with pytest.raises(DataFileError, match="saving was interrupted"):
        kit.TextClassifier.load(folder)


def test_an_error_while_the_model_is_written_leaves_the_old_classifier(
    folder, fitted_topics, monkeypatch
):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(fitted_topics.vocabulary_), "save", full)
    with pytest.raises(OSError, match="No space left"):
        fitted_topics.save(folder, overwrite=True)
    assert kit.TextClassifier.load(folder).classes_.tolist() == ["bad", "good"]
    assert {file.name for file in folder.iterdir()} == NAMES


def signed(folder, **changes):
    """Writes settings with these changes and with fingerprints that are right again."""
    file = folder / "settings.json"
    content = json.loads(file.read_text("utf-8"))
    del content["sha256"]
    content |= changes
    content["files"] = {name: _folder.sha256(folder / name) for name in content["files"]}
    file.write_text(_settings.as_text(content), "utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version 1"),
        ({"format": "another"}, "format"),
        ({"parameters": {"units": [8]}}, "the arguments of a TextClassifier"),
        ({"classes": {"dtype": "<U3", "values": ["one"]}}, "two classes"),
        ({"classes": {"dtype": "<U3", "values": ["one", 2]}}, "two classes"),
        ({"classes": {"dtype": "V9", "values": ["one", "two"]}}, "two classes"),
        ({"classes": {"dtype": "<i8", "values": [1, 2**70]}}, "Overflow"),
        ({"lengths": []}, "lengths"),
        ({"lengths": [9, -1]}, "lengths"),
        ({"lengths": [20, 9]}, "ascending"),
        ({"classes": {"dtype": "<U1", "values": ["a", "b", "c"]}}, "3 outputs"),
    ],
    ids=str,
)
def test_settings_that_were_forged_are_refused(changes, message, folder):
    signed(folder, **changes)
    with pytest.raises(DataFileError, match=message):
        kit.TextClassifier.load(folder)


def test_a_model_with_code_is_refused_and_does_not_run(folder, tmp_path):
    marker = tmp_path / "ran"

    def code(x, path=str(marker)):
        open(path, "w").close()
        return x

    model = keras.Sequential([keras.Input((1,)), keras.layers.Lambda(code)])
    marker.unlink()
    model.save(folder / "model.keras")
    signed(folder)
    with pytest.raises(DataFileError, match=r"model\.keras.*safe mode"):
        kit.TextClassifier.load(folder)
    assert not marker.exists()


def test_a_class_of_another_module_is_not_imported(folder):
    with zipfile.ZipFile(folder / "model.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    config.update(module="antigravity", class_name="Popen", registered_name=None)
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    signed(folder)
    with pytest.raises(DataFileError, match=r"model\.keras"):
        kit.TextClassifier.load(folder)


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(DataFileError, match=r"settings\.json"):
        kit.TextClassifier.load(tmp_path / "nowhere")
    (tmp_path / "settings.json").mkdir()
    with pytest.raises(DataFileError, match="a folder, not a file"):
        kit.TextClassifier.load(tmp_path)
