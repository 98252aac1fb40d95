"""A browser without a window that runs the pages of the tests."""

import importlib.util
import os
import pathlib
import shutil

import pytest

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)


def start_browser(folder):
    """A driver of Chromium with an empty profile in ``folder``; skips, with the reason, where there is none."""
    browser, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if browser is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed: no page is looked at")
    if importlib.util.find_spec("selenium") is None:
        pytest.skip("selenium is not installed: no page is looked at")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    started.set_page_load_timeout(60)
    return started


def read_axe():
    """The script of axe-core, which judges accessibility; skips where QCOMPILE_AXE does not name it."""
    path = os.environ.get("QCOMPILE_AXE")
    if path is None:
        pytest.skip("QCOMPILE_AXE is not set: it names axe.min.js of the npm package axe-core")
    return pathlib.Path(path).read_text()


def set_width(browser, width, scheme="light"):
    """Shows the page ``width`` pixels wide, also where a window cannot be as narrow, in a light or dark ``scheme``."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
