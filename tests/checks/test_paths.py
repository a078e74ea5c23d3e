"""A path that cannot be written says so before any work is done."""

import os
from pathlib import Path

import pytest

from keras_rnnkit._checks import as_path, check_file, check_folder, refuse_existing

pytestmark = pytest.mark.no_backend


def test_a_good_path_comes_back(tmp_path):
    assert check_file(str(tmp_path / "a.png"), "path", ".png", False) == tmp_path / "a.png"
    assert check_folder(tmp_path / "new" / "er", "folder") == tmp_path / "new" / "er"
    assert os.listdir(tmp_path) == []


def test_a_relative_path_and_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check_file("a.png", "path", ".png", False) == Path("a.png")
    assert check_file("~/a.png", "path", ".png", False) == tmp_path / "a.png"
    assert check_folder("~/run", "folder") == tmp_path / "run"


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert as_path("~/a.png", "path") == tmp_path / "a.png"
    assert as_path(Path("~"), "path") == tmp_path
    assert str(as_path("~no_such_user/a", "path")) == os.path.join("~no_such_user", "a")


@pytest.mark.parametrize("wrong", [None, 3, b"a.png", ""], ids=repr)
def test_not_a_path(wrong):
    with pytest.raises(TypeError, match="`path` must be a path"):
        check_file(wrong, "path", ".png", False)


def test_wrong_suffix(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must end in '\.png'.*a\.jpg"):
        check_file(tmp_path / "a.jpg", "path", ".png", False)


def test_a_folder_where_a_file_should_be(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(IsADirectoryError, match=r"^`path`.* Received: path=.*png'$"):
        check_file(tmp_path / "a.png", "path", ".png", True)


def test_a_pipe_where_a_file_should_be(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"`path`.*a device or a pipe.*a\.png"):
        check_file(tmp_path / "a.png", "path", ".png", True)


@pytest.mark.parametrize("below", ["a.png", "deeper/a.png"])
def test_a_file_where_a_folder_should_be(tmp_path, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"is a file, not a folder\. .*path=.*png'$"):
        check_file(tmp_path / "file" / below, "path", ".png", True)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"^`folder`.* Received: folder='.*file'$"):
        check_folder(tmp_path / "file", "folder")


@pytest.mark.parametrize("below", ["a.png", "new/er/a.png"])
def test_an_unwritable_folder(tmp_path, monkeypatch, below):
    # Permission bits do not bind an administrator, who may run the tests: answer for the system.
    monkeypatch.setattr(os, "access", lambda folder, mode: Path(folder) != tmp_path)
    with pytest.raises(PermissionError, match=r"not writable.* Received: path=.*png'$"):
        check_file(tmp_path / below, "path", ".png", False)


def test_existing_files_are_named_and_kept(tmp_path):
    (tmp_path / "a.png").write_text("precious")
    targets = [tmp_path / "a.png", tmp_path / "b.png"]
    message = r"^`path` leads to files that exist: .*a\.png\..* Received: overwrite=False$"
    with pytest.raises(FileExistsError, match=message) as caught:
        refuse_existing(targets, "path", overwrite=False)
    assert "b.png" not in str(caught.value)
    refuse_existing(targets, "path", overwrite=True)
