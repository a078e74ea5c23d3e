"""Makes every layer that has a kernel run by one method, whatever the rule says."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import keras

# From how many bytes (JAX) or units (TensorFlow) on the backward pass is chunked.
CHUNKED_FROM = {"whole sequence": float("inf"), "chunked": 0}


@contextmanager
def forced(method: str) -> Iterator[None]:
    """Has layers use this method, or this backward pass, where they are traced or run."""
    if method == "portable":  # the layer was made with this path
        yield
    elif method in CHUNKED_FROM:
        with _chunked_from(CHUNKED_FROM[method]):
            yield
    else:
        with _chosen(method):
            yield


@contextmanager
def _chosen(method: str) -> Iterator[None]:
    run = import_module("keras_rnnkit.running.run")
    before = run.choose

    def choose(request: Any) -> Any:
        choice = before(request)
        if choice.path != "fused":
            raise ValueError(f"the rule takes {choice} here, which has no methods")
        return choice._replace(method=method)

    run.choose = choose
    try:
        yield
    finally:
        run.choose = before


@contextmanager
def _chunked_from(value: float) -> Iterator[None]:
    kernels = import_module(f"keras_rnnkit.kernels.{keras.config.backend()}")
    on_jax = hasattr(kernels, "CHUNK_ABOVE_BYTES")
    name = "CHUNK_ABOVE_BYTES" if on_jax else "CHUNK_FROM_UNITS"

    def put(value: float) -> None:
        setattr(kernels, name, value)
        if on_jax:  # it does not trace again what it has traced
            kernels._run.clear_cache()

    before = getattr(kernels, name)
    put(value)
    try:
        yield
    finally:
        put(before)
