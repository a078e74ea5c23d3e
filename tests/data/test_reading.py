"""Files that are torn, foreign or hostile: one error in words, and nothing runs."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from keras_rnnkit.data import DataFileError, load_imdb

from .conftest import ragged, write_imdb

pytestmark = pytest.mark.no_backend


class Attack:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def as_member(pickled, count):
    """Returns the bytes of an object `.npy` whose pickle is `pickled`."""
    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + pickled


def write_with_member(path, name, content):
    """Writes a file of Keras' format whose array `name` has the bytes `content`."""
    write_imdb(path, **{name: None})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{name}.npy", content)
    return path


def expect_refusal(path, match=None, **options):
    with pytest.raises(DataFileError, match=match) as caught:
        load_imdb(path=path, **options)
    message = str(caught.value)
    assert message.startswith("`path` must lead to the IMDB reviews as an `imdb.npz`")
    assert message.endswith(f"Received: path='{path}'")
    return message


def hostile_pickles(marker):
    """Yields pickles that leave a marker file behind, where they are loaded carelessly."""
    touch = Attack(os.system, f"touch {marker}")
    yield "whole array", pickle.dumps(touch)
    yield "in place of a review", pickle.dumps(ragged([touch, [1]]))
    yield "within a review", pickle.dumps(ragged([[1, touch], [1]]))
    yield "protocol 0", pickle.dumps(touch, protocol=0)
    yield "builtins", pickle.dumps(Attack(eval, f"open({str(marker)!r}, 'w').close()"))
    yield "folder maker", pickle.dumps(Attack(os.mkdir, str(marker)))
    yield "through numpy", f"cnumpy\nsave\n(V{marker}\nI1\ntR.".encode()
    yield "dotted name", b"\x80\x04\x8c\x05numpy\x8c\x0bos.system.me\x93."


@pytest.mark.parametrize("which", range(8))
@pytest.mark.parametrize("key", ["x_train", "x_test", "y_train"])
def test_a_hostile_file_is_refused_and_runs_nothing(tmp_path, which, key):
    marker = tmp_path / "marker"
    _, pickled = list(hostile_pickles(marker))[which]
    file = write_with_member(tmp_path / "hostile.npz", key, as_member(pickled, 2))
    message = expect_refusal(file, cache_dir=tmp_path / "cache")
    assert not list(tmp_path.glob("marker*"))
    assert "refused" in message or key == "y_train"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("which", range(6))
def test_the_hostile_pickles_would_have_run(tmp_path, which):
    """The attacks above are real ones: Python's own unpickler falls for them."""
    marker = tmp_path / "marker"
    _, pickled = list(hostile_pickles(marker))[which]
    pickle.loads(pickled)
    assert marker.exists()


NUMPY_CALLS = {
    "dtype of a structure": b"cnumpy\ndtype\n(VV1000000000\ntR.",
    "dtype of dtype": b"cnumpy\ndtype\n(cnumpy\ndtype\ntR.",
    "ndarray called": b"cnumpy\nndarray\n(I1000000\ntR.",
    "another class": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntVb\ntR.",
    "state of a function": b"cnumpy.core.multiarray\n_reconstruct\n}V__code__\nI1\nsb.",
    "state of ndarray": b"cnumpy\nndarray\n}Vsize\nI1\nsb.",
    "a bare global": b"cnumpy\nndarray\n.",
    "persistent id": b"Pwhatever\n.",
    "extension": b"\x82\x01.",
    "not a pickle": b"hello",
    "empty": b"",
    "a list": pickle.dumps([[1], [2]]),
}


@pytest.mark.parametrize("pickled", NUMPY_CALLS.values(), ids=NUMPY_CALLS)
def test_calls_of_the_admitted_names_are_refused(tmp_path, pickled):
    expect_refusal(write_with_member(tmp_path / "a.npz", "x_test", as_member(pickled, 2)))


WRONG_ARRAYS = {
    "words": {"x_train": ragged([["good"], [1]]), "y_train": [0, 1]},
    "digits": {"x_train": ragged([["1"], [1]]), "y_train": [0, 1]},
    "floats": {"x_train": ragged([[1.5], [1]]), "y_train": [0, 1]},
    "None": {"x_train": ragged([[None], [1]]), "y_train": [0, 1]},
    "nested": {"x_train": ragged([[[1]], [1]]), "y_train": [0, 1]},
    "tuples": {"x_train": ragged([(1, 2), (1,)]), "y_train": [0, 1]},
    "strings": {"x_train": ragged(["12", "3"]), "y_train": [0, 1]},
    "negative": {"x_train": ragged([[-1], [1]]), "y_train": [0, 1]},
    "too high": {"x_train": ragged([[2**30], [1]]), "y_train": [0, 1]},
    "past int32": {"x_train": ragged([[2**40], [1]]), "y_train": [0, 1]},
    "rectangle": {"x_train": np.ones((2, 3), int), "y_train": [0, 1]},
    "flat": {"x_train": np.ones(2, int), "y_train": [0, 1]},
    "2-D objects": {"x_train": np.ones((2, 3), object), "y_train": [0, 1]},
    "more labels": {"y_test": np.zeros(51, int)},
    "fewer labels": {"y_test": np.zeros(49, int)},
    "float labels": {"y_test": np.zeros(50)},
    "text labels": {"y_test": np.array(["pos"] * 50)},
    "2-D labels": {"y_test": np.zeros((50, 1), int)},
    "no x_test": {"x_test": None},
    "no y_train": {"y_train": None},
}


