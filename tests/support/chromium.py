"""Headless Chromium, for the tests that open a page. They need Debian's packages of it.

With KERAS_RNNKIT_INSTALL_CHROMIUM=1 (tox sets it) missing ones are installed with
apt-get, where the user may do that. Selenium downloads nothing: it gets the path of the driver.
"""

import functools
import os
import shutil
import subprocess

import pytest

PACKAGES = ("chromium", "chromium-driver")
# The names of the two programs: of Debian's packages first, then of others.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DRIVERS = ("chromedriver", "chromium.chromedriver")
OPTIONS = (
    "--headless=new",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-sandbox",  # the tests may run as root, and open their own pages alone
    "--window-size=1280,900",
)


def start_chromium():
    """A driver of a new headless Chromium; the test is skipped, with the reason, without one."""
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="selenium is missing: it is in the extra `test`"
    )
    browser, driver, reason = programs()
    if reason:
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for option in OPTIONS:
        options.add_argument(option)
    service = webdriver.ChromeService(executable_path=driver)
    return webdriver.Chrome(options=options, service=service)


@functools.cache
def programs():
    """The paths of Chromium and of its driver, and why a test that needs them cannot run."""
    browser, driver = find(BROWSERS), find(DRIVERS)
    tried = ""
    if not (browser and driver) and os.environ.get("KERAS_RNNKIT_INSTALL_CHROMIUM") == "1":
        tried = install()
        browser, driver = find(BROWSERS), find(DRIVERS)
    missing = [name for name, path in zip(PACKAGES, (browser, driver), strict=True) if path is None]
    reason = f"Debian's packages are missing: {' and '.join(missing)}{tried}" if missing else ""
    return browser, driver, reason


def find(names):
    return next(filter(None, map(shutil.which, names)), None)


def install():
    """Install the packages; returns what to add to the reason when that fails."""
    commands = (
        ("apt-get", "update", "--quiet"),
        ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *PACKAGES),
    )
    if shutil.which("apt-get") is None:
        return "; there is no apt-get to install them with"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in commands:
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
        if result.returncode:
            return f"; `{' '.join(command)}` failed: {result.stderr.strip()[-200:]}"
    return ""
