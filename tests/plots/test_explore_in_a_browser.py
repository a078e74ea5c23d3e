"""The page to explore, driven in headless Chromium: what a reader sees is what the trace holds."""

import base64
import io

import numpy as np
import pytest

from tests.plots.explored import TIME, UNITS, WORDS, heights, same
from tests.plots.test_explore import BothLike, lstm
from tests.support.pages import number

pytestmark = [
    pytest.mark.slow,  # once, in the environment that has Chromium
    pytest.mark.no_backend,
]


def test_it_runs_without_a_message_and_loads_nothing(opened):
    page = opened(lstm(TIME, UNITS))
    assert page.messages() == []
    loaded = "return performance.getEntriesByType('resource').length"
    assert page.driver.execute_script(loaded) == 0
    assert page.driver.title == "Explore traces"


def test_tokens_are_text(opened):
    page = opened(lstm(TIME, UNITS))
    assert [word.text for word in page.words()] == WORDS
    assert page.all("#words b") == []


def test_pointing_at_a_word_reads_its_gates(opened):
    trace = lstm(TIME, UNITS)
    page = opened(trace)
    unit = page.unit()
    assert unit == trace.hidden[0].std(axis=0).argmax()
    for step in (3, 0, TIME - 1):
        page.point_at(page.words()[step])
        assert WORDS[step] in page.one("#reading-title").text
        assert same(page.readings(), trace, step, unit)
        assert page.one("#expression").text == f"traces.hidden[0, {step}, {unit}]"


def test_a_pointed_word_is_left_and_a_clicked_one_stays(opened):
    trace = lstm(TIME, UNITS)
    page = opened(trace)
    unit = page.unit()
    page.words()[2].click()
    page.point_at(page.words()[5])
    assert same(page.readings(), trace, 5, unit)
    page.point_at(page.one("h1"))
    assert same(page.readings(), trace, 2, unit)


def test_a_unit_and_the_mean_over_time(opened):
    trace = lstm(TIME, UNITS)
    page = opened(trace)
    page.words()[4].click()
    for place, unit in ((3, 2), (1, 0), (0, None)):
        page.all("#units > [role=option]")[place].click()
        page.point_at(page.one("h1"))
        assert page.unit() == unit
        assert same(page.readings(), trace, 4, unit)
        assert ("mean" if unit is None else f"unit {unit}") in page.one("#chart-title").text
        values = trace.hidden[0].astype("float64")
        series = np.abs(values).mean(axis=1) if unit is None else values[:, unit]
        assert heights(page) == pytest.approx(series, abs=0.01)


def test_a_click_on_the_chart_keeps_the_word_below(opened):
    trace = lstm(TIME, UNITS)
    page = opened(trace)
    page.words()[1].click()
    page.point_at(page.one("#chart"))
    page.one("#chart").click()
    page.point_at(page.one("h1"))
    assert same(page.readings(), trace, TIME // 2, page.unit())
    page.words()[1].click()  # which has the focus
    page.point_at(page.one("h1"))
    assert same(page.readings(), trace, 1, page.unit())


def test_the_words_are_coloured_by_their_values(opened):
    trace = lstm(TIME, UNITS)
    page = opened(trace)
    page.choose("cell")
    unit = page.unit()
    values = trace.cell[0, :, unit]
    for word, value in zip(page.words(), values, strict=True):
        assert word.get_attribute("data-tone") == ("negative" if value < 0 else "positive")
    backgrounds = [back for back, _ in page.painted("#words > span")]
    strength = [sum(abs(255 - part) for part in back) for back in backgrounds]
    for sign in (1, -1):
        steps = [step for step in np.argsort(sign * values) if sign * values[step] > 0]
        assert [strength[step] for step in steps] == sorted(strength[step] for step in steps)


def test_attribution_and_influence(opened):
    rng = np.random.default_rng(0)
    scores, influence = rng.normal(size=(2, TIME)), np.tril(rng.uniform(size=(2, TIME, TIME)))
    page = opened(lstm(TIME, UNITS), attribution=scores, influence=influence, sample=1)
    start = int(np.abs(scores[1]).argmax())
    assert page.readings()["attribution"] == pytest.approx(scores[1, start], abs=1e-4)
    assert page.one("#expression").text == f"attribution[1, {start}]"
    page.choose("influence")
    page.words()[6].click()
    for step, word in enumerate(page.words()):
        value = number(word.get_attribute("aria-label").rsplit(" ", 1)[1])
        assert value == pytest.approx(influence[1, 6, step], abs=1e-4)
    page.choose("remains")
    labels = [word.get_attribute("aria-label") for word in page.words()]
    values = [number(label.rsplit(" ", 1)[1]) for label in labels]
    assert values == pytest.approx(influence[1, :, 6], abs=1e-4)


def test_the_scale_fits_a_unit_on_request(opened):
    trace = lstm(TIME, UNITS)
    page = opened(trace)
    page.choose("forget")
    page.one("#fit").click()
    values = trace.forget[0, :, page.unit()]
    ends = [number(page.one(end).text) for end in ("#low", "#high")]
    assert ends == pytest.approx([values.min(), values.max()], abs=0.006)


def test_units_are_sorted_by_how_much_they_change(opened):
    trace = lstm(TIME, 9)
    page = opened(trace)
    page.one("#order option[value=variation]").click()
    units = [option.text for option in page.all("#units > *")]
    changes = trace.hidden[0].astype("float64").std(axis=0)
    assert units == ["mean", *map(str, np.argsort(-changes))]


def test_layers_and_samples_are_chosen(opened):
    trace = BothLike(lstm(TIME, UNITS), lstm(TIME, 2))
    trace.backward.hidden[:] *= -0.5
    page = opened(trace, [WORDS, WORDS[::-1]], sample=[0, 1])
    from selenium.webdriver.support.ui import Select

    Select(page.one("#layer")).select_by_visible_text("backward")
    Select(page.one("#sample")).select_by_visible_text("1")
    page.words()[3].click()
    assert page.words()[0].text == WORDS[-1]
    assert len(page.all("#units > *")) == 3
    assert same(page.readings(), trace.backward, 3, page.unit(), sample=1)
    assert page.one("#expression").text.startswith("traces.backward.hidden[1, 3, ")


def test_the_screenshot_is_not_blank(opened):
    from matplotlib.image import imread

    page = opened(lstm(TIME, UNITS))
    picture = imread(io.BytesIO(base64.b64decode(page.driver.get_screenshot_as_base64())))
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 50
