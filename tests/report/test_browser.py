"""The page in a real browser: it renders, sorts by mouse and keyboard, filters, fits, and complains of nothing."""

import base64
import os
import pathlib

import pytest

from qcompile.report import Reports
from tests.conftest import PackedModel
from tests.report.browser import read_axe, set_width, start_browser
from tests.report.pages import HOSTILE, full_report, rename

WIDTHS = (400, 1280)
PAGES = ("one", "several", "hostile")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    started = start_browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory, browser):
    """The pages by name, as files."""
    folder = tmp_path_factory.mktemp("pages")
    paths = {name: folder / f"{name}.html" for name in PAGES}
    first, other = (_full(folder / name, name) for name in ("conv", "conv.long_name_without_any_place_to_break" * 4))
    hostile = _full(folder / "hostile", HOSTILE)
    for name, result in zip(PAGES, (first, Reports((first, other)), hostile), strict=True):
        paths[name].write_text(result.as_html())
    return paths


def _full(folder, name):
    from tests.conftest import write_float

    folder.mkdir(parents=True)
    model = PackedModel()
    path = write_float(model, folder / "float.onnx")
    return full_report(rename(model, name), path, folder)


def open_page(browser, path, width=1280):
    set_width(browser, width)
    browser.get("about:blank")
    browser.get_log("browser")  # what earlier pages said
    browser.get(path.as_uri())


def shown(browser, column=1):
    script = (
        "return [...document.querySelectorAll('#layers tbody tr')].filter(row => row.checkVisibility())"
        ".map(row => row.cells[arguments[0]].textContent)"
    )
    return browser.execute_script(script, column)


def heads(browser):
    return browser.find_elements("css selector", "#layers thead button")


def head(browser, name):
    return next(button for button in heads(browser) if button.text.startswith(name))


def sorting(browser):
    script = "return [...document.querySelectorAll('#layers thead th')].map(head => head.getAttribute('aria-sort'))"
    return browser.execute_script(script)


@pytest.mark.parametrize("name", PAGES)
def test_it_renders_and_the_console_is_silent(browser, pages, name):
    open_page(browser, pages[name])
    assert browser.find_element("css selector", "h1").is_displayed()
    bars = browser.find_elements("css selector", "svg.drawing rect")
    assert bars
    assert max(bar.size["height"] for bar in bars) > 50
    assert browser.execute_script("return getComputedStyle(document.querySelector('h1')).fontWeight") == "650"
    assert browser.get_log("browser") == []


def test_a_name_runs_no_script(browser, pages):
    open_page(browser, pages["hostile"])
    assert browser.execute_script("return document.images.length") == 0
    assert "<img src=x onerror=alert(1)>" in browser.find_element("css selector", "tbody").text


def test_a_script_that_is_not_ours_does_not_run(browser, pages, tmp_path):
    text = pages["one"].read_text().replace("</main>", "<script>document.title = 'stranger'</script></main>")
    (tmp_path / "changed.html").write_text(text)
    open_page(browser, tmp_path / "changed.html")
    assert browser.title != "stranger"
    assert any("Content Security Policy" in entry["message"] for entry in browser.get_log("browser"))


def test_the_mouse_sorts_and_turns_the_order_around(browser, pages):
    open_page(browser, pages["one"])
    bits = next(place for place, button in enumerate(heads(browser)) if button.text.startswith("Bits"))
    before = sorting(browser)
    head(browser, "Bits").click()
    assert shown(browser, bits) == ["3", "1"]
    assert sorting(browser)[bits] == "descending"
    head(browser, "Bits").click()
    assert shown(browser, bits) == ["1", "3"]
    assert sorting(browser)[bits] == "ascending"
    assert (before.count("ascending"), sorting(browser).count("none")) == (1, len(before) - 1)


def test_the_keyboard_sorts_too(browser, pages):
    from selenium.webdriver import ActionChains, Keys

    open_page(browser, pages["one"])
    browser.find_element("id", "filter").click()
    keys = ActionChains(browser)
    for _ in range(30):
        keys.send_keys(Keys.TAB).perform()
        if browser.switch_to.active_element.text.startswith("Weights"):
            break
    assert browser.switch_to.active_element.text.startswith("Weights")
    keys.send_keys(Keys.ENTER).perform()
    assert shown(browser, 2) == ["750", "108"]
    keys.send_keys(Keys.SPACE).perform()
    assert shown(browser, 2) == ["108", "750"]


def test_what_has_no_value_comes_last_in_both_orders(browser, pages):
    open_page(browser, pages["one"])
    place = next(place for place, button in enumerate(heads(browser)) if button.text.startswith("Sensitivity"))
    for _ in range(2):
        heads(browser)[place].click()
        assert shown(browser, place)[-1] == "\u2013"


def test_the_field_filters_and_says_how_many_are_left(browser, pages):
    open_page(browser, pages["one"])
    field = browser.find_element("id", "filter")
    field.send_keys("matmul fc")
    assert len(shown(browser)) == 1
    assert browser.find_element("id", "shown").text == "1 of 2 layers"
    field.send_keys(" no such thing")
    assert shown(browser) == []
    field.clear()
    field.send_keys(" ")
    assert len(shown(browser)) == 2


def test_a_layers_name_opens_its_details(browser, pages):
    open_page(browser, pages["one"])
    link = browser.find_element("css selector", "#layers tbody a")
    link.click()
    details = browser.find_element("id", link.get_attribute("href").partition("#")[2])
    assert details.get_attribute("open") is not None
    assert details.find_element("css selector", "svg").is_displayed()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_the_page(browser, pages, name, width):
    open_page(browser, pages[name], width)
    browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
    script = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    scrolled, visible = browser.execute_script(script)
    assert width - 20 <= visible  # a scroll bar is in between
    assert scrolled <= visible
    keep_picture(browser, f"{name}-{width}")


def keep_picture(browser, name):
    """Keeps what the browser shows in the folder QCOMPILE_PICTURES, where it is set: for people to look at."""
    if folder := os.environ.get("QCOMPILE_PICTURES"):
        data = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})["data"]
        pathlib.Path(folder, f"{name}.png").write_bytes(base64.b64decode(data))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["one", "several"])
def test_axe_finds_nothing_against_it(browser, pages, name, scheme):
    axe = read_axe()
    open_page(browser, pages[name])
    set_width(browser, 1280, scheme)
    browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})  # by the debugger: the page allows no script
    found = browser.execute_cdp_cmd(
        "Runtime.evaluate",
        {"expression": "axe.run().then(found => JSON.stringify(found.violations))", "awaitPromise": True},
    )
    assert found["result"]["value"] == "[]"
