"""A headless Chromium for the tests that look at the UI as a person does."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

PAGE_SECONDS = 90.0  # the first page compiles several MB of script; 3 to 10 s here, more beside other work
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1500,1000",
)


@contextlib.contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """A fresh browser with a profile of its own; skips the test where there is none, and fails it under CI=true."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        absent = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        absent("needs chromium and chromedriver on PATH (Debian: chromium, chromium-driver)")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as statistics:
        browser = webdriver.Chrome(_options(program, statistics), Service(driver))
        try:
            yield browser
        finally:
            browser.quit()


def wait_for_text(browser: webdriver.Chrome, text: str) -> None:
    """Return once the page shows the text. Fails the test with what it shows instead."""
    try:
        WebDriverWait(browser, PAGE_SECONDS).until(lambda page: text in _shown(page))
    except TimeoutException:
        pytest.fail(f"within {PAGE_SECONDS:.0f} s the page never showed {text!r}, but:\n{_shown(browser)}")


def screenshot(browser: webdriver.Chrome, path: Path) -> Path:
    """Save what the browser shows as a PNG."""
    path.write_bytes(browser.get_screenshot_as_png())
    return path


def console_errors(browser: webdriver.Chrome) -> list[str]:
    """What the page's script and its loads complained of since the last call."""
    log = browser.get_log("browser")  # type: ignore[no-untyped-call] # selenium left it without types
    return [entry["message"] for entry in log if entry["level"] == "SEVERE"]


def _options(program: str, statistics: str) -> webdriver.ChromeOptions:
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={statistics}"):
        options.add_argument(flag)
    return options


def _shown(browser: webdriver.Chrome) -> str:
    """The visible text; read by script, because React replaces elements while one looks at them."""
    return str(browser.execute_script("return document.body ? document.body.innerText : ''"))
