"""A clear word where Keras finds no backend; imported before everything else."""

import importlib.util

BACKENDS = ("jax", "tensorflow", "torch")


def require_backend() -> None:
    """Import Keras, or say which extra brings the backend that is missing.

    Raises:
        ImportError: If the backend that Keras is set to is not installed.
    """
    try:
        import keras  # noqa: F401
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in BACKENDS:
            raise
        raise ImportError(missing(error.name or "")) from error


def missing(wanted: str) -> str:
    """What to do when Keras wants a backend that is not there."""
    there = [name for name in BACKENDS if importlib.util.find_spec(name)]
    extras = ", ".join(f'`pip install "keras-rnnkit[{name}]"`' for name in BACKENDS)
    if not there:
        return f"Keras needs a backend, and none is installed. One of these brings one: {extras}."
    return (
        f"Keras is set to the backend {wanted!r}, which is not installed; {', '.join(there)} is. "
        f"Set the environment variable KERAS_BACKEND={there[0]} before Keras is imported, or "
        f'`pip install "keras-rnnkit[{wanted}]"`.'
    )
