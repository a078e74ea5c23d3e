"""The page to explore by keyboard, by screen reader, on a phone, and in all colours."""

import itertools

import numpy as np
import pytest

from tests.plots.explored import TIME, UNITS, WORDS, same
from tests.plots.test_explore import lstm
from tests.support.pages import contrast

pytestmark = [
    pytest.mark.slow,  # once, in the environment that has Chromium
    pytest.mark.no_backend,
]


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


def test_a_text_from_right_to_left(opened):
    tokens = ["זה", "היה", "סרט", "טוב", "מאוד", "עם", "שחקנים", "נפלאים", "אבל", "ארוך"]
    page = opened(lstm(len(tokens), UNITS), tokens)
    words = page.words()
    assert words[0].location["x"] > words[1].location["x"]
    words[0].click()
    page.press("arrow_left")
    assert page.focused().text == tokens[1]
