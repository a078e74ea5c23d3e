"""Concrete values while a backend traces."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def eagerly(function: Callable[[], Any]) -> Any:
    """The result of a function that runs eagerly, outside of every open trace, graph and scope.

    A model may be built while JAX traces it or while TensorFlow makes its graph, where tensors have
    no values. Traces, graphs and scopes belong to a thread, so the function runs in another one.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(function).result()
