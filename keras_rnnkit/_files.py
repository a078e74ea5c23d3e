"""Files: what the package writes replaces the old file atomically, what it reads is bounded.

A file that is rewritten in place is incomplete for a while, and stays so when the disk fills up or
the process is killed. So every file is written under a temporary name in the same folder, synced
to the disk and renamed to its own name. At every moment the path leads to the old file or to the
new one, and both are complete. All code of this package that writes a file uses `replacing`.
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
from typing import BinaryIO

_ABANDONED = 3600.0  # seconds after which an unfinished file belongs to no running process
_DISK_ERRORS = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO}


@contextlib.contextmanager
def replacing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Give the path of a temporary file, which replaces the one at `path` when the block ends.

    The old file is not changed when the block raises, when the process is killed, and when the
    block writes nothing. A link stays a link: its target is replaced. The new file has
    the permissions of the old one. Missing folders are made.

    Args:
        path: The file to create or to replace.
        overwrite: Whether to replace a file that exists when the block ends. The caller checks
            for one before the block; another process may create it within.

    Yields:
        A path in the same folder with the same suffix, where no file exists yet.

    Raises:
        FileExistsError: There is a file, and `overwrite` is false.
        OSError: The file cannot be written; the message names it and says whether the old one
            is still there.
    """
    target = Path(os.path.realpath(path))
    try:
        _check_replaceable(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
    except OSError as error:
        raise _explained(error, path, target) from error
    temporary = target.with_name(f"{_head(target)}{secrets.token_hex(8)}.partial{target.suffix}")
    try:
        yield temporary
        if temporary.exists():
            _take_place(temporary, target, overwrite)
    except FileExistsError:
        raise
    except Exception as error:
        cause = _disk_error(error)
        if cause is None:
            raise
        raise _explained(cause, path, target) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def open_regular(path: Path) -> BinaryIO:
    """Open the regular file at `path` to read it; a pipe without a writer cannot block it.

    Raises:
        OSError: There is no such file, or it cannot be read.
        ValueError: It is no regular file. The message says what was found; the caller adds what
            is expected.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    if path.is_dir():  # Windows opens no folder
        raise ValueError("a folder, not a file")
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("a device or a pipe, not a file")
    return open(descriptor, "rb")


def read_bounded(path: Path, most: int) -> bytes:
    """Return the bytes of the regular file at `path`, which may have `most` bytes.

    Raises:
        OSError: There is no such file, or it cannot be read.
        ValueError: It is no regular file, or longer than `most`. The message says what was found;
            the caller adds what is expected.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        # Python makes room for all that is asked for, also where the file is shorter.
        content = b"" if size > most else file.read(size + 1)
        if len(content) > size:  # it grows, or its size is not known
            content += file.read(most)
    if max(len(content), size) > most:
        raise ValueError(f"more than {most} bytes")
    return content


def _check_replaceable(target: Path) -> None:
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "a folder, a device or a pipe, not a file")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _take_place(temporary: Path, target: Path, overwrite: bool) -> None:
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    if overwrite:
        if target.exists():
            _copy_permissions(target, temporary)
        os.replace(temporary, target)
    else:
        _take_free_place(temporary, target)
    if os.name == "posix":
        _sync_folder(target.parent)


def _take_free_place(temporary: Path, target: Path) -> None:
    """Give the file its name, unless there is a file of this name; no moment is between."""
    try:
        try:
            os.link(temporary, target)
        except FileExistsError:
            raise
        except OSError:  # a file system without links: an empty file takes the name first
            os.close(os.open(target, os.O_CREAT | os.O_EXCL))
            os.replace(temporary, target)
    except FileExistsError as error:
        raise FileExistsError(
            "The file was created by another process meanwhile, and is unchanged. Write to another "
            f"path, or pass `overwrite=True`. Received: path='{target}', overwrite=False"
        ) from error


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
    """Sync the folder too, so that the new name survives a crash; not every system can do it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _head(target: Path) -> str:
    return f".{target.name[:32]}."


def _remove_abandoned(target: Path) -> None:
    """Remove the temporary files that killed processes left behind for this target."""
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
    """Return the disk's error that caused this one: archives raise errors of their own on top."""
    if isinstance(error, OSError):
        return error
    behind = error.__cause__ or error.__context__
    while behind is not None:
        if isinstance(behind, OSError) and behind.errno in _DISK_ERRORS:
            return behind
        behind = behind.__cause__ or behind.__context__
    return None


def _explained(error: OSError, path: Path, target: Path) -> OSError:
    old = "The old file is unchanged." if target.exists() else "No file was created."
    message = (
        f"The file cannot be written: {error.strerror or error}. {old} Received: path='{path}'"
    )
    return OSError(message) if error.errno is None else OSError(error.errno, message)
