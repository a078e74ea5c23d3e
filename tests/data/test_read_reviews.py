"""Labelled texts: a folder for each class, or a CSV file, and everything odd in them."""

import os
import tarfile
import unicodedata

import numpy as np
import pytest

from keras_rnnkit.data import Reviews, Vocabulary, read_reviews
from keras_rnnkit.data.corpus import load_corpus
from tests.data.review_files import POLAR, assert_refused, write_csv, write_folder

pytestmark = pytest.mark.no_backend


def test_a_folder_for_each_class(tmp_path):
    reviews = read_reviews(write_folder(tmp_path, POLAR))
    assert isinstance(reviews, Reviews)
    assert reviews.texts == ["dull", "fine\r\nfilm", "good"]
    assert reviews.files == ["neg/1.txt", "pos/10.txt", "pos/2.txt"]
    assert reviews.classes == ("neg", "pos")
    assert reviews.labels.tolist() == [0, 1, 1]
    assert reviews.labels.dtype == np.int64
    assert repr(reviews) == "<Reviews of 3 texts: 1 neg, 2 pos>"


def test_a_folder_without_labels_is_skipped_with_a_warning_or_on_request(tmp_path):
    write_folder(tmp_path, {**POLAR, "unsup/1.txt": "who knows", "later/1.txt": "x"})
    with pytest.warns(UserWarning, match=r"folder 'unsup'.*no label.*unlabelled=") as caught:
        assert read_reviews(tmp_path).classes == ("later", "neg", "pos")
    assert caught[0].filename == __file__
    assert read_reviews(tmp_path, unlabelled=["unsup", "later"]).classes == ("neg", "pos")
    assert read_reviews(tmp_path, unlabelled="later").classes == ("neg", "pos", "unsup")
    assert read_reviews(tmp_path, unlabelled=[]).classes == ("later", "neg", "pos", "unsup")
    with pytest.raises(ValueError, match=r"later, neg, pos, unsup.*unlabelled=\('else',\)$"):
        read_reviews(tmp_path, unlabelled=["else"])


def test_hidden_files_and_files_beside_the_classes_are_not_read(tmp_path):
    extra = [".git/config", ".DS_Store", "pos/.DS_Store", "pos/.cache/x", "README", "urls.txt"]
    write_folder(tmp_path, {**POLAR, **dict.fromkeys(extra, b"\xff")})
    assert len(read_reviews(tmp_path).texts) == 3


def test_nested_folders_are_refused_with_what_to_pass(tmp_path):
    files = {f"{split}/{name}": text for split in ("train", "test") for name, text in POLAR.items()}
    write_folder(tmp_path, {**files, "train/urls.txt": "x"})
    train, test = (f"path='{tmp_path / split}'" for split in ("train", "test"))
    assert_refused(
        lambda: read_reviews(tmp_path), "'test' with folders inside ('neg')", train, test
    )
    assert read_reviews(tmp_path / "train").classes == ("neg", "pos")
    assert_refused(lambda: read_reviews(tmp_path / "train" / "pos"), "no folders, one for each")


def test_links_are_followed_and_broken_ones_named(tmp_path):
    folder = write_folder(tmp_path / "data", POLAR)
    elsewhere = write_folder(tmp_path / "elsewhere", {"1.txt": "new"})
    (folder / "linked").symlink_to(elsewhere)
    (folder / "pos" / "3.txt").symlink_to(elsewhere / "1.txt")
    reviews = read_reviews(folder)
    assert reviews.classes == ("linked", "neg", "pos")
    assert reviews.files[-1] == "pos/3.txt"
    (folder / "pos" / "4.txt").symlink_to(elsewhere / "2.txt")
    assert_refused(lambda: read_reviews(folder), folder / "pos" / "4.txt", "No such file")


def test_special_and_unreadable_files_are_named(tmp_path):
    folder = write_folder(tmp_path, POLAR)
    os.mkfifo(folder / "pos" / "pipe")
    assert_refused(lambda: read_reviews(folder), "pos/pipe: a device or a pipe")
    os.remove(folder / "pos" / "pipe")
    with open(folder / "pos" / "huge.txt", "wb") as file:
        file.truncate(2**26 + 1)
    assert_refused(lambda: read_reviews(folder), "pos/huge.txt: more than 67108864 bytes")
    assert_refused(lambda: read_reviews("/dev/null"), "null: a device")


def test_empty_folders_are_refused(tmp_path):
    assert_refused(lambda: read_reviews(tmp_path), "no folders, one for each class")
    write_folder(tmp_path, POLAR)
    (tmp_path / "new").mkdir()
    assert_refused(lambda: read_reviews(tmp_path), "no files in 'new'")
    assert_refused(lambda: read_reviews(tmp_path / "missing"), "Found: nothing", "missing")


def test_empty_texts_are_kept_and_named(tmp_path):
    write_folder(tmp_path, {**POLAR, **{f"neg/e{i}.txt": " \n"[:i] for i in range(5)}})
    expected = r"5 of 8 texts are empty: neg/e0\.txt, neg/e1\.txt, neg/e2\.txt and 2 more\.$"
    with pytest.warns(UserWarning, match=expected) as caught:
        assert len(read_reviews(tmp_path).texts) == 8
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=r"1 of 2 texts are empty: reviews\.csv:3\.$"):
        assert read_reviews(write_csv(tmp_path, "text,label\na,0\n,1\n")).texts == ["a", ""]


