"""Optional libraries, imported where they are used."""

import importlib
from typing import Any


def optional_library(name: str, extra: str, owner: str) -> Any:
    """Import an optional library.

    Args:
        name: The name of the module.
        extra: The extra of the package that installs it.
        owner: The function that needs it, for the error.

    Raises:
        ImportError: If it is not installed; the message has the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:  # the library is there, a part of it is not
            raise
        raise ImportError(
            f"`{owner}` needs the library {name}, which is not installed: "
            f'pip install "keras-rnnkit[{extra}]"'
        ) from error