@pytest.mark.parametrize("arrays", WRONG_ARRAYS.values(), ids=WRONG_ARRAYS)
def test_wrong_arrays_are_refused(tmp_path, arrays):
    expect_refusal(write_imdb(tmp_path / "imdb.npz", **arrays))


def test_a_list_repeated_by_reference_does_not_fill_the_memory(tmp_path):
    repeated = ragged([[1] * 1000] * 1000)  # a million words in few bytes
    file = write_imdb(tmp_path / "bomb.npz", x_train=repeated, y_train=np.ones(1000, int))
    expect_refusal(file, match="more words than its number of bytes allows")


def test_a_zip_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_rnnkit.data.reading.LARGEST_FILE", 10_000)
    expect_refusal(
        write_imdb(tmp_path / "a.npz", y_test=np.zeros(50_000, int)), match="decompressed"
    )
    expect_refusal(write_imdb(tmp_path / "b.npz", count=2000), match="more than 10000 bytes")


@pytest.mark.parametrize("claimed", [49, 51, 10**12])
def test_labels_that_are_not_as_many_as_their_header_claims(tmp_path, claimed):
    stream = io.BytesIO()
    header = {"descr": "<i8", "fortran_order": False, "shape": (claimed,)}
    np.lib.format.write_array_header_1_0(stream, header)
    content = stream.getvalue() + np.ones(50, "<i8").tobytes()
    file = write_with_member(tmp_path / "a.npz", "y_test", content)
    expect_refusal(file, match="another number of bytes")


def test_an_array_of_another_class_is_refused(tmp_path):
    pickled = pickle.dumps(ragged([[1]] * 50), protocol=3)
    write_with_member(tmp_path / "a.npz", "x_test", as_member(pickled, 50))
    assert len(load_imdb(path=tmp_path / "a.npz").test.x) == 50
    other = pickled.replace(b"cnumpy\nndarray\n", b"cnumpy\ndtype\n")
    file = write_with_member(tmp_path / "b.npz", "x_test", as_member(other, 50))
    expect_refusal(file, match="an array of another class")


def foreign_files(folder, good):
    content = good.read_bytes()
    (folder / "empty.npz").write_bytes(b"")
    (folder / "text.npz").write_text("the film was good")
    (folder / "one.npy").write_bytes(b"\x93NUMPY\x01\x00")
    (folder / "torn.npz").write_bytes(content[: len(content) // 2])
    (folder / "no_end.npz").write_bytes(content[:-1])
    (folder / "scratched.npz").write_bytes(content[:500] + b"scratch" + content[507:])
    np.savez(folder / "other.npz", x=np.ones(3))
    return sorted(set(os.listdir(folder)) - {good.name})


def test_torn_empty_and_foreign_files_are_refused(tmp_path, small_file):
    names = foreign_files(tmp_path, small_file)
    assert len(names) == 7
    for name in names:
        expect_refusal(tmp_path / name)


def test_a_folder_and_a_missing_path_are_refused(tmp_path):
    expect_refusal(tmp_path, match="a folder")
    expect_refusal(tmp_path / "missing.npz", match="FileNotFoundError")
    os.mkfifo(tmp_path / "pipe")
    expect_refusal(tmp_path / "pipe", match="a device")


def test_the_error_is_an_os_error_and_a_value_error():
    assert issubclass(DataFileError, OSError)
    assert issubclass(DataFileError, ValueError)


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("numpy_core", ["numpy.core", "numpy._core"])
def test_files_of_either_numpy_and_every_protocol_are_read(tmp_path, protocol, numpy_core):
    pickled = pickle.dumps(ragged([[1, 2], [3]]), protocol=protocol)
    ours = next(name for name in (b"numpy._core", b"numpy.core") if name in pickled)
    if protocol == 3:  # later ones hold the length of the name
        pickled = pickled.replace(ours, numpy_core.encode())
    file = write_with_member(tmp_path / "a.npz", "x_test", as_member(pickled, 2))
    with pytest.raises(DataFileError, match="2 reviews but 50 labels"):
        load_imdb(path=file)
