"""The tables of the forecasts are those of the results, and the tutorial's claims are true."""

import json
import sys
from pathlib import Path
from statistics import mean

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.no_backend


@pytest.fixture
def publish(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    import publish_forecast

    yield publish_forecast
    sys.modules.pop("publish_forecast", None)


def test_a_stale_table_is_told(publish, monkeypatch, tmp_path):
    publish.main(["--check"])
    monkeypatch.setattr(publish, "RESULTS", tmp_path / "forecast.json")
    report = json.loads((ROOT / "docs" / "results" / "forecast.json").read_text("utf-8"))
    report["series"]["co2"]["runs"][0]["model"]["mae"] += 1
    (tmp_path / "forecast.json").write_text(json.dumps(report), "utf-8")
    with pytest.raises(SystemExit, match=r"--pages: forecast\.en\.md differs"):
        publish.main(["--check"])
    publish.main(["--pages"])
    publish.main(["--check"])


def runs_of(publish, series):
    report = json.loads(publish.RESULTS.read_text("utf-8"))
    runs = report["series"][series]["runs"]
    assert len(runs) == len(report["seeds"]) == 3
    return runs


@pytest.mark.parametrize("series", ["co2", "sunspots"])
def test_the_model_has_the_smallest_error_with_every_seed(publish, series):
    for run in runs_of(publish, series):
        errors = {name: scores["mae"] for name, scores in run.items()}
        assert min(errors, key=errors.get) == "model"


def test_on_co2_the_lead_is_small_and_the_intervals_are_too_narrow(publish):
    runs = runs_of(publish, "co2")
    naive = runs[0]["seasonal naive + trend"]["mae"]
    assert mean(run["model"]["mae"] for run in runs) > 0.85 * naive
    for run in runs:
        model = run.pop("model")
        assert model["coverage"] < min(scores["coverage"] for scores in run.values()) < 0.8
        assert model["coverage"] < 0.7
        assert model["width"] < min(scores["width"] for scores in run.values())


def test_on_the_sunspots_the_intervals_of_the_model_come_closest(publish):
    for run in runs_of(publish, "sunspots"):
        model = run.pop("model")
        assert 0.7 < model["coverage"] < 0.9
        assert max(scores["coverage"] for scores in run.values()) < 0.6
