"""Checks of what a stack of recurrent layers is built from."""

from numbers import Integral
from typing import Any

import keras

from keras_rnnkit.cells._checks import check_rate


def checked_units(owner: str, units: Any) -> list[int]:
    """The units of each layer."""
    if not isinstance(units, list | tuple) or not units or not all(map(_is_positive, units)):
        raise ValueError(
            f"`units` of {owner} must be a list of positive integers, one for each layer. A stack "
            f"of one layer is `units=[8]`. Received: units={units!r}"
        )
    return [int(u) for u in units]


def _is_positive(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0


def one_per_layer(owner: str, name: str, value: Any, count: int) -> list[Any]:
    """The value for each layer: the same for all, or those of a list."""
    if not isinstance(value, list | tuple):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"`{name}` of {owner} must be one value, or a list of one for each of the {count} "
            f"layers. Received: {name}={value!r}"
        )
    return list(value)


def checked_rates(owner: str, name: str, value: Any, count: int) -> list[float]:
    """A dropout rate for each layer."""
    rates = one_per_layer(owner, name, value, count)
    for rate in rates:
        check_rate(owner, name, rate)
    return rates


def checked_seeds(owner: str, seed: Any, count: int) -> list[int | None]:
    """A seed for each layer: an integer is that of the first, and the next ones follow it."""
    if seed is None or isinstance(seed, list | tuple):
        return one_per_layer(owner, "seed", seed, count)
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise ValueError(
            f"`seed` of {owner} must be an integer, a list of one for each layer or None. "
            f"Received: seed={seed!r}"
        )
    return [int(seed) + i for i in range(count)]


def checked_options(owner: str, options: dict[str, Any] | None) -> dict[str, Any]:
    """`cell_options`, after a check that none is an option which the stack sets."""
    own = sorted(set(options or {}) & _SET_BY_THE_STACK)
    if own:
        raise ValueError(
            f"`cell_options` of {owner} must not hold what the stack sets in its layers itself. "
            "Pass it to the stack, under the same name. "
            f"Received: cell_options={options!r}"
        )
    return dict(options or {})


_SET_BY_THE_STACK = {
    "dropout",
    "dtype",
    "go_backwards",
    "name",
    "path",
    "recompute",
    "recurrent_dropout",
    "return_gates",
    "return_sequences",
    "return_state",
    "seed",
    "stateful",
    "units",
}


def check_apart(owner: str, entries: list[Any]) -> None:
    """Refuse one cell for several layers, which would then share their weights."""
    made = [id(cell) for cell in entries if isinstance(cell, keras.layers.Layer)]
    if len(set(made)) < len(made):
        raise ValueError(
            f"`cell` of {owner} holds the same cell more than once, so that layers would share "
            "weights. Give each layer a cell of its own, or a function `units -> cell`. "
            f"Received: cell={entries!r}"
        )


def check_choice(owner: str, name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Refuse a value that is not one of those allowed."""
    if not any(
        value is choice or (isinstance(value, str) and value == choice) for choice in allowed
    ):
        words = ", ".join(map(repr, allowed))
        raise ValueError(f"`{name}` of {owner} must be one of {words}. Received: {name}={value!r}")


def check_equal_widths(owner: str, widths: list[int]) -> None:
    """Refuse residual connections without projections between layers of different widths."""
    if len(set(widths)) > 1:
        raise ValueError(
            f'{owner}: `residual="identity"` adds the input of a layer to its output, so that all '
            "layers must have the same width. `residual=True` puts a projection where widths "
            f"differ. Received: widths={widths}"
        )
