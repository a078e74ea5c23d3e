"""Forecast a time series with intervals, beside the naive forecasts.

Without arguments, it forecasts two series of the package `statsmodels`: the weekly CO2 of Mauna
Loa, with its gaps, and the yearly sunspots. With `--data`, it forecasts a column of a CSV file. It
trains a stack of recurrent layers with a quantile loss, prints its errors and the coverage of its
intervals on the last part of the series beside those of the naive forecasts, and draws these
forecasts and those of the steps after the end of the series.

    python examples/forecast.py
    python examples/forecast.py --data visits.csv --column visits --season 7 --horizon 14
"""

import argparse
from pathlib import Path
from typing import Any

from installed_backend import use_installed_backend

use_installed_backend()

import keras  # noqa: E402
import numpy as np  # noqa: E402
from _csv_series import read_column  # noqa: E402
from _forecasts import (  # noqa: E402
    QUANTILES,
    Forecast,
    Task,
    changes,
    naive_forecasts,
    score,
    steps_ahead,
    verdict,
)

import keras_rnnkit as kit  # noqa: E402


def co2() -> Task:
    """The weekly CO2 of Mauna Loa, 1958 to 2001, in ppm; 59 weeks are missing."""
    from statsmodels.datasets import co2

    frame = co2.load_pandas().data
    times = frame.index.to_numpy().astype("datetime64[s]")
    return Task("CO2 of Mauna Loa (ppm)", times, frame["co2"].to_numpy(), 52, True, 52, 26)


def sunspots() -> Task:
    """The yearly number of sunspots, 1700 to 2008; a cycle has about 11 years."""
    from statsmodels.datasets import sunspots

    frame = sunspots.load_pandas().data
    values = frame["SUNACTIVITY"].to_numpy()
    return Task("Sunspots", frame["YEAR"].to_numpy(), values, 11, False, 33, 8)


def build_model(task: Task) -> keras.Model:
    """A stack that skips missing steps, and the quantiles of each step ahead."""
    model = keras.Sequential(
        [
            keras.Input((task.length, 2)),  # the value, and whether there is one
            keras.layers.Masking(),
            kit.StackedRNN([16, 16], cell="gru", dropout=0.2),
            keras.layers.Dense(task.horizon * len(QUANTILES)),
            keras.layers.Reshape((task.horizon, len(QUANTILES))),
        ]
    )
    model.compile(keras.optimizers.Adam(3e-3), pinball)
    return model


def pinball(y: Any, predicted: Any) -> Any:
    """The quantile loss, `(batch, horizon)`, of targets `(batch, horizon, 1)`."""
    error = y - predicted
    quantiles = keras.ops.cast(keras.ops.array(QUANTILES), error.dtype)
    return keras.ops.mean(keras.ops.maximum(quantiles * error, (quantiles - 1) * error), axis=-1)


def windows_of(task: Task, seed: int) -> kit.data.Windows:
    """The windows of a task; the sample weight of a missing target is 0."""
    options = {"targets": [0], "indicators": True, "seed": seed}
    return kit.data.windows(changes(task), task.length, task.horizon, **options)


def train(task: Task, data: kit.data.Windows, epochs: int, seed: int) -> keras.Model:
    """The model with the lowest validation loss."""
    keras.utils.set_random_seed(seed)
    model = build_model(task)
    model.fit(
        data.train,
        validation_data=data.validation,
        epochs=epochs,
        callbacks=[
            keras.callbacks.EarlyStopping(patience=12, restore_best_weights=True),
            *kit.callbacks.progress(),
        ],
    )
    return model


def forecast(task: Task, data: kit.data.Windows, model: keras.Model, part: Any) -> Forecast:
    """The forecasts of a model for one part, in the units of the series."""
    steps = first_steps(task, part)
    return Forecast(steps, in_units(task, data, model.predict(part, verbose=0), steps))


def first_steps(task: Task, part: Any) -> np.ndarray:
    """The first step to forecast of each window, counted from the start of the series."""
    return part.positions[:, 1] + len(task.values) - len(changes(task))


def future(task: Task, data: kit.data.Windows, model: keras.Model) -> Forecast:
    """The forecasts of the steps after the end of the series."""
    x = data.scaler.inputs(changes(task)[-task.length :])
    steps = np.array([len(task.values)])
    return Forecast(steps, in_units(task, data, model.predict(x, verbose=0), steps))


