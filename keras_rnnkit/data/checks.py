"""Arguments checked by name, so that a wrong one is told at once and in words."""

from collections.abc import Collection
from typing import Any, overload

import numpy as np


@overload
def require_count(name: str, value: Any, *, least: int = 0) -> int: ...


@overload
def require_count(name: str, value: Any, *, least: int = 0, optional: bool) -> int | None: ...


def require_count(name: str, value: Any, *, least: int = 0, optional: bool = False) -> int | None:
    """Returns `value` as an int of at least `least`; `None` passes where it is `optional`."""
    if value is None and optional:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | np.integer)
        or not least <= value < 2**31
    ):
        expected = f"an int32 of at least {least}" + (", or None" if optional else "")
        raise ValueError(f"`{name}` must be {expected}. Received: {name}={value!r}")
    return int(value)


def require_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Refuses a `value` that is not one of `choices`."""
    if value not in choices:
        expected = " or ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{name}` must be {expected}. Received: {name}={value!r}")
