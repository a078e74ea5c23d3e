"""The parameters of a recurrent module of PyTorch, from the module, a mapping or a file."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_rnnkit._checks import as_path
from keras_rnnkit.interop._libraries import optional_library
from keras_rnnkit.interop.torch.inference import NAME

DTYPES = ("float32", "float64", "float16", "bfloat16")
FILE_DTYPES = ("F32", "F64", "F16", "BF16")
PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")


class Parameters(NamedTuple):
    """The parameters by name, without the prefix, and their dtype.

    A `bfloat16` parameter is a float32 array, which holds the same numbers.
    """

    arrays: dict[str, np.ndarray]
    dtype: str


def read_parameters(source: Any, prefix: str) -> Parameters:
    """The parameters of one module.

    Args:
        source: A module of `torch.nn`, a mapping of names to arrays or tensors, or the path of a
            `.safetensors` file.
        prefix: What stands before the names, `"encoder.lstm."`.

    Raises:
        ValueError: For a file of another format, for names that no recurrent module has, and for
            parameters that are not floating-point numbers of one dtype.
        TypeError: For any other source.
    """
    prefix = prefix if prefix.endswith(".") or not prefix else f"{prefix}."
    if isinstance(source, str | os.PathLike):
        found = _from_file(as_path(source, "source"), prefix)
    elif is_module(source):
        found = _chosen(source.state_dict(), prefix)
    elif isinstance(source, Mapping):
        found = _chosen(source, prefix)
    else:
        raise TypeError(
            "`source` must be a torch.nn.LSTM, GRU or RNN, its `state_dict()`, or the path of a "
            f".safetensors file. Received: type(source)={type(source).__name__}"
        )
    arrays = {name[len(prefix) :]: _as_array(value, name) for name, value in found.items()}
    dtypes = sorted({dtype for _, dtype in arrays.values()})
    if len(dtypes) > 1:
        raise ValueError(
            "`source` must hold parameters of one dtype. Convert them to one, for example with "
            f"`module.float()`. Received: dtypes={dtypes}"
        )
    return Parameters({name: array for name, (array, _) in arrays.items()}, *dtypes)


def is_module(source: Any) -> bool:
    """Whether this is a module of PyTorch, which is not imported for that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)


def part_of(module: Any, prefix: str) -> Any:
    """The recurrent module at a place in a module, `""` for itself.

    Raises:
        ValueError: If there is none; the message lists the places where there are some.
    """
    import torch

    kinds = (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN)
    parts = {
        name: part
        for name, part in module.named_modules()
        if isinstance(part, kinds) and type(part).forward in [kind.forward for kind in kinds]
    }
    name = prefix.removesuffix(".")
    if name in parts:
        return parts[name]
    if not parts:
        raise ValueError(
            "`source` must be a torch.nn.LSTM, GRU or RNN, without code of its own, or a model "
            f"that contains one. Received: type(source)={type(module).__name__}"
        )
    places = ", ".join(repr(place) for place in parts)
    raise ValueError(
        f"`prefix` must be the place of a recurrent module in the model: {places}. "
        f"Received: prefix={prefix!r}"
    )


def _from_file(path: Path, prefix: str) -> Mapping[str, np.ndarray]:
    received = f"Received: source='{path}'"
    if path.suffix in PICKLED:
        raise ValueError(
            f"`source` is a {path.suffix} file, which PyTorch writes with pickle, and a pickle can "
            "run code when it is loaded. Load it with `torch.load(path, weights_only=True)` and "
            f"pass the mapping, or save it as a .safetensors file. {received}"
        )
    if path.suffix != ".safetensors":
        raise ValueError(f"`source` must be a file that ends in '.safetensors'. {received}")
    library = optional_library("safetensors", "safetensors", "from_torch")
    if not path.is_file():
        raise FileNotFoundError(f"`source` must be a file that exists. {received}")
    try:
        with library.safe_open(path, framework="numpy") as file:
            names = _chosen_names(list(file.keys()), prefix)
            for name in names:
                _check_dtype(name, file.get_slice(name).get_dtype(), FILE_DTYPES)
            return {name: file.get_tensor(name) for name in names}
    except library.SafetensorError as error:
        raise ValueError(
            f"`source` must be a complete .safetensors file, which this is not: {error}. {received}"
        ) from error


def _chosen(source: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name: source[name] for name in _chosen_names(list(source), prefix)}


def _chosen_names(names: list[Any], prefix: str) -> list[str]:
    """The names that begin with the prefix, or an error that lists the prefixes there are."""
    if not all(isinstance(name, str) for name in names):
        strange = next(name for name in names if not isinstance(name, str))
        raise ValueError(
            "`source` must be a mapping whose keys are the names of parameters. "
            f"Received: key={strange!r}"
        )
    chosen = [name for name in names if name.startswith(prefix)]
    if any(NAME.fullmatch(name[len(prefix) :]) for name in chosen):
        return chosen
    parts = [name.rpartition(".") for name in names]
    prefixes = sorted({head + dot for head, dot, tail in parts if NAME.fullmatch(tail)})
    if not prefixes:
        raise ValueError(
            "`source` must hold the parameters of a torch.nn.LSTM, GRU or RNN: `weight_ih_l0`, "
            "`weight_hh_l0`, ... A torch.nn.LSTMCell, GRUCell or RNNCell has them without `_l0`: "
            f"add the ending. Received: names={names[:20]}"
        )
    raise ValueError(
        "`prefix` must be what stands before `weight_ih_l0` in the names of one recurrent module. "
        f"There are {', '.join(map(repr, prefixes))}. Received: prefix={prefix!r}"
    )


def _as_array(value: Any, name: str) -> tuple[np.ndarray, str]:
    """A parameter as an array of NumPy, and its dtype."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        dtype = str(value.dtype).rpartition(".")[2]
        _check_dtype(name, dtype, DTYPES)
        value = value.detach().cpu()
        array = (value.float() if dtype == "bfloat16" else value).numpy()
    else:
        array = np.asarray(value)
        dtype = array.dtype.name
        array = array.astype("float32") if dtype == "bfloat16" else array
    _check_dtype(name, dtype, DTYPES)
    return array, dtype


def _check_dtype(name: str, dtype: str, known: tuple[str, ...]) -> None:
    if dtype not in known:
        raise ValueError(
            f"`source` must hold floating-point parameters ({', '.join(DTYPES)}); parameters of a "
            f"quantized module are none. Received: {name}.dtype={dtype}"
        )
