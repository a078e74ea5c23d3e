"""A file that is replaced is the old one or the new one, and nothing else is left beside it."""

import errno
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from keras_rnnkit import _files
from keras_rnnkit._files import read_bounded, replacing

pytestmark = pytest.mark.no_backend

OLD, NEW = b"old" * 100, b"new" * 2000


def put(path, content=NEW):
    with replacing(path) as aside:
        aside.write_bytes(content)


def only(path):
    """The content of the one file in its folder."""
    assert os.listdir(path.parent) == [path.name]
    return path.read_bytes()


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "kept.keras"
    path.write_bytes(OLD)
    return path


def test_a_file_is_made_and_replaced_with_its_folder(tmp_path):
    path = tmp_path / "new" / "er" / "kept.keras"
    for content in (OLD, NEW):
        put(path, content)
        assert only(path) == content


def test_the_file_aside_lies_in_the_same_folder_and_has_the_same_suffix(target):
    with replacing(target) as aside, replacing(target) as other:
        assert aside.parent == target.parent and aside.suffix == ".keras"
        assert aside != other and not aside.exists()
    assert only(target) == OLD  # nothing was written


class Stop(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, Stop])
def test_an_error_keeps_the_old_file_and_no_rest(target, error):
    def fail():
        with replacing(target) as aside:
            aside.write_bytes(NEW)
            raise error

    with pytest.raises(error):
        fail()
    assert only(target) == OLD


FULL = r"No space left on device\. The old file is unchanged\. Received: path='.*kept\.keras'$"


@pytest.mark.parametrize("name", ["fsync", "replace", "chmod"])
def test_a_disk_that_is_full_is_told_with_the_name_of_the_file(target, monkeypatch, name):
    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, name, fail)
    with pytest.raises(OSError, match=FULL) as caught:
        put(target)
    assert caught.value.errno == errno.ENOSPC
    assert only(target) == OLD


def test_where_nothing_was_nothing_is_left(tmp_path):
    with (
        pytest.raises(OSError, match=r"broken\. No file was created\. .*path='.*new\.png'$"),
        replacing(tmp_path / "new.png"),
    ):
        raise OSError("broken")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_told_whatever_an_archive_raises_on_top(target):
    def fail():
        with replacing(target):
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            finally:
                raise ValueError("an open writing handle")

    with pytest.raises(OSError, match=FULL):
        fail()


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "kept.keras", tmp_path / "link.keras"
    link.symlink_to(real)
    for content in (OLD, NEW):  # the first time there is nothing behind the link
        put(link, content)
        assert link.is_symlink() and only(real) == content
    assert sorted(os.listdir(tmp_path)) == ["link.keras", "real"]


@pytest.mark.skipif(os.name != "posix", reason="permission bits are a matter of POSIX")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_permissions_are_those_of_any_new_file_and_then_stay(tmp_path, umask):
    path = tmp_path / "kept.keras"
    before = os.umask(umask)
    try:
        put(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
        path.chmod(0o640)
        put(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_that_is_write_protected_is_not_replaced(target, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # it binds no administrator
    with pytest.raises(PermissionError, match=r"kept\.keras"):
        put(target)
    assert only(target) == OLD


@pytest.mark.skipif(os.name != "posix", reason="needs a named pipe")
def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "device.png").symlink_to(os.devnull)
    for name in ("pipe", "folder", "device"):
        with pytest.raises(OSError, match=rf"not a file\. .*{name}\.png'$"):
            put(tmp_path / f"{name}.png")
    assert len(os.listdir(tmp_path)) == 3
    assert not stat.S_ISREG(os.stat(os.devnull).st_mode)


@pytest.mark.parametrize("name", ["x" * 250 + ".png", "ä" * 120 + ".png", ".png", "a.b.c", "plain"])
def test_every_name_that_a_file_may_have_is_replaced(tmp_path, name):
    for content in (OLD, NEW):
        put(tmp_path / name, content)
        assert only(tmp_path / name) == content


def test_what_a_killed_process_left_is_removed_when_it_is_old(target):
    with replacing(target) as aside:
        aside.write_bytes(NEW)
        abandoned, busy = (aside.with_name(f".kept.keras.{c * 16}.partial.keras") for c in "ab")
        foreign = target.with_name(".kept.keras.mine")
        for file in (abandoned, busy, foreign):
            file.write_bytes(b"torn")
        long_ago = time.time() - 2 * _files._ABANDONED
        os.utime(abandoned, (long_ago, long_ago))
        os.utime(foreign, (long_ago, long_ago))
    put(target)
    assert target.read_bytes() == NEW
    assert sorted(os.listdir(target.parent)) == sorted([busy.name, foreign.name, target.name])


KILLED = """
import importlib.util, os, pathlib, resource, signal, sys

spec = importlib.util.spec_from_file_location("files", sys.argv[1])
files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(files)
stage = sys.argv[3]
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)


def replaced_then_dead(*arguments, replace=os.replace):
    replace(*arguments)
    die()


if stage == "written in part":  # the kernel itself ends it in the midst of a write
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
elif stage == "renamed":
    os.replace = replaced_then_dead
elif stage in ("written", "synced"):
    setattr(os, {"written": "fsync", "synced": "replace"}[stage], die)
with files.replacing(pathlib.Path(sys.argv[2])) as aside:
    if stage == "not yet written":
        die()
    aside.write_bytes(b"new" * 2000)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize(
    "stage", ["not yet written", "written in part", "written", "synced", "renamed"]
)
def test_a_killed_process_leaves_a_whole_file(target, stage):
    command = [sys.executable, "-c", KILLED, _files.__file__, str(target), stage]
    died = subprocess.run(command, check=False).returncode
    assert died in (-signal.SIGKILL, -signal.SIGXFSZ)
    assert target.read_bytes() == (NEW if stage == "renamed" else OLD)
    put(target, b"after")  # and what it left does no harm
    assert target.read_bytes() == b"after"


@pytest.mark.skipif(os.name != "posix", reason="needs named pipes and devices")
def test_nothing_but_a_file_within_bounds_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(NEW)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(2**40)
    for name in ("file", "link"):
        assert read_bounded(tmp_path / name, len(NEW)) == NEW
        with pytest.raises(ValueError, match="more than 5999 bytes"):
            read_bounded(tmp_path / name, len(NEW) - 1)
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "sparse"):
        with pytest.raises(ValueError, match=r"not a file|more than"):
            read_bounded(path, 10**6)
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(ValueError, match="a device"):
            read_bounded(tmp_path.__class__(device), 10**6)
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "missing", 1)


def links_fail(*arguments):
    raise OSError(errno.EPERM, "Operation not permitted")


APPEARED = (
    r"created by another process meanwhile, .*Received: path='.*kept\.keras', overwrite=False"
)


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_kept_without_overwrite(tmp_path, monkeypatch, links):
    if not links:  # as on some file systems of memory cards
        monkeypatch.setattr(os, "link", links_fail)
    path = tmp_path / "kept.keras"

    def write_while_another_does():
        with replacing(path, overwrite=False) as aside:
            aside.write_bytes(NEW)
            path.write_bytes(OLD)

    with pytest.raises(FileExistsError, match=APPEARED):
        write_while_another_does()
    assert only(path) == OLD


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_is_written_without_overwrite(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", links_fail)
    path = tmp_path / "kept.keras"
    with replacing(path, overwrite=False) as aside:
        aside.write_bytes(NEW)
    assert only(path) == NEW
