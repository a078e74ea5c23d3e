"""The page to explore, opened in headless Chromium."""

import pytest

from keras_rnnkit import plots
from tests.plots.explored import WORDS
from tests.support.chromium import start_chromium
from tests.support.pages import Page


@pytest.fixture(scope="module")
def driver():
    driver = start_chromium()
    yield driver
    driver.quit()


@pytest.fixture
def opened(driver, tmp_path):
    def open_page(trace, tokens=WORDS, **options):
        return Page(driver, plots.explore(trace, tokens, tmp_path / "page.html", **options))

    return open_page
