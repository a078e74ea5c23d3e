"""The errors of data files: one for their content, one for their download."""


class DataFileError(OSError, ValueError):
    """A data file is missing, incomplete, of another format or unsafe.

    It is both an `OSError` and a `ValueError`, as `io.UnsupportedOperation` is: the cause is a
    file, whose path is the value of an argument. The message says what is expected, what to do,
    what was found, and the path.
    """


class DownloadError(ConnectionError):
    """A data file could not be downloaded, or has the wrong checksum.

    The message says what to download, from where, with which checksum, and how to pass the file
    as `path`.
    """
