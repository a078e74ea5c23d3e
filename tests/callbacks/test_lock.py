"""The lock of a folder: who may take it, and from whom."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from keras_rnnkit.callbacks import _lock
from keras_rnnkit.callbacks._lock import FolderLock, _beginning

pytestmark = pytest.mark.no_backend


def owner_of(lock):
    return json.loads(lock.file.read_text())


def give_to(lock, **changes):
    lock.file.write_text(json.dumps({**owner_of(lock), **changes}))


@pytest.fixture
def lock(tmp_path):
    lock = FolderLock(tmp_path / "run", "folder")
    lock.acquire()
    return lock


@pytest.fixture
def other_process():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate()


def test_a_lock_names_its_owner_and_is_removed(lock):
    assert owner_of(lock)["pid"] == os.getpid()
    assert owner_of(lock)["host"] == socket.gethostname()
    lock.release()
    assert list(lock.file.parent.iterdir()) == []
    lock.release()


def test_a_later_run_of_the_same_thread_takes_it(lock):
    FolderLock(lock.file.parent, "folder").acquire()


def test_the_run_of_another_process_is_named(lock, other_process):
    give_to(lock, pid=other_process.pid, began=_beginning(other_process.pid))
    with pytest.raises(RuntimeError, match=rf"process {other_process.pid} on host.*run\.lock"):
        lock.acquire()
    lock.release()  # not ours
    assert lock.file.exists()


def test_the_lock_of_a_process_that_has_ended_is_taken_over(lock, other_process):
    give_to(lock, pid=other_process.pid, began=_beginning(other_process.pid))
    other_process.communicate()
    lock.acquire()
    assert owner_of(lock)["pid"] == os.getpid()


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs the times of Linux")
def test_a_number_that_another_process_has_now_does_not_hold_it(lock, other_process):
    give_to(lock, pid=other_process.pid, began="another boot 1")
    lock.acquire()


def test_a_run_on_another_host_is_believed(lock):
    give_to(lock, host="elsewhere")
    with pytest.raises(RuntimeError, match=r"'elsewhere', which gave.* 0 seconds.*delete the lock"):
        lock.acquire()


def test_a_run_on_another_host_that_gives_no_sign_of_life_has_ended(lock):
    give_to(lock, host="elsewhere")
    long_ago = time.time() - 1000
    os.utime(lock.file, (long_ago, long_ago))
    lock.acquire()
    assert owner_of(lock)["host"] == socket.gethostname()


def test_a_run_gives_signs_of_life_and_sees_when_it_has_lost_the_lock(lock, monkeypatch):
    os.utime(lock.file, (1, 1))
    lock.keep()
    assert lock.file.stat().st_mtime > 1
    os.utime(lock.file, (1, 1))
    lock.keep()
    assert lock.file.stat().st_mtime == 1  # not at every batch
    monkeypatch.setattr(_lock, "_TOUCH", 0.0)
    give_to(lock, host="elsewhere")
    with pytest.raises(RuntimeError, match="in use"):
        lock.keep()
    lock.file.unlink()
    lock.keep()


def test_the_run_of_another_thread_is_one_too(tmp_path):
    lock, seen, end = FolderLock(tmp_path, "folder"), threading.Event(), threading.Event()

    def run():
        lock.acquire()
        seen.set()
        end.wait(10)

    thread = threading.Thread(target=run)
    thread.start()
    assert seen.wait(10)
    with pytest.raises(RuntimeError, match="in use"):
        FolderLock(tmp_path, "folder").acquire()
    end.set()
    thread.join()
    FolderLock(tmp_path, "folder").acquire()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pid": "x"}', "x" * 9999])
def test_a_broken_lock(lock, content):
    lock.file.write_text(content)
    if content.startswith("{"):
        with pytest.raises(RuntimeError, match="in use"):
            lock.acquire()
    else:
        lock.acquire()


def test_a_lock_that_is_deleted_meanwhile(lock, monkeypatch):
    give_to(lock, host="elsewhere")
    read = _lock._read

    def read_and_delete(file):
        owner = read(file)
        file.unlink()
        return owner

    monkeypatch.setattr(_lock, "_read", read_and_delete)
    monkeypatch.setattr(_lock, "_TOUCH", 0.0)
    with pytest.raises(RuntimeError, match="'elsewhere', whose lock has just been deleted"):
        lock.keep()
    lock.file.write_text('{"host": "elsewhere"}')
    lock.acquire()