def test_other_encodings(tmp_path):
    text = "좋은 영화"
    for encoding in ("cp949", "utf-16", "utf-16-le", "utf-8-sig", "utf-32"):
        folder = write_folder(tmp_path / encoding, {"a/1.txt": text.encode(encoding)})
        given = "utf-8" if encoding == "utf-8-sig" else encoding
        assert read_reviews(folder, encoding=given).texts == [text]
        file = write_csv(folder, f"text,label\n{text},좋음\n".encode(encoding))
        reviews = read_reviews(file, encoding=given)
        assert reviews.texts == [text] and reviews.classes == ("좋음",)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("text,label\n좋은,1".encode("cp949"), "byte 11 (0xc1)"),
        ("text,label\n좋은,1".encode("cp949"), 'encoding="cp949"'),
        ("text,label".encode("utf-16"), "byte 0 (0xff)"),
        ("text,label".encode("utf-16"), 'encoding="utf-16"'),
        (b"text,label\n" + b"a,1\n" * 9999 + b"\xe9,1\n", "byte 40007 (0xe9)"),
        (b"PK\x03\x04\xff", "zip archive"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"text,label\na,1\n\xec\xa2", "unexpected end of data"),
    ],
)
def test_a_wrong_encoding_is_named_with_file_and_byte(tmp_path, content, hint):
    file = write_csv(tmp_path, content)
    assert_refused(lambda: read_reviews(file), hint, file, "Received: encoding='utf-8'")
    folder = write_folder(tmp_path / "folder", {"a/1.txt": content})
    assert_refused(lambda: read_reviews(folder), hint, folder / "a/1.txt")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_an_encoding_that_leaves_nul_characters_is_refused(tmp_path, encoding):
    folder = write_folder(tmp_path / "folder", {"a/1.txt": "good film".encode(encoding)})
    assert_refused(lambda: read_reviews(folder), folder / "a/1.txt", "NUL", 'encoding="utf-16-le"')
    file = write_csv(tmp_path, b"text,label\na,1\n" + "b,1".encode(encoding))
    assert_refused(lambda: read_reviews(file), "line 3: ", "NUL", 'encoding="utf-16-le"', file)


def test_classes_can_be_given_so_that_test_texts_have_the_numbers_of_the_training_texts(tmp_path):
    file = write_csv(tmp_path, "text,label\na,pos\n")
    assert read_reviews(file).labels.tolist() == [0]
    reviews = read_reviews(file, classes=("neg", "pos"))
    assert reviews.labels.tolist() == [1] and reviews.classes == ("neg", "pos")
    assert_refused(lambda: read_reviews(file, classes=["neg"]), "'pos' in reviews.csv:2", file)
    for classes in (["neg", "neg"], [1], 3):
        with pytest.raises(ValueError, match="`classes` must be a list of different names"):
            read_reviews(file, classes=classes)


def test_a_name_is_the_same_class_in_any_unicode_form(tmp_path):
    names = {form: unicodedata.normalize(form, "긍정é") for form in ("NFC", "NFD")}
    file = write_csv(tmp_path, f"text,label\na,{names['NFC']}\nb,{names['NFD']}\n")
    assert read_reviews(file).classes == (names["NFC"],)
    folder = write_folder(tmp_path / "folder", {f"{names['NFD']}/1.txt": "a", "neg/1.txt": "b"})
    for form in names.values():
        assert read_reviews(folder, classes=["neg", form]).labels.tolist() == [0, 1]
        assert read_reviews(folder, unlabelled=[form]).classes == ("neg",)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"text": "label"}, ValueError, "text='label', label='label'$"),
        ({"text": 0}, TypeError, "`text` must be the name of a column. Received: text=0$"),
        ({"label": None}, TypeError, "label=None$"),
        ({"encoding": "utf-9"}, ValueError, "`encoding` must be.*encoding='utf-9'$"),
        ({"encoding": "hex"}, ValueError, "encoding='hex'$"),
        ({"encoding": "a\0b"}, ValueError, "encoding="),
        ({"encoding": 8}, ValueError, "encoding=8$"),
        ({"encoding": None}, ValueError, "encoding=None$"),
        ({"delimiter": ",,"}, ValueError, "delimiter=',,'$"),
        ({"delimiter": "\n"}, ValueError, "delimiter="),
        ({"unlabelled": 3}, ValueError, "unlabelled=3$"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, options, error, match):
    write_folder(tmp_path, POLAR)
    file = write_csv(tmp_path, "text,label\na,1\n")
    with pytest.raises(error, match=match):
        read_reviews(tmp_path if "unlabelled" in options else file, **options)


@pytest.mark.slow
def test_the_raw_reviews_of_the_data_set_are_read(tmp_path, real_file):
    with tarfile.open(real_file("aclImdb_labelled.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = {path.parents[2] for path in tmp_path.rglob("0_*.txt")}
    assert_refused(lambda: read_reviews(folder), f"path='{folder / 'train'}'")
    (folder / "train" / "unsup").mkdir()
    with pytest.warns(UserWarning, match="'unsup'"):
        reviews = read_reviews(folder / "train")
    assert reviews.classes == ("neg", "pos")
    assert np.bincount(reviews.labels).tolist() == [12_500, 12_500]
    assert reviews.files == sorted(reviews.files)
    vocabulary = Vocabulary.imdb(None, path=real_file("imdb_word_index.json"))
    positive = vocabulary.encode_many(reviews.texts[12_500:])
    corpus = load_corpus(real_file("imdb.npz"), cache=False, cache_dir=None)
    for row, ids in enumerate(positive):
        start, end = corpus.train.offsets[row : row + 2]
        np.testing.assert_array_equal(ids[1:] - 3, corpus.train.tokens[start + 1 : end])
