"""What is forecast in `forecast.py`, the naive forecasts, and how good forecasts are."""

from typing import NamedTuple

import numpy as np

QUANTILES = (0.1, 0.5, 0.9)


class Task(NamedTuple):
    """A series, and how it is forecast."""

    name: str
    times: np.ndarray
    values: np.ndarray  # NaN where one is missing
    season: int  # steps
    difference: bool  # whether to forecast the change since the season before
    length: int  # steps that the model reads
    horizon: int  # steps that it forecasts


class Forecast(NamedTuple):
    """What was forecast for some windows: `(windows, horizon, quantiles)`."""

    steps: np.ndarray  # the first step of each window
    quantiles: np.ndarray


def changes(task: Task) -> np.ndarray:
    """The series that the model reads: the values, or their changes since the season before."""
    if not task.difference:
        return task.values
    return task.values[task.season :] - task.values[: -task.season]


def steps_ahead(task: Task, steps: np.ndarray) -> np.ndarray:
    """The steps to forecast, `(windows, horizon)`."""
    return steps[:, np.newaxis] + np.arange(task.horizon)


def naive_forecasts(task: Task, training: np.ndarray, test: np.ndarray) -> dict[str, Forecast]:
    """What needs no model; the intervals are the quantiles of the errors in the training part."""
    names = ["naive", *["seasonal naive"] * (task.season > 1)]
    names += ["seasonal naive + trend"] * task.difference
    found = {}
    for name in names:
        errors = at(task.values, steps_ahead(task, training)) - point_forecast(name, task, training)
        spread = np.nanquantile(errors, (QUANTILES[0], QUANTILES[-1]), axis=0)
        point = point_forecast(name, task, test)
        found[name] = Forecast(test, np.stack([point + spread[0], point, point + spread[1]], -1))
    return found


def point_forecast(name: str, task: Task, steps: np.ndarray) -> np.ndarray:
    """The last value; that of the season before; or that, and the last change over a season."""
    ahead = steps_ahead(task, steps)
    if name == "naive":
        return np.broadcast_to(last_known(task.values)[steps - 1, np.newaxis], ahead.shape)
    before = at(task.values, ahead - task.season * (1 + (ahead - steps[:, None]) // task.season))
    if name == "seasonal naive":
        return before
    start = len(task.values) - len(changes(task))
    return before + last_known(changes(task))[steps - 1 - start, np.newaxis]


def at(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The values at steps, NaN before the first step."""
    return np.where(steps < 0, np.nan, values[np.maximum(steps, 0)])


def last_known(values: np.ndarray) -> np.ndarray:
    """The values, and where one is missing the last one before it."""
    known = np.where(np.isnan(values), 0, np.arange(len(values)))
    return values[np.maximum.accumulate(known)]


def score(task: Task, forecasts: dict[str, Forecast]) -> dict[str, dict[str, float]]:
    """Errors and coverage of each forecast, on the targets that all of them can forecast."""
    steps = next(iter(forecasts.values())).steps
    y = task.values[steps_ahead(task, steps)]
    everywhere = [np.isfinite(one.quantiles).all(axis=-1) for one in forecasts.values()]
    valid = np.isfinite(y) & np.logical_and.reduce(everywhere)
    scores = {}
    for name, one in forecasts.items():
        low, middle, high = np.moveaxis(one.quantiles, -1, 0)
        inside = (low <= y) & (y <= high)
        scores[name] = {
            "mae": float(abs(y - middle)[valid].mean()),
            "coverage": float(inside[valid].mean()),
            "width": float((high - low)[valid].mean()),
            "targets": int(valid.sum()),
        }
    return scores


def verdict(scores: dict[str, dict[str, float]], model: str) -> str:
    """Which forecasts have a smaller error than the model, and whether its intervals hold."""
    errors = {name: one["mae"] for name, one in scores.items()}
    better = [f"{name} ({error:.3f})" for name, error in errors.items() if error < errors[model]]
    text = f"The {model} has the smallest mean error, {errors[model]:.3f}."
    if better:
        text = f"The {model} ({errors[model]:.3f}) loses to: {', '.join(better)}."
    promised, found = QUANTILES[-1] - QUANTILES[0], scores[model]["coverage"]
    if abs(found - promised) > 0.05:
        width = "narrow" if found < promised else "wide"
        text += f" Its intervals are too {width}: {found:.0%} are inside, not {promised:.0%}."
    return text
