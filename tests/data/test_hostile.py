"""Small files made to take all memory or to hang: refused, within bounds, and in words."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from keras_rnnkit.data import load_imdb, pickled_lists, reading

from .bounds import assert_refused, bounded, load_or_refuse
from .conftest import ragged, write_imdb
from .test_reading import as_member, write_with_member

pytestmark = pytest.mark.no_backend

MIB = 2**20
ARRAY = pickle.dumps(ragged([[1, 2], [3]]), protocol=3)  # ends in ...]q?(... e t q? b .
LIST = b"]q\x00"


def in_array(items):
    """A pickle of an object array with these instructions for its list of items."""
    start = ARRAY.index(b"b\x89]") + 2
    return ARRAY[:start] + items + b"tb."


PICKLES = {
    "a memo index of 2**32 - 1": b"\x80\x04Nr\xff\xff\xff\xff.",
    "a memo index in an array": in_array(b"]r\xff\xff\xff\xff"),
    "tuples nested 2**60 times": b"cnumpy\ndtype\nN" + b"q\0h\0\x86" * 60 + b"NN\x87R.",
    "copies on the stack": b"cnumpy\ndtype\nK\x01" + b"2\x86" * 60 + b"\x85R.",
    "tuples a million deep": b"N" + b"\x85" * MIB + b".",
    "lists half a million deep": b"]" * (MIB // 2) + b"a" * (MIB // 2 - 1) + b".",
    "a list that holds itself": in_array(LIST + b"h\x00a"),
    "lists of lists of itself": in_array(LIST + b"(" + b"h\x00" * 1000 + b"e"),
    "a text of 4 GiB": b"X\xff\xff\xff\xffab.",
    "bytes of 4 GiB": b"B\xff\xff\xff\xffab.",
    "bytes of 2**63": b"\x8e" + b"\xff" * 8 + b".",
    "a bytearray of 2**63": b"\x96" + b"\xff" * 7 + b"\x7f.",
    "a frame of 2**63": b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
    "a number of 255 bytes": in_array(b"]]\x8a\xff" + b"\x7f" * 255 + b"aa"),
    "a number of 2**31 bytes": b"\x8b\xff\xff\xff\x7f.",
    "a decimal without end": b"I" + b"9" * MIB + b"\n.",
    "marks alone": b"(" * 4 * MIB + b".",
    "lists alone": b"]" * 4 * MIB + b".",
    "an array that holds integers": in_array(b"](K\x01K\x02e"),
    "a call of nothing": b"N(K\x01K\x02K\x03tR.",
    "the state of a list": b"](K\x01K\x02K\x03K\x04K\x05tb.",
    "torn in a number": b"](M\x01",
    "torn in a name": b"cnumpy\nndar",
    "torn before the end": ARRAY[:-1],
}


@pytest.mark.parametrize("pickled", PICKLES.values(), ids=PICKLES)
@pytest.mark.parametrize("key", ["x_train", "x_test"])
def test_a_pickle_that_asks_for_much_is_refused(tmp_path, key, pickled):
    file = write_with_member(tmp_path / "a.npz", key, as_member(pickled, 2))
    assert_refused(lambda: load_imdb(path=file, cache=False), file, "as an `imdb.npz`")


@pytest.mark.slow
@pytest.mark.parametrize("unit", [b"]", b"(", b"]\x94", b"K\x01", b"N"], ids=repr)
@pytest.mark.parametrize("within", [False, True], ids=["alone", "in an array"])
def test_the_largest_files_stay_within_bounds(tmp_path, unit, within):
    most = (reading.LARGEST_FILE - 4096) // len(unit) * unit
    pickled = in_array(b"](" + most + b"e") if within else most + b"."
    file = tmp_path / "a.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for key in ("x_train", "x_test"):
            archive.writestr(f"{key}.npy", as_member(pickled if key == "x_test" else b".", 2))
        for key in ("y_train", "y_test"):
            stream = io.BytesIO()
            np.save(stream, np.arange(2))
            archive.writestr(f"{key}.npy", stream.getvalue())
    assert_refused(lambda: load_imdb(path=file, cache=False), file)


@pytest.mark.slow
def test_as_many_words_as_a_file_can_hold_stay_within_bounds(tmp_path):
    batch = b"(" + b"K\x01" * 1000 + b"e"
    count = (reading.LARGEST_FILE - 2**16) // len(batch)
    items = in_array(b"](]" + batch * count + b"]K\x01ae")
    labels = np.arange(2) % 2
    file = write_imdb(tmp_path / "a.npz", x_test=None, y_test=labels)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("x_test.npy", as_member(items, 2))
    data = load_or_refuse(lambda: load_imdb(path=file, cache=False, validation_size=0))
    assert sorted(data.test.x[:, -3:].tolist()) == [[0, 1, 4], [4, 4, 4]]


def test_a_zip_whose_member_says_less_than_it_unpacks_to(tmp_path):
    file = write_imdb(tmp_path / "a.npz", y_test=None)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("y_test.npy", bytes(128 * MIB + 54321))
    content = file.read_bytes()
    said, less = struct.pack("<I", 128 * MIB + 54321), struct.pack("<I", 100)
    assert content.count(said) == 2  # before the member and in the list of contents
    file.write_bytes(content.replace(said, less))
    assert_refused(lambda: load_imdb(path=file, cache=False), file, most=64 * MIB)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_packed_in_another_way_is_refused(tmp_path, method):
    file = write_imdb(tmp_path / "a.npz", y_test=None)
    with zipfile.ZipFile(file, "a", method) as archive:
        archive.writestr("y_test.npy", bytes(1000))
    assert_refused(lambda: load_imdb(path=file, cache=False), "compressed by another method")


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    file = write_imdb(tmp_path / "a.npz")
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("y_test.npy", archive.read("y_train.npy"))
    assert_refused(lambda: load_imdb(path=file, cache=False), "two files y_test.npy")


def test_a_zip_of_many_members_is_refused(tmp_path):
    file = write_imdb(tmp_path / "a.npz")
    with zipfile.ZipFile(file, "a") as archive:
        for number in range(100):
            archive.writestr(f"{number}.npy", b"")
    assert_refused(lambda: load_imdb(path=file, cache=False), "more than 64 files")


HEADERS = {
    "2**60 rows": "{'descr': '|O', 'fortran_order': False, 'shape': (1152921504606846976,), }",
    "2**60 dimensions": "{'descr': '|O', 'fortran_order': False, 'shape': (2,)*2**60, }",
    "60 dimensions": f"{{'descr': '|O', 'fortran_order': False, 'shape': {(2,) * 60}, }}",
    "less than no rows": "{'descr': '|O', 'fortran_order': False, 'shape': (-2,), }",
    "a row of True": "{'descr': '|O', 'fortran_order': False, 'shape': (True,), }",
    "elements of 2 GiB": "{'descr': '|V2147483647', 'fortran_order': False, 'shape': (2,), }",
    "nested": "(" * 9000,
    "a sum": "1+" * 4000 + "1",
    "signs": "-" * 9000 + "1",
    "a call": "__import__('os').system('true')",
    "empty": "",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("key", ["x_test", "y_test"])
@pytest.mark.parametrize("version", [1, 2])
def test_an_absurd_header_is_refused(tmp_path, header, key, version):
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    member = b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + ARRAY
    file = write_with_member(tmp_path / "a.npz", key, member)
    with bounded(), pytest.raises(ValueError, match="`path` must lead to the IMDB reviews"):
        load_imdb(path=file, cache=False)


def test_reviews_that_would_be_padded_to_more_than_memory_are_told(tmp_path, monkeypatch):
    file = write_imdb(tmp_path / "a.npz")
    assert load_imdb(path=file, maxlen=None, cache=False).train.x.shape[1] > 2
    monkeypatch.setattr("keras_rnnkit.data.imdb.MOST_IDS", 1000)
    with pytest.raises(ValueError, match=r"GiB. Pass a `maxlen`. Received: maxlen=None$"):
        load_imdb(path=file, maxlen=None, cache=False)


@pytest.mark.parametrize("most", ["MOST_REVIEWS", "MOST_WORDS"])
def test_more_than_can_be_held_is_refused(tmp_path, monkeypatch, most):
    monkeypatch.setattr(f"keras_rnnkit.data.reviews.{most}", 40)
    assert_refused(lambda: load_imdb(path=write_imdb(tmp_path / "a.npz"), cache=False), "more than")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_that_numpy_writes_is_read(protocol):
    reviews = [[1, 300, 70_000], [], [5] * 2500, *([[7, 256]] * 3)]
    pickled = pickle.dumps(ragged(reviews), protocol=protocol)
    assert [list(one) for one in pickled_lists.read_lists(pickled, 0)] == reviews


def test_a_pickle_of_python_2_is_read():
    pickled = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nq\x01K\x00\x85q\x02"
        b"U\x01bq\x03\x87q\x04Rq\x05(K\x01\x8a\x01\x02\x85q\x06cnumpy\ndtype\nq\x07U\x02O8q\x08K\x00"
        b"K\x01\x87q\tRq\n(K\x03U\x01|q\x0bNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tq\x0cb\x89]q\r(]"
        b"q\x0eM\xe8\x03a](K\x01K\x02eetq\x0fb."
    )
    assert [list(one) for one in pickle.loads(pickled, encoding="latin1")] == [[1000], [1, 2]]
    assert [list(one) for one in pickled_lists.read_lists(pickled, 0)] == [[1000], [1, 2]]
