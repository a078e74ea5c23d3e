"""What goes wrong with files: one error for what a file holds, one for getting it."""


class DataFileError(OSError, ValueError):
    """A data file is missing, torn, foreign or unsafe.

    It is both an `OSError` and a `ValueError`, as `io.UnsupportedOperation` is: the fault lies
    in a file, and it came in through an argument. The message names the path, what was found
    there, what was expected and what to do.
    """


class DownloadError(ConnectionError):
    """A data file could not be downloaded, or came with the wrong checksum.

    The message says what to fetch, from where, with which checksum, and how to pass the file
    as `path`.
    """
