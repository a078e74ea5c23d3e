"""The range that the values of a field may have, and the limits of its colour map."""

from __future__ import annotations

import enum

import numpy as np


class Kind(enum.Enum):
    """The range that the values of a field may have, which decides its colour map."""

    GATE = "between 0 and 1"
    BOUNDED = "between -1 and 1"
    UNBOUNDED = "any"


_KINDS = {
    **dict.fromkeys(("input", "forget", "output", "update", "reset", "scale"), Kind.GATE),
    **dict.fromkeys(("candidate", "hidden"), Kind.BOUNDED),
    "cell": Kind.UNBOUNDED,
}
COLOR_MAPS = {Kind.GATE: "viridis", Kind.BOUNDED: "RdBu_r", Kind.UNBOUNDED: "PuOr_r"}

# The limits are percentiles: the outermost 1 % of the values at either end are saturated.
TAIL = 1.0
# The narrowest range of colours for a gate, so that tiny differences do not look large.
NARROWEST = 0.2


def kind_of(name: str, values: np.ndarray) -> Kind:
    """The kind of a field of this name, or the next wider one that contains the values."""
    kinds = list(Kind)
    allowed = kinds[kinds.index(_KINDS.get(name, Kind.GATE)) :]
    low, high = float(values.min()), float(values.max())
    fits = {Kind.GATE: low >= 0 and high <= 1, Kind.BOUNDED: low >= -1 and high <= 1}
    return next(kind for kind in allowed if fits.get(kind, True))


def color_limits(kind: Kind, values: np.ndarray) -> tuple[float, float]:
    """The lower and the upper limit of the colours: round numbers around nearly all values.

    Those of a gate are between 0 and 1; all others are symmetric around 0.
    """
    if kind is not Kind.GATE:
        reach = rounded_up(float(np.percentile(np.abs(values), 100 - TAIL)))
        return -reach, reach
    low, high = np.percentile(values, [TAIL, 100 - TAIL])
    low, high = np.floor(20 * low + 1e-9) / 20, np.ceil(20 * high - 1e-9) / 20
    middle = np.clip((low + high) / 2, NARROWEST / 2, 1 - NARROWEST / 2)
    half = max((high - low) / 2, NARROWEST / 2)
    return round(max(0.0, middle - half), 3), round(min(1.0, middle + half), 3)


def rounded_up(value: float) -> float:
    """The next number with two significant digits; 1 for 0, so that the range is not empty."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(np.ceil(value / unit - 1e-9) * unit)
