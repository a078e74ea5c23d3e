"""The page to explore, driven in headless Chromium: what a reader sees is what the trace holds."""

import base64
import io
import itertools

import keras
import numpy as np
import pytest

from keras_rnnkit import plots
from tests.plots.test_explore import BothLike, lstm
from tests.support.chromium import start_chromium
from tests.support.pages import Page, contrast, number

pytestmark = [
    pytest.mark.slow,  # once, in the environment that has Chromium
    pytest.mark.skipif(keras.config.backend() != "torch", reason="the page has no backend"),
]

WORDS = ["the", "story", "is", "<b>slow</b>", "but", "the", "actors", "are", "&", "fine", "😀"]
TIME, UNITS = len(WORDS), 4


@pytest.fixture(scope="module")
def driver():
    driver = start_chromium()
    yield driver
    driver.quit()


def expected(trace, step, unit, sample=0):
    """What the page shows there, from the trace."""
    shown = {}
    for name, values in trace._asdict().items():
        if name == "mask":
            continue
        row = values[sample, step].astype("float64")
        if unit is not None:
            shown[name] = row[unit]
        else:
            shown[name] = np.abs(row).mean() if (values < 0).any() else row.mean()
    return shown


def same(readings, trace, step, unit, sample=0):
    """Four decimals are shown; the stored values are closer than that."""
    values = expected(trace, step, unit, sample)
    return {name: readings[name] for name in values} == pytest.approx(values, abs=1.3e-4)


@pytest.fixture
def opened(driver, tmp_path):
    def open_page(trace, tokens=WORDS, **options):
        return Page(driver, plots.explore(trace, tokens, tmp_path / "page.html", **options))

    return open_page


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


def heights(page):
    """The values of the line of the chart, read from its points and the grid."""
    points = page.one("#chart .line").get_attribute("d").replace("M", "L").split("L")[1:]
    ys = np.array([float(point.split()[1]) for point in points])
    ticks = [
        (float(line.get_attribute("y1")), number(text.text))
        for line, text in zip(
            page.all("#chart .grid, #chart .zero"),
            page.all("#chart .tick[text-anchor=end]"),
            strict=True,
        )
    ]
    (y0, value0), (y1, value1) = ticks[0], ticks[-1]
    return value0 + (ys - y0) * (value1 - value0) / (y1 - y0)


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


def test_the_arrow_keys_move_between_words_and_units(opened):
    trace = lstm(TIME, UNITS)
    page = opened(trace)
    page.words()[0].click()
    page.press("arrow_right", "arrow_right")
    assert page.focused().text == WORDS[2]
    assert same(page.readings(), trace, 2, page.unit())
    page.press("end", "arrow_right", "arrow_left")
    assert page.focused().text == WORDS[-2]
    page.press("home")
    assert page.focused().text == WORDS[0]
    page.all("#units > [role=option]")[1].click()
    page.press("arrow_right")
    assert page.unit() == 1
    assert same(page.readings(), trace, 0, 1)


def test_the_arrow_keys_move_between_lines(opened):
    tokens = [f"word{step}" for step in range(120)]
    page = opened(lstm(120, UNITS), tokens)
    page.words()[3].click()
    place = page.focused().rect
    page.press("arrow_down")
    below = page.focused().rect
    assert below["y"] > place["y"]
    assert abs(below["x"] - place["x"]) < place["width"]
    page.press("arrow_up")
    assert page.focused().rect["y"] == place["y"]


def test_the_tab_key_goes_through_the_parts_with_a_visible_focus(opened):
    page = opened({"first": lstm(TIME, UNITS), "second": lstm(TIME, UNITS)})
    seen = []
    for _ in range(6):
        page.press("tab")
        seen.append(page.focused())
        outline = "return getComputedStyle(arguments[0]).outlineStyle"
        assert page.driver.execute_script(outline, page.focused()) == "solid"
    named = [one.get_attribute("id") or one.get_attribute("role") or one.tag_name for one in seen]
    assert named == ["layer", "option", "fit", "input", "order", "option"]


def test_what_a_screen_reader_says(opened):
    page = opened(lstm(TIME, UNITS))
    for role in ("listbox", "radiogroup"):
        for part in page.all(f"[role={role}]"):
            assert part.accessible_name
    for part in ("#words", "#units"):
        options = page.all(f"{part} > *")
        assert {option.aria_role for option in options} == {"option"}
        assert [option.get_attribute("aria-selected") for option in options].count("true") == 1
        assert [option.get_attribute("tabindex") for option in options].count("0") == 1
    assert page.words()[0].accessible_name.startswith("the, step 0, hidden ")
    assert page.one("#chart").accessible_name.startswith("hidden, unit ")
    assert page.one("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("dark", [False, True])
def test_words_are_readable_on_every_colour(opened, dark):
    page = opened(lstm(TIME, UNITS), influence=np.tril(np.ones((TIME, TIME))))
    page.look(dark=dark, width=1280)
    for view in ("hidden", "influence"):
        page.choose(view)
        colours = page.painted("#words > span, #ramp > i, .value, #units > span")
        assert min(itertools.starmap(contrast, colours)) >= 4.5
    texts = page.painted("label, small, h1, h2, #expression, footer p")
    (card, _) = page.painted("section")[0]
    (back, _) = page.painted("body")[0]
    assert min(contrast(color, behind) for _, color in texts for behind in (card, back)) >= 4.5
    assert (sum(card) < 200) == dark


def test_a_phone_needs_no_scrolling_to_the_side(opened):
    tokens = ["incomprehensibilities" * 4, *WORDS[1:]]
    page = opened({"a_long_name_of_a_layer": lstm(TIME, 130), "b": lstm(TIME, 130)}, tokens)
    for width in (390, 320):
        page.look(dark=False, width=width, height=844)
        wide = "return [document.documentElement.scrollWidth, window.innerWidth]"
        content, window = page.driver.execute_script(wide)
        assert content <= window == width
    page.point_at(page.words()[2])
    assert page.one("#reading-title").is_displayed()


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


def test_a_text_from_right_to_left(opened):
    tokens = ["זה", "היה", "סרט", "טוב", "מאוד", "עם", "שחקנים", "נפלאים", "אבל", "ארוך"]
    page = opened(lstm(len(tokens), UNITS), tokens)
    words = page.words()
    assert words[0].location["x"] > words[1].location["x"]
    words[0].click()
    page.press("arrow_left")
    assert page.focused().text == tokens[1]


def test_the_screenshot_is_not_blank(opened):
    from matplotlib.image import imread

    page = opened(lstm(TIME, UNITS))
    picture = imread(io.BytesIO(base64.b64decode(page.driver.get_screenshot_as_base64())))
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 50
