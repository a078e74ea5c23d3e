"""Checks of arguments and paths, one place for all rooms: a wrong one is refused before any work.

Every check names the argument, says what is expected, and ends its message with the value that
it received. Paths are checked as far as possible before a file is written: training takes minutes
or hours, and a path that cannot be written is an error at its start and not at its end.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from numbers import Integral
from pathlib import Path
from typing import Any, overload

PathLike = str | os.PathLike[str]

INT32_MAX = 2**31 - 1


def is_integer(value: Any) -> bool:
    """Whether this is an integer of Python or NumPy; a boolean is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


@overload
def check_integer(
    value: Any, argument: str, *, least: int = 0, most: int | None = INT32_MAX
) -> int: ...


@overload
def check_integer(
    value: Any,
    argument: str,
    *,
    least: int = 0,
    most: int | None = INT32_MAX,
    optional: bool,
) -> int | None: ...


def check_integer(
    value: Any,
    argument: str,
    *,
    least: int = 0,
    most: int | None = INT32_MAX,
    optional: bool = False,
) -> int | None:
    """Return `value` as an int from `least` to `most`; `None` is allowed where it is `optional`."""
    if value is None and optional:
        return None
    if not is_integer(value) or value < least or (most is not None and value > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        expected = f"an integer {bounds}" + (", or None" if optional else "")
        raise ValueError(f"`{argument}` must be {expected}. Received: {argument}={value!r}")
    return int(value)


def check_choice(value: Any, argument: str, choices: Collection[str]) -> None:
    """Refuse a `value` that is not one of `choices`."""
    if value not in choices:
        expected = " or ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{argument}` must be {expected}. Received: {argument}={value!r}")


def as_path(path: PathLike, argument: str) -> Path:
    """Return `path` as a `Path`, with `~` for the home folder, or say that it is none."""
    if not isinstance(path, str | os.PathLike) or not str(path):
        raise TypeError(f"`{argument}` must be a path. Received: {argument}={path!r}")
    return Path(os.path.expanduser(path))


def check_file(path: PathLike, argument: str, suffix: str, overwrite: bool) -> Path:
    """Return `path` as a `Path` that a file can be written to, or say why it cannot."""
    target = as_path(path, argument)
    received = f"Received: {argument}={str(path)!r}"
    if target.suffix != suffix:
        raise ValueError(
            f"`{argument}` must end in {suffix!r}, for example 'name{suffix}'. {received}"
        )
    if target.is_dir():
        raise IsADirectoryError(
            f"`{argument}` must name a file, but a folder of that name exists. {received}"
        )
    if target.exists() and not target.is_file():
        raise ValueError(
            f"`{argument}` must name a file, but there is a device or a pipe. {received}"
        )
    _check_writable(target.parent, argument, received)
    refuse_existing([target], argument, overwrite)
    return target


def check_folder(path: PathLike, argument: str) -> Path:
    """Return `path` as a `Path` of a folder that exists or can be made, or say why not."""
    folder = as_path(path, argument)
    _check_writable(folder, argument, f"Received: {argument}={str(path)!r}")
    return folder


def refuse_existing(targets: list[Path], argument: str, overwrite: bool) -> None:
    """Raise a `FileExistsError` when a target exists and must not be overwritten."""
    existing = [str(target) for target in targets if target.exists()]
    if existing and not overwrite:
        raise FileExistsError(
            f"`{argument}` leads to files that exist: {', '.join(existing)}. Pass another "
            f"`{argument}`, or `overwrite=True` to replace them. Received: overwrite={overwrite!r}"
        )


def _check_writable(folder: Path, argument: str, received: str) -> None:
    """The folder itself, or the nearest one above it that exists, must take new files."""
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise NotADirectoryError(
            f"`{argument}` needs the folder {str(folder)!r}, "
            f"but {str(nearest)!r} is a file, not a folder. {received}"
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(
            f"`{argument}` needs the folder {str(folder)!r}, "
            f"but {str(nearest)!r} is not writable for this user. {received}"
        )
