"""Makes every layer that has a kernel run by one method, whatever the rule says."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

OLD = {
    "concatenated": "joined",
    "fused gates": "whole",
    "per gate": "in step",
    "preallocated": "in place",
}


@contextmanager
def forced(method: str) -> Iterator[None]:
    from keras_rnnkit.layers import _fused

    if method == "portable":
        yield
        return
    if method in ("whole sequence", "chunked"):
        kernels = _fused.backend_kernels()
        name = "AT_ONCE" if hasattr(kernels, "AT_ONCE") else "BLOCKS_FROM"
        before = getattr(kernels, name)

        def put(value: Any) -> None:
            setattr(kernels, name, value)
            if name == "AT_ONCE":
                kernels._run.clear_cache()

        put(float("inf") if method == "whole sequence" else 0)
        try:
            yield
        finally:
            put(before)
        return

    chosen = _fused.choose

    def choose(request: Any) -> Any:
        choice = chosen(request)
        assert choice.path == "fused", choice
        return choice._replace(method=OLD.get(method, method))

    _fused.choose = choose
    try:
        yield
    finally:
        _fused.choose = chosen
