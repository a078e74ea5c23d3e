"""Where a file may be written: every check is made before any work is done.

Training takes minutes or hours; a path that cannot be written must say so first, not last.
"""

from __future__ import annotations

import os
from pathlib import Path

from keras_rnnkit._files import PathLike as PathLike
from keras_rnnkit._files import as_path


def check_file(path: PathLike, argument: str, suffix: str, overwrite: bool) -> Path:
    """Return `path` as a `Path` that a file can be written to, or say why it cannot."""
    target = as_path(path, argument)
    if target.suffix != suffix:
        raise ValueError(
            f"`{argument}` must end in {suffix!r}, for example 'name{suffix}'. "
            f"Received: {argument}={str(path)!r}"
        )
    if target.is_dir():
        raise IsADirectoryError(
            f"`{argument}` must name a file, but a folder of that name exists. "
            f"Received: {argument}={str(path)!r}"
        )
    if target.exists() and not target.is_file():
        raise ValueError(
            f"`{argument}` must name a file, but there is a device or a pipe. "
            f"Received: {argument}={str(path)!r}"
        )
    _check_writable(target.parent, argument)
    refuse_existing([target], argument, overwrite)
    return target


def check_folder(path: PathLike, argument: str) -> Path:
    """Return `path` as a `Path` of a folder that exists or can be made, or say why not."""
    folder = as_path(path, argument)
    _check_writable(folder, argument)
    return folder


def refuse_existing(targets: list[Path], argument: str, overwrite: bool) -> None:
    """Raise a `FileExistsError` when a target exists and may not be overwritten."""
    existing = [str(target) for target in targets if target.exists()]
    if existing and not overwrite:
        raise FileExistsError(
            f"Nothing is overwritten unasked, and there is already: {', '.join(existing)}. "
            f"Pass another `{argument}`, or `overwrite=True` to replace it."
        )


def _check_writable(folder: Path, argument: str) -> None:
    """The folder itself, or the nearest one above it that exists, must take new files."""
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise NotADirectoryError(
            f"`{argument}` needs the folder {str(folder)!r}, "
            f"but {str(nearest)!r} is a file, not a folder."
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(
            f"`{argument}` needs the folder {str(folder)!r}, "
            f"but {str(nearest)!r} is not writable for this user."
        )
