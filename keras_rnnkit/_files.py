"""Files: what the package writes replaces the old file in one move, what it reads is bounded.

A file that is rewritten in place is torn for a while, and stays so when the disk fills up or the
process is killed. So nothing is: each file is written aside, in the same folder, synced to the
disk and renamed over the old one. At every moment the path leads to the old file or to the new
one, and both are whole. Whatever writes a file in this package goes through `replacing`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

PathLike = str | os.PathLike[str]

_ABANDONED = 3600.0  # seconds after which an unfinished file belongs to no running process
_DISK_ERRORS = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO}


def as_path(path: PathLike, argument: str) -> Path:
    """Return `path` as a `Path`, with `~` for the home folder, or say that it is none."""
    if not isinstance(path, str | os.PathLike) or not str(path):
        raise TypeError(f"`{argument}` must be a path. Received: {argument}={path!r}")
    return Path(os.path.expanduser(path))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a file to write, which takes the place of `path` when the block ends.

    The old file is left alone when the block raises, when the process is killed, and when the
    block writes nothing. A link stays a link: what it points at is replaced. The new file has
    the permissions of the old one. Missing folders are made.

    Args:
        path: The file to make or to replace.

    Yields:
        A path in the same folder with the same suffix, where nothing is yet.

    Raises:
        OSError: The file cannot be written; the message names it and says what became of the
            old one.
    """
    target = Path(os.path.realpath(path))
    try:
        _check_replaceable(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
    except OSError as error:
        raise _explained(error, path, target) from error
    aside = target.with_name(f"{_head(target)}{secrets.token_hex(8)}.partial{target.suffix}")
    try:
        yield aside
        if aside.exists():
            _take_place(aside, target)
    except Exception as error:
        cause = _disk_error(error)
        if cause is None:
            raise
        raise _explained(cause, path, target) from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def read_bounded(path: Path, most: int) -> bytes:
    """Return the bytes of the regular file at `path`, `most` of them at most.

    Neither a pipe without a writer nor a device without an end can hold it up.

    Raises:
        OSError: There is no such file, or it cannot be read.
        ValueError: It is no regular file, or longer than `most`.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    if path.is_dir():  # Windows opens no folder
        raise ValueError("a folder, not a file")
    with open(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("a device or a pipe, not a file")
        content = b"" if status.st_size > most else file.read(most + 1)
    if max(len(content), status.st_size) > most:
        raise ValueError(f"more than {most} bytes")
    return content


def _check_replaceable(target: Path) -> None:
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "a folder, a device or a pipe, not a file")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _take_place(aside: Path, target: Path) -> None:
    with open(aside, "rb+") as file:
        os.fsync(file.fileno())
    if target.exists():
        _copy_permissions(target, aside)
    os.replace(aside, target)
    if os.name == "posix":
        _sync_folder(target.parent)


def _copy_permissions(source: Path, target: Path) -> None:
    status = source.stat()
    with contextlib.suppress(OSError):  # only an administrator may give files away
        if hasattr(os, "chown") and (status.st_uid, status.st_gid) != _owner(target):
            os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, stat.S_IMODE(status.st_mode))


def _owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


def _sync_folder(folder: Path) -> None:
    """Make the new name itself last; the file is in place whether or not that can be done."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _head(target: Path) -> str:
    return f".{target.name[:32]}."


def _remove_abandoned(target: Path) -> None:
    """Remove what killed processes left unfinished for this target."""
    unfinished = re.compile(
        rf"{re.escape(_head(target))}[0-9a-f]{{16}}\.partial{re.escape(target.suffix)}"
    )
    for name in os.listdir(target.parent):
        if unfinished.fullmatch(name):
            file = target.parent / name
            with contextlib.suppress(OSError):  # another process was faster
                if time.time() - file.stat().st_mtime > _ABANDONED:
                    file.unlink()


def _disk_error(error: BaseException) -> OSError | None:
    """Return the fault of the disk behind an error; archives raise others on top of it."""
    if isinstance(error, OSError):
        return error
    behind = error.__cause__ or error.__context__
    while behind is not None:
        if isinstance(behind, OSError) and behind.errno in _DISK_ERRORS:
            return behind
        behind = behind.__cause__ or behind.__context__
    return None


def _explained(error: OSError, path: Path, target: Path) -> OSError:
    old = "The file that was there is as it was." if target.exists() else "Nothing is left there."
    message = f"Cannot write '{path}': {error.strerror or error}. {old}"
    return OSError(message) if error.errno is None else OSError(error.errno, message)
