"""ONNX Runtime: its library, its sessions and its errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keras_rnnkit._checks import check_integer
from keras_rnnkit.interop.onnx.extras import require


def open_session(path: Path, threads: int | None, providers: Any) -> Any:
    """A session of ONNX Runtime.

    Args:
        path: The file.
        threads: The number of threads of an operator; `None` for as many as there are cores.
        providers: The names of execution providers, or `(name, options)` pairs; `None` for the CPU.

    Raises:
        ValueError: If the file is none that ONNX Runtime can run, or an argument is not valid.
        ImportError: If onnxruntime is not installed.
    """
    runtime = require("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # its errors are raised, and not printed too
    options.intra_op_num_threads = check_integer(threads, "threads", least=1, optional=True) or 0
    chosen = _checked(providers, runtime.get_available_providers())
    expected = "`path_or_model` must be a complete ONNX file with operators of ONNX Runtime"
    with explained(expected, f"path_or_model={str(path)!r}"):
        return runtime.InferenceSession(str(path), options, providers=chosen)


def _checked(providers: Any, available: list[str]) -> list[Any]:
    """The providers to use, all of them available: ONNX Runtime leaves out the others."""
    if providers is None:
        return ["CPUExecutionProvider"]
    known = isinstance(providers, Sequence) and not isinstance(providers, str) and bool(providers)
    if not known or not all(_name(provider) in available for provider in providers):
        raise ValueError(
            f"`providers` must be a list of names that this onnxruntime has: {available}. "
            f"Received: providers={providers!r}"
        )
    return list(providers)


def _name(provider: Any) -> Any:
    return provider[0] if isinstance(provider, tuple) and len(provider) == 2 else provider


@contextmanager
def explained(expected: str, received: str) -> Iterator[None]:
    """Raise the errors of ONNX Runtime as a `ValueError` that says what was expected.

    Args:
        expected: What the argument must be.
        received: What it was, as `name=value`.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    # They have no common base class of their own, and no public names.
    errors = (
        state.EPFail,
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NoModel,
        state.NoSuchFile,
        state.NotImplemented,
        state.RuntimeException,
    )
    try:
        yield
    except errors as error:
        reason = str(error).strip().rstrip(".")
        raise ValueError(
            f"{expected}. ONNX Runtime says: {reason}. Received: {received}"
        ) from error