def in_units(task: Task, data: kit.data.Windows, outputs: Any, steps: np.ndarray) -> np.ndarray:
    """Outputs as quantiles in the units of the series."""
    quantiles = np.sort(data.scaler.undo(outputs), axis=-1)  # a low one is never above a high one
    if not task.difference:
        return quantiles
    return quantiles + task.values[steps_ahead(task, steps) - task.season][..., np.newaxis]


def print_scores(task: Task, scores: dict[str, dict[str, float]]) -> None:
    """A table, and who wins."""
    share = QUANTILES[-1] - QUANTILES[0]
    print(f"\n{'forecast':<24}{'mean error':>12}{f'in {share:.0%} interval':>18}{'width':>9}")
    for name, one in scores.items():
        print(f"{name:<24}{one['mae']:12.3f}{one['coverage']:18.0%}{one['width']:9.2f}")
    print(f"\n{verdict(scores, 'model')}")


def draw(task: Task, tested: Forecast, ahead: Forecast, path: Path) -> None:
    """The series, the forecasts of every `horizon` steps of the test part, and the future."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(10, 4), layout="constrained")
    start = max(0, tested.steps[0] - 2 * task.horizon)
    axes.plot(task.times[start:], task.values[start:], color="0.2", lw=1, label="observed")
    step = task.times[-1] - task.times[-2]
    times = np.concatenate([task.times, task.times[-1] + step * np.arange(1, task.horizon + 1)])
    first = (len(tested.steps) - 1) % task.horizon  # so that the last one ends with the series
    rows = range(first, len(tested.steps), task.horizon)
    shown = [("C0", "forecast" if row == first else None, tested, row) for row in rows]
    for color, name, found, row in [*shown, ("C1", "the next steps", ahead, 0)]:
        t = times[found.steps[row] : found.steps[row] + task.horizon]
        low, middle, high = found.quantiles[row].T
        axes.plot(t, middle, color=color, lw=1.5, label=name)
        axes.fill_between(t, low, high, color=color, alpha=0.3, lw=0)
    axes.set(title=f"{task.name}: forecasts {task.horizon} steps ahead, with 80 % intervals")
    axes.legend(loc="upper left", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def run(task: Task, epochs: int, seed: int = 0, picture: Path | None = None) -> dict[str, Any]:
    """Trains, forecasts, scores and draws."""
    data = windows_of(task, seed)
    counts = [len(part.positions) for part in data[:3]]
    print(f"\n{task.name}: {len(task.values)} steps, {np.isnan(task.values).sum()} missing;")
    print(f"{counts[0]} windows to train, {counts[1]} to validate, {counts[2]} to test.")
    model = train(task, data, epochs, seed)
    tested = forecast(task, data, model, data.test)
    naive = naive_forecasts(task, first_steps(task, data.train), tested.steps)
    scores = score(task, {"model": tested, **naive})
    print_scores(task, scores)
    if picture is not None:
        draw(task, tested, future(task, data, model), picture)
        print(f"Written: {picture}")
    return scores


def task_of(options: argparse.Namespace) -> Task:
    """The task of a CSV file."""
    name, times, values = read_column(options.data, options.column, options.time)
    season = options.season or 1
    horizon = options.horizon or max(season, 8)
    if options.difference and not horizon <= season:
        raise SystemExit(f"--difference needs --season of at least --horizon {horizon}.")
    length = options.length or max(2 * season, 32)
    return Task(name, times, values, season, options.difference, length, horizon)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, help="a CSV file; two series of statsmodels if not given"
    )
    parser.add_argument("--column", help="the column to forecast, if there are several")
    parser.add_argument("--time", help='the column of the times; the first, or "" for none')
    parser.add_argument("--season", type=int, help="steps of a season, such as 12 for months")
    parser.add_argument("--difference", action="store_true", help="forecast changes over a season")
    parser.add_argument("--length", type=int, help="steps that the model reads")
    parser.add_argument("--horizon", type=int, help="steps to forecast")
    parser.add_argument("--epochs", type=int, default=200, help="at most; it stops earlier")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("forecast_out"))
    options = parser.parse_args(arguments)
    print(f"Forecasting on {keras.config.backend()}.")
    tasks = {"co2": co2, "sunspots": sunspots}
    if options.data is not None:
        tasks = {"forecast": lambda: task_of(options)}
    for file, make in tasks.items():
        try:
            run(make(), options.epochs, options.seed, options.out / f"{file}.png")
        except ValueError as error:  # a series that is too short for the settings
            raise SystemExit(f"The series cannot be forecast: {error}") from error


if __name__ == "__main__":
    main()
