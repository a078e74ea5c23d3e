"""The checks of arguments that several cells have."""

from numbers import Integral, Real
from typing import Any


def checked_units(owner: str, units: Any, name: str = "units") -> int:
    """The number of units as an `int`, after a check that it is a positive integer."""
    if isinstance(units, bool) or not isinstance(units, Integral) or units <= 0:
        raise ValueError(
            f"`{name}` of {owner} must be a positive integer. Received: {name}={units!r}"
        )
    return int(units)


def check_rate(owner: str, name: str, rate: Any) -> None:
    """Refuse a dropout rate outside `[0, 1)`, which Keras would clip or ignore."""
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 <= float(rate) < 1:
        raise ValueError(
            f"`{name}` of {owner} must be a number in [0, 1). Received: {name}={rate!r}"
        )
