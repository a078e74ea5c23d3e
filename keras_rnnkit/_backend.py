"""A clear word where Keras finds no backend; imported before everything else.

What can be known before Keras is imported is said before: a failed import leaves half of Keras
behind, and only a new Python would get rid of it.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

BACKENDS = ("jax", "tensorflow", "torch")


def require_backend() -> None:
    """Import Keras, or say which extra brings the backend that is missing.

    Raises:
        ImportError: If the backend that Keras is set to is not installed, or is none of the three.
    """
    if "keras" not in sys.modules:
        _check(_wanted())
    import keras

    _check_known(keras.config.backend())


def missing(wanted: str) -> str:
    """What to do when Keras wants a backend that is not there."""
    there = _installed()
    if not there:
        extras = ", or ".join(f'pip install "keras-rnnkit[{name}]"' for name in BACKENDS)
        return f"Keras needs a backend, and none is installed. Install one: {extras}"
    return (
        f"Keras is set to the backend {wanted!r}, which is not installed; {', '.join(there)} is. "
        f"Set KERAS_BACKEND={there[0]} in the environment (in a program, before Keras is imported: "
        f'import os; os.environ["KERAS_BACKEND"] = "{there[0]}"), or '
        f'pip install "keras-rnnkit[{wanted}]"'
    )


def _installed() -> list[str]:
    return [name for name in BACKENDS if importlib.util.find_spec(name)]


def _check(wanted: str) -> None:
    there = _installed()
    if not there:
        raise ImportError(missing(wanted))
    _check_known(wanted)
    if wanted not in there:
        raise ImportError(missing(wanted))


def _check_known(wanted: str) -> None:
    if wanted not in BACKENDS:
        there = _installed() or BACKENDS
        raise ImportError(
            f"keras_rnnkit runs on the Keras backends {', '.join(BACKENDS)}, and Keras is set to "
            f"{wanted!r}. Set KERAS_BACKEND={there[0]} in the environment before Python starts."
        )


def _wanted() -> str:
    """The backend that Keras will take: from the environment, its settings, or TensorFlow."""
    asked = os.environ.get("KERAS_BACKEND")
    if asked:
        return asked
    home = os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()
    try:
        settings = json.loads(Path(home, "keras.json").expanduser().read_text("utf-8"))
    except (OSError, ValueError):
        settings = None
    return settings.get("backend", "tensorflow") if isinstance(settings, dict) else "tensorflow"
