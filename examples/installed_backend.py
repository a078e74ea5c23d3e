"""Lets an example run on whichever backend is installed."""

import importlib.util
import os


def use_installed_backend() -> str:
    """Set KERAS_BACKEND to a backend that is installed, unless it is set; call before Keras.

    Returns:
        The name of the backend.
    """
    if "KERAS_BACKEND" not in os.environ:
        names = ("jax", "tensorflow", "torch")
        found = [name for name in names if importlib.util.find_spec(name)]
        if not found:
            raise SystemExit(
                'No backend is installed; `pip install "keras-rnnkit[jax]"` brings one.'
            )
        os.environ["KERAS_BACKEND"] = found[0]
    return os.environ["KERAS_BACKEND"]
