"""Archives of arrays with a layout, without pickle, that are refused when torn or changed."""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from keras_rnnkit._checks import PathLike, as_path
from keras_rnnkit._files import read_bounded, replacing

Result = TypeVar("Result")

# What reading a torn or changed archive, or restoring from its layout, raises.
TORN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, KeyError, OSError, ValueError),
    *(NotImplementedError, TypeError, AttributeError),
)


def write_archive(
    path: Path,
    entry: str,
    layout: dict[str, Any],
    arrays: dict[str, np.ndarray],
    *,
    overwrite: bool = True,
) -> None:
    """Write arrays by name, and in `entry` their layout with a digest of all of it.

    The format has no type for bfloat16 and the like: such an array is stored as integers of its
    bits, and the layout has its dtype.
    """
    dtypes = {name: a.dtype.name for name, a in arrays.items() if a.dtype.kind == "V"}
    if dtypes:
        layout = {**layout, "dtypes": dtypes}
        bits = {name: arrays[name].view(f"u{arrays[name].dtype.itemsize}") for name in dtypes}
        arrays = {**arrays, **bits}
    text = json.dumps({"layout": layout, "sha256": _digest(layout, arrays)}).encode()
    with replacing(path, overwrite=overwrite) as temporary:
        named = {**arrays, entry: np.frombuffer(text, np.uint8)}
        np.savez(temporary, **named)  # type: ignore[arg-type]


def read_archive(path: Path, entry: str, version: int) -> tuple[Any, dict[str, np.ndarray]]:
    """The layout and the arrays of an archive of this version.

    Raises:
        One of `TORN`: If it is not one that `write_archive` wrote, complete and unchanged.
    """
    content = read_bounded(path, path.stat().st_size)
    _check_plain(content)
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    head = json.loads(arrays.pop(entry).tobytes())
    layout = head["layout"]
    if layout["version"] != version or head["sha256"] != _digest(layout, arrays):
        raise ValueError(f"other contents. Received: version={layout['version']!r}")
    for name, dtype in layout.get("dtypes", {}).items():
        arrays[name] = arrays[name].view(dtype)
    return layout, arrays


def load_archive(
    path: PathLike,
    entry: str,
    version: int,
    restore: Callable[[Any, dict[str, np.ndarray]], Result],
    writer: str,
    advice: str,
) -> Result:
    """What `restore` makes of the layout and the arrays of a file that `writer` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not one of `writer`, or incomplete, or changed; with `advice`.
    """
    file = as_path(path, "path")
    _ = file.stat()  # raises where there is no such file
    try:
        return restore(*read_archive(file, entry, version))
    except TORN as error:
        raise ValueError(
            f"`path` must be a file that `{writer}` wrote, complete and unchanged; {advice}. "
            f"Received: path={str(path)!r}"
        ) from error


def _check_plain(content: bytes) -> None:
    """Refuse an archive with compressed parts, which are never written: they may be huge."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        kinds = {part.compress_type for part in archive.infolist()}
        if kinds - {zipfile.ZIP_STORED}:
            raise ValueError(f"compressed parts. Received: compress_type={kinds}")


def _digest(layout: Any, arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(layout, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
