"""A lock on a folder, so that two runs never write the same checkpoint.

The lock is a small file that names its owner: process, thread, host, and when the process began. A
lock whose process has ended is taken over, so that a killed run can be resumed at once. A run
touches its lock again and again; where a process cannot be seen, as on another host, a lock that
was not touched for a while is taken over.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from keras_rnnkit._files import read_bounded, replacing

_MOST = 4096  # bytes of a lock
_TOUCH = 30.0  # seconds between two signs of life
_SILENCE = 900.0  # seconds without one, after which a run that cannot be seen has ended


class FolderLock:
    """The lock of one folder.

    Args:
        folder: The folder; it is made by `acquire`.
        argument: The name of the user's argument with the folder, for error messages.
        advice: A sentence more for the error when another run has the lock.
    """

    def __init__(self, folder: Path, argument: str, advice: str = "") -> None:
        self._folder = folder
        self._argument = argument
        self._advice = advice
        self.file = folder / "run.lock"
        self._touched = 0.0

    def acquire(self) -> None:
        """Take the lock; a run of the same thread has ended and leaves it.

        Raises:
            RuntimeError: Another run uses the folder, or may do so.
            OSError: The lock cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(self._folder):
            owner = _read(self.file)
            if owner is not None and self._may_run(owner):
                self._refuse(owner)
            with replacing(self.file) as temporary:
                temporary.write_text(json.dumps(_ourselves()), encoding="utf-8")

    def keep(self) -> None:
        """Give a sign of life, now and then.

        Raises:
            RuntimeError: Another run has taken the lock over, because there was none for long.
        """
        now = time.monotonic()
        if now - self._touched < _TOUCH:
            return
        self._touched = now
        owner = _read(self.file)
        if owner is not None and owner != _ourselves():
            self._refuse(owner)
        with contextlib.suppress(OSError):  # somebody has deleted it
            os.utime(self.file)

    def release(self) -> None:
        """Give the lock back, if it is ours."""
        if self._folder.is_dir():
            with _one_at_a_time(self._folder):
                if _read(self.file) == _ourselves():
                    self.file.unlink(missing_ok=True)

    def _may_run(self, owner: dict[str, Any]) -> bool:
        """Whether the run that the lock names may still be running."""
        pid = owner.get("pid")
        here = owner.get("host") == socket.gethostname()
        visible = here and (os.name == "posix" or pid == os.getpid())
        if not visible or not isinstance(pid, int):
            return self._silence() < _SILENCE
        if owner.get("began") != _beginning(pid):
            return False  # the process has ended, and its number may belong to another one now
        if pid == os.getpid():
            running = {thread.ident for thread in threading.enumerate()}
            return owner.get("thread") in running - {threading.get_ident()}
        return _exists(pid)

    def _silence(self) -> float:
        """The seconds since the last sign of life; infinite if somebody has deleted the lock."""
        try:
            return time.time() - self.file.stat().st_mtime
        except FileNotFoundError:
            return float("inf")

    def _refuse(self, owner: dict[str, Any]) -> NoReturn:
        silence = self._silence()
        sign = f"which gave a sign of life {silence:.0f} seconds ago"
        if silence == float("inf"):
            sign = "whose lock has just been deleted"
        raise RuntimeError(
            f"`{self._argument}` is in use by another run: process {owner.get('pid')} on host "
            f"{owner.get('host')!r}, {sign}. "
            "Pass another folder, or wait until that run ends. If that process does not exist any "
            f"more, delete the lock. {self._advice}Received: lock='{self.file}'"
        )


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process at a time look at the lock and take it, where the system can do that."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(file: Path) -> dict[str, Any] | None:
    """The owner that a lock names; None without a lock, or for a file that is none."""
    try:
        owner = json.loads(read_bounded(file, _MOST))
    except (OSError, ValueError):
        return None
    return owner if isinstance(owner, dict) else None


def _ourselves() -> dict[str, Any]:
    pid = os.getpid()
    return {
        "pid": pid,
        "thread": threading.get_ident(),
        "host": socket.gethostname(),
        "began": _beginning(pid),
    }


def _exists(pid: int) -> bool:
    """Whether there is a process of this number, on a POSIX system."""
    try:
        os.kill(pid, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _beginning(pid: int) -> str | None:
    """When a process began, in ticks since the boot; None where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return f"{boot} {status.rpartition(')')[2].split()[19]}"
