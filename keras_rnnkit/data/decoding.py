"""Files of text: read whole with a bound, and decoded, or refused with the file and the byte."""

import codecs
import io
from pathlib import Path
from typing import NoReturn

from keras_rnnkit._files import read_bounded
from keras_rnnkit.data.errors import DataFileError

# What files begin with that are in another encoding or no text at all, the longer ones first.
_BEGINNINGS = {
    b"\xff\xfe\0\0": 'it begins like UTF-32; pass encoding="utf-32"',
    b"\0\0\xfe\xff": 'it begins like UTF-32; pass encoding="utf-32"',
    b"\xff\xfe": 'it begins like UTF-16; pass encoding="utf-16"',
    b"\xfe\xff": 'it begins like UTF-16; pass encoding="utf-16"',
    b"PK\x03\x04": "it is a zip archive or an Excel file; extract it, or save it as CSV",
    b"\x1f\x8b": "it is a gzip archive; extract it",
    b"%PDF": "it is a PDF file; extract its text",
}
NULS = (
    'NUL characters, as if it were UTF-16; pass encoding="utf-16-le" or "utf-16-be", or remove them'
)
_OTHERWISE = (
    'pass the encoding of the file, for example encoding="cp949" for Korean Windows, "cp1252" for '
    'Western Windows, or "latin-1", which accepts every byte'
)


def check_encoding(encoding: str) -> None:
    """Refuses what is no name of a text encoding."""
    try:
        codecs.lookup(encoding)  # refuses None, which is an encoding for `TextIOWrapper`
        io.TextIOWrapper(io.BytesIO(), encoding=encoding).close()
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            '`encoding` must be the name of a text encoding of Python, such as "utf-8" or '
            f'"cp949". Received: encoding={encoding!r}'
        ) from error


def read_file(path: Path, most: int, shown: str) -> bytes:
    """Returns the bytes of a file, which is called `shown` in errors."""
    try:
        return read_bounded(path, most)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataFileError(
            f"`path` must lead to files that can be read. Found: {shown}: {reason}. "
            f"Received: path='{path}'"
        ) from error


def decoded(content: bytes, encoding: str, path: Path) -> str:
    """Returns the text, without a byte order mark."""
    try:
        text = content.decode(encoding)
    except UnicodeError as error:
        raise_undecodable(error, content, encoding, path)
    if "\0" in text:
        raise DataFileError(
            f"`encoding` must be the encoding of the file. Found: '{path}' has {NULS}. "
            f"Received: encoding={encoding!r}"
        )
    return text.removeprefix("\ufeff")


def raise_undecodable(error: UnicodeError, content: bytes, encoding: str, path: Path) -> NoReturn:
    """Raises the error for a file in another encoding; it names the file and the byte."""
    start = error.start if isinstance(error, UnicodeDecodeError) else 0
    found = f"byte {start} (0x{content[start]:02x})" if start < len(content) else "the file"
    begins = (hint for bytes_, hint in _BEGINNINGS.items() if content.startswith(bytes_))
    raise DataFileError(
        f"`encoding` must be the encoding of the file. Found: {found} of '{path}' is not "
        f"{encoding} ({getattr(error, 'reason', error)}): {next(begins, _OTHERWISE)}. "
        f"Received: encoding={encoding!r}"
    ) from error
