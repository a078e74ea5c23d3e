"""What the gates of a trace are over many steps, as numbers for each unit: pure NumPy.

One place for the formulas: the plots draw these numbers, and whatever summarises the traces of a
data set or of a training run computes the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# A gate is closed below the first limit and open above the second (Karpathy et al., 2015).
CLOSED, OPEN = 0.1, 0.9


def saturation(values: np.ndarray, low: float = CLOSED, high: float = OPEN) -> np.ndarray:
    """The fractions of steps at which each unit is below `low` and above `high`, `(2, units)`.

    Args:
        values: A gate at the valid steps, `(steps, units)`.
        low: Below it the gate is closed (left-saturated).
        high: Above it the gate is open (right-saturated).
    """
    return np.stack([(values < low).mean(axis=0), (values > high).mean(axis=0)])


def retention(
    fields: Mapping[str, np.ndarray], origin: Any = None
) -> tuple[str, np.ndarray] | None:
    """What the old state is multiplied by at each step, and its name; None without such a gate.

    It is the forget gate of an LSTM, a MinLSTM and their variants, `forget` of an RGLRU, the update
    gate of a GRU, and one minus the update gate of a MinGRU, where that gate is the weight of the
    candidate.

    Args:
        fields: The gates and states of a trace by name, arrays `(..., units)`.
        origin: The `origin` of a trace, if there is one: its zoneout rate of the state is mixed
            in as in inference, and a cell that normalises the state has no such factor.

    Returns:
        The name, such as `"forget"`, and an array `(..., units)`; or None.
    """
    if getattr(origin, "cell", None) == "LayerNormLSTMCell":
        return None
    if "forget" in fields:
        name, values = "forget", fields["forget"]
    elif "update" in fields and "reset" in fields:
        name, values = "update", fields["update"]
    elif "update" in fields:
        name, values = "1 - update", 1 - fields["update"]
    else:
        return None
    rates = getattr(origin, "zoneout", None)
    rate = rates[-1] if rates else 0.0  # that of the cell state, or of the only state
    return name, rate + (1 - rate) * values


def log_retention(values: np.ndarray) -> np.ndarray:
    """The natural logarithms of factors from 0 to 1, in float64; minus infinity for a factor of 0.

    Args:
        values: Factors by which an old state is multiplied, in any shape.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.asarray(values, dtype="float64")))


def half_lives(mean_log: np.ndarray) -> np.ndarray:
    r"""After how many steps half of a state's old content is left, for each unit.

    $$
    T = \frac{-\ln 2}{\frac{1}{n} \sum_{t=1}^{n} \ln r_t}
    $$

    $r_t$ is what the old state is multiplied by at step $t$. After $T$ steps of their geometric
    mean, the product of the factors is one half. A single factor of 0 erases everything: the
    half-life is 0. Where all factors are 1, it is infinite.

    Args:
        mean_log: The mean of `log_retention` over the steps, an array `(units,)`.
    """
    decaying = mean_log < 0
    return np.where(decaying, -np.log(2) / np.where(decaying, mean_log, -1.0), np.inf)
