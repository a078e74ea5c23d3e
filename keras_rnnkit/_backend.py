"""A clear error where Keras finds no backend; imported before everything else.

The backend is checked before Keras is imported: a failed import leaves half of Keras loaded, and
only a new Python process gets rid of it.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

BACKENDS = ("jax", "tensorflow", "torch")


def require_backend() -> None:
    """Import Keras, or say which extra installs the missing backend.

    Raises:
        ImportError: If the backend that Keras is set to is not installed, or is none of the three.
    """
    if "keras" not in sys.modules:
        _check(_requested())
    import keras

    _check_known(keras.config.backend())


def missing(requested: str) -> str:
    """What to do when Keras is set to a backend that is not installed."""
    installed = _installed()
    if not installed:
        extras = ", or ".join(f'pip install "keras-rnnkit[{name}]"' for name in BACKENDS)
        return f"Keras needs a backend, and none is installed. Install one: {extras}"
    return (
        f"Keras is set to a backend that is not installed; {', '.join(installed)} is. "
        f"Set KERAS_BACKEND={installed[0]} in the environment (in a program, before Keras is "
        f'imported: import os; os.environ["KERAS_BACKEND"] = "{installed[0]}"), or '
        f'pip install "keras-rnnkit[{requested}]". Received: backend={requested!r}'
    )


def _installed() -> list[str]:
    return [name for name in BACKENDS if importlib.util.find_spec(name)]


def _check(requested: str) -> None:
    installed = _installed()
    if not installed:
        raise ImportError(missing(requested))
    _check_known(requested)
    if requested not in installed:
        raise ImportError(missing(requested))


def _check_known(requested: str) -> None:
    if requested not in BACKENDS:
        usable = _installed() or BACKENDS
        raise ImportError(
            f"keras_rnnkit runs on the Keras backends {', '.join(BACKENDS)}, and Keras is set to "
            f"another one. Set KERAS_BACKEND={usable[0]} in the environment before Python starts. "
            f"Received: backend={requested!r}"
        )


def _requested() -> str:
    """The backend that Keras will use: from the environment, its settings, or TensorFlow."""
    variable = os.environ.get("KERAS_BACKEND")
    if variable:
        return variable
    home = os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()
    try:
        settings = json.loads(Path(home, "keras.json").expanduser().read_text("utf-8"))
    except (OSError, ValueError):
        settings = None
    return settings.get("backend", "tensorflow") if isinstance(settings, dict) else "tensorflow"
