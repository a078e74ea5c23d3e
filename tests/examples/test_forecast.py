"""`examples/forecast.py`: from a CSV file to a picture, and what it says of the naive forecasts."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("forecast", "_forecasts", "_csv_series", "installed_backend")
NAN = float("nan")


@pytest.fixture(autouse=True)
def _examples_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def example():
    import forecast

    return forecast


@pytest.fixture
def forecasts():
    import _forecasts

    return _forecasts


def task(forecasts, values, **settings):
    defaults = {"season": 4, "difference": False, "length": 4, "horizon": 3}
    return forecasts.Task("a", np.arange(len(values)), values, **{**defaults, **settings})


def written(path, values, head="month,sold,returned"):
    months = np.datetime64("2011-01") + np.arange(len(values))
    cells = ["" if np.isnan(value) else f"{value:.2f}" for value in values]
    rows = [f"{month},{cell},7" for month, cell in zip(months, cells, strict=True)]
    path.write_text("\n".join([head, *rows, ""]), encoding="utf-8")
    return path


def test_a_csv_file_becomes_a_table_and_a_picture(example, tmp_path, capsys):
    steps = np.arange(150)
    values = 50 + 0.2 * steps + 8 * np.sin(steps * np.pi / 6)
    values[[30, 31, 80, 140]] = NAN
    path = written(tmp_path / "sales.csv", values)
    settings = "--column sold --season 12 --difference --length 12 --horizon 6 --epochs 10"
    example.main(["--data", str(path), *settings.split(), "--out", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    assert "sold: 150 steps, 4 missing;" in printed
    assert "epoch 10/10" in printed
    table = printed.split("width\n")[1].split("\n\n")[0].splitlines()
    assert [line[:24].strip() for line in table] == [
        "model", "naive", "seasonal naive", "seasonal naive + trend",
    ]  # fmt: skip
    assert "The model" in printed
    assert (tmp_path / "out" / "forecast.png").stat().st_size > 10_000


def test_a_series_that_is_too_short_is_told(example, tmp_path):
    path = written(tmp_path / "short.csv", np.arange(20.0))
    with pytest.raises(SystemExit, match="cannot be forecast: `series` is too short: its training"):
        example.main(["--data", str(path), "--column", "sold", "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="--difference needs --season of at least --horizon 8"):
        example.main(["--data", str(path), "--column", "sold", "--season", "4", "--difference"])


@pytest.mark.no_backend
def test_the_series_of_statsmodels_are_there(example):
    co2, sunspots = example.co2(), example.sunspots()
    assert (len(co2.values), int(np.isnan(co2.values).sum())) == (2284, 59)
    assert (len(sunspots.values), sunspots.times[0]) == (309, 1700)
    for one in (co2, sunspots):
        example.windows_of(one, 0)  # long enough


@pytest.mark.no_backend
def test_the_loss_is_least_at_the_quantile(example):
    rng = np.random.default_rng(0)
    y = rng.exponential(size=(5000, 1, 1)).astype("float32")
    losses = []
    for shift in (-0.05, 0.0, 0.05):
        predicted = np.quantile(y, example.QUANTILES).astype("float32") + np.float32(shift)
        tensors = map(keras.ops.array, (y, np.broadcast_to(predicted, (5000, 1, 3)).copy()))
        loss = keras.ops.convert_to_numpy(example.pinball(*tensors))
        assert loss.shape == (5000, 1)
        losses.append(loss.mean())
    assert losses[1] < min(losses[0], losses[2])


@pytest.mark.no_backend
def test_naive_forecasts_are_those_of_a_plain_loop(forecasts):
    rng = np.random.default_rng(0)
    values = rng.normal(size=40)
    values[[11, 12, 19, 30]] = NAN
    one = task(forecasts, values, difference=True, horizon=4)
    training, test = np.arange(8, 24), np.arange(24, 37)
    found = forecasts.naive_forecasts(one, training, test)
    assert list(found) == ["naive", "seasonal naive", "seasonal naive + trend"]
    for row, step in enumerate(test):
        past = values[:step]
        known = past[np.isfinite(past)]
        change = past[4:] - past[:-4]
        for ahead in range(4):
            expected = known[-1], values[step + ahead - 4]
            expected += (expected[1] + change[np.isfinite(change)][-1],)
            middle = [forecast.quantiles[row, ahead, 1] for forecast in found.values()]
            np.testing.assert_allclose(middle, expected)
    errors = [values[step : step + 4] - values[step - 4 : step] for step in training]
    spread = np.nanquantile(errors, (0.1, 0.9), axis=0).T
    quantiles = found["seasonal naive"].quantiles
    np.testing.assert_allclose(quantiles[3][:, [0, 2]] - quantiles[3][:, [1]], spread)


@pytest.mark.no_backend
def test_beyond_a_season_the_last_one_is_repeated(forecasts):
    one = task(forecasts, np.arange(30.0), season=2, horizon=5)
    found = forecasts.point_forecast("seasonal naive", one, np.array([10]))
    assert found.tolist() == [[8, 9, 8, 9, 8]]


@pytest.mark.no_backend
def test_scores_count_the_targets_that_all_can_forecast(forecasts):
    values = np.array([0, 0, 0, 0, 1, NAN, 3, 4.0])
    one = task(forecasts, values, horizon=2)
    steps = np.array([4, 6])
    exact = np.array([[[0, 1, 2], [1, 2, 3]], [[3, 4, 5], [3, 3, 3]]], float)
    gaps = np.full((2, 2, 3), 9.0)
    gaps[1, 1] = NAN
    scores = forecasts.score(
        one, {"model": forecasts.Forecast(steps, exact), "naive": forecasts.Forecast(steps, gaps)}
    )
    assert scores["model"] == {"mae": 0.5, "coverage": 1.0, "width": 2.0, "targets": 2}
    assert scores["naive"] == {"mae": 7.0, "coverage": 0.0, "width": 0.0, "targets": 2}
    assert forecasts.verdict(scores, "model") == (
        "The model has the smallest mean error, 0.500. "
        "Its intervals are too wide: 100% are inside, not 80%."
    )
    assert forecasts.verdict(scores, "naive") == (
        "The naive (7.000) loses to: model (0.500). "
        "Its intervals are too narrow: 0% are inside, not 80%."
    )
    scores["model"]["coverage"] = 0.78
    assert forecasts.verdict(scores, "model").endswith("0.500.")


@pytest.mark.no_backend
def test_columns_times_and_gaps_of_a_csv_file(tmp_path):
    from _csv_series import read_column

    path = written(tmp_path / "sales.csv", np.array([1, NAN, 3.5]))
    name, times, values = read_column(path, "sold")
    assert name == "sold"
    assert times.tolist() == [np.datetime64(f"2011-0{i}-01T00:00:00").item() for i in (1, 2, 3)]
    np.testing.assert_array_equal(values, [1, NAN, 3.5])
    path.write_bytes(b"\xef\xbb\xbfvalue\r\n1\r\nNA\r\n\r\n-3e2\r\n\r\n")
    name, times, values = read_column(path)
    assert (name, times.tolist()) == ("value", [0, 1, 2, 3])
    np.testing.assert_array_equal(values, [1, NAN, NAN, -300])
    path.write_text("t,n\n1,1\n\n2,2\n")
    assert read_column(path).values.tolist() == [1, 2]
    path.write_text("date,co2\n19580329,316\n19580405,\n19580412,318\n")
    assert read_column(path).times[1] == np.datetime64("1958-04-05")
    path.write_text("year,n\n1700,1\n1701,2\n")
    assert read_column(path).times.tolist() == [1700, 1701]
    assert read_column(path, "n", "").times.tolist() == [0, 1]
    path.write_text('"a, b"\n"1"\n2\n')
    assert read_column(path).name == "a, b"


@pytest.mark.no_backend
@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        (b"", None, ": the first line must name the columns"),
        (b"a,b\n", None, ": the first line must name the columns"),
        (b"t,a,b\n1,2,3\n2,3,4\n", None, "name the column to forecast: --column 'a'"),
        (b"t,a\n1,2\n2,3\n", "c", ":1: there is no column 'c'. There are: ..t., .a.."),
        (b"t,a\n1,2\n2,x\n", None, ":3: expected a number or an empty cell, found 'x'"),
        (b"t,a\n1,inf\n2,1\n", None, ":2: expected a number or an empty cell, found 'inf'"),
        (b"t,a\n1,2\n2\n", None, ":3: 1 cells, but 2 columns"),
        (b't,a\n1,"2\n3"\n2,1\n', None, ":3: expected a number or an empty cell"),
        (b't,a\n1,"2\n', None, ":2: this is not CSV"),
        (b"t,a\n1,2\n2,\xff\n", None, ":3: the text must be UTF-8"),
        (b"t,a\n2020-01-01,2\nsoon,3\n", None, ":3: expected a date such as .* found 'soon'"),
        (b"t,a\n1,2\nsoon,3\n", None, ":3: expected a number, found 'soon'"),
        (b"t,a\n1,2\n2,3\n4,3\n5,3\n", None, ":4: '4' comes after '2'. .* row with an empty"),
        (b"t,a\n1,2\n2,3\n2,3\n3,3\n", None, ":4: '2' comes after '2'. .* in the order of time"),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_told_with_its_line(tmp_path, content, column, message):
    from _csv_series import read_column

    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(SystemExit, match=rf"bad\.csv.*{message}"):
        read_column(path, column)


@pytest.mark.no_backend
def test_a_file_that_is_not_there(tmp_path):
    from _csv_series import read_column

    with pytest.raises(SystemExit, match=r"none\.csv: the file cannot be read: No such file"):
        read_column(tmp_path / "none.csv")
