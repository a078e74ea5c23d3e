"""The forecasts of `forecast.py` with three seeds, and what the docs show of them.

    KERAS_BACKEND=jax python examples/publish_forecast.py   # trains, and writes results and pages
    python examples/publish_forecast.py --pages             # only the tables, from the results
    python examples/publish_forecast.py --check             # fails where these are not up to date

The last two need no backend.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from statistics import mean
from typing import Any

DOCS = Path(__file__).resolve().parents[1] / "docs"
RESULTS = DOCS / "results" / "forecast.json"
PICTURE = DOCS / "assets" / "forecast" / "sunspots.png"
SEEDS = (0, 1, 2)
EPOCHS = 200
SERIES = ("co2", "sunspots")
HEADS = {
    "en": ("{name}, {horizon} steps ahead", "mean error", "in the 80 % interval", "mean width"),
    "ko": ("{name}, {horizon} 스텝 앞", "평균 오차", "80 % 구간 안의 비율", "평균 폭"),
}
NAMES = {
    "en": {"co2": "CO2 (ppm)", "sunspots": "sunspots"},
    "ko": {"co2": "CO2(ppm)", "sunspots": "흑점 수"},
}
FORECASTS = {
    "en": {"model": "**StackedRNN**"},
    "ko": {
        "model": "**StackedRNN**",
        "naive": "단순 예측",
        "seasonal naive": "계절 단순 예측",
        "seasonal naive + trend": "계절 단순 예측 + 추세",
    },
}


def train() -> None:
    """All seeds of both series on this backend; the page's own code draws the other series."""
    import forecast
    from chapter_09_3 import environment

    report: dict[str, Any] = {**environment(), "seeds": SEEDS, "series": {}}
    report["backend"] = forecast.keras.config.backend()
    for series in SERIES:
        task = getattr(forecast, series)()
        runs = []
        for seed in SEEDS:
            picture = PICTURE if (series, seed) == ("sunspots", 0) else None
            runs.append(forecast.run(task, EPOCHS, seed, picture))
        settings = {field: getattr(task, field) for field in ("season", "length", "horizon")}
        report["series"][series] = {**settings, "runs": runs}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def texts() -> dict[Path, str]:
    """The tables, by their file."""
    report = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {
        RESULTS.with_name(f"forecast.{language}.md"): "\n\n".join(
            table(report["series"][series], series, language) for series in SERIES
        )
        + "\n"
        for language in HEADS
    }


def table(series: dict[str, Any], name: str, language: str) -> str:
    """The forecasts of one series, the smallest error first."""
    runs = series["runs"]
    head, *heads = HEADS[language]
    head = head.format(name=NAMES[language][name], horizon=series["horizon"])
    rows = [[head, *heads], ["---"] * 4]
    for forecast in sorted(runs[0], key=lambda one: mean(run[one]["mae"] for run in runs)):
        cells = [
            over_seeds([run[forecast][value] for run in runs], form)
            for value, form in (("mae", ".2f"), ("coverage", ".0%"), ("width", ".2f"))
        ]
        rows.append([FORECASTS[language].get(forecast, forecast), *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def over_seeds(values: list[float], form: str) -> str:
    """The mean, and the lowest and highest where the seeds differ."""
    middle, low, high = (
        f"{value:{form}}".replace("%", " %") for value in (mean(values), min(values), max(values))
    )
    return middle if low == high else f"{middle} ({low} - {high})"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pages", action="store_true", help="only the tables")
    parser.add_argument("--check", action="store_true", help="whether those are up to date")
    options = parser.parse_args(arguments)
    if options.check:
        for path, text in texts().items():
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                sys.exit(f"Run examples/publish_forecast.py --pages: {path.name} differs.")
        return
    if not options.pages:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        train()
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
