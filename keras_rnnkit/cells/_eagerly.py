"""Numbers while a backend traces."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def eagerly(function: Callable[[], Any]) -> Any:
    """What a function returns outside of every trace, graph and scope that is open here.

    A model may be built while JAX traces it or while TensorFlow makes its graph. Tensors have no
    numbers then; in a thread of its own a function meets none of that, and they have.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(function).result()
