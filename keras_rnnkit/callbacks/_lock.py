"""A lock on a folder, so that two runs never write the same checkpoint.

The lock is a small file that names its owner: process, thread, host, and when the process began. A
lock whose process has ended is taken over, so that a killed run can be resumed at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_rnnkit._files import read_bounded, replacing

_MOST = 4096  # bytes of a lock


class FolderLock:
    """The lock of one folder.

    Args:
        folder: The folder; it is made by `acquire`.
        argument: The name of the user's argument with the folder, for error messages.
    """

    def __init__(self, folder: Path, argument: str) -> None:
        self._folder = folder
        self._argument = argument
        self.file = folder / "run.lock"

    def acquire(self) -> None:
        """Take the lock; a run of the same thread has ended and leaves it.

        Raises:
            RuntimeError: Another run uses the folder, or may do so.
            OSError: The lock cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(self._folder):
            owner = _read(self.file)
            if owner is not None and _may_run(owner):
                raise RuntimeError(
                    f"`{self._argument}` is in use by another run: process {owner.get('pid')} on "
                    f"host {owner.get('host')!r}. Pass another folder, or wait until that run "
                    "ends. If that process does not exist any more, delete the lock. "
                    f"Received: lock='{self.file}'"
                )
            with replacing(self.file) as temporary:
                temporary.write_text(json.dumps(_ourselves()), encoding="utf-8")

    def release(self) -> None:
        """Give the lock back, if it is ours."""
        if self._folder.is_dir():
            with _one_at_a_time(self._folder):
                if _read(self.file) == _ourselves():
                    self.file.unlink(missing_ok=True)


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


def _may_run(owner: dict[str, Any]) -> bool:
    """Whether the run that the lock names may still be running."""
    pid = owner.get("pid")
    if owner.get("host") != socket.gethostname() or not isinstance(pid, int):
        return True  # nobody can tell from here
    if owner.get("began") != _beginning(pid):
        return False  # the process has ended, and its number may belong to another one now
    if pid == os.getpid():
        running = {thread.ident for thread in threading.enumerate()}
        return owner.get("thread") in running - {threading.get_ident()}
    if os.name != "posix":
        return True
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
