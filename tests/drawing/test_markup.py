import hashlib
from base64 import b64encode
from html.parser import HTMLParser

import pytest

from qcompile.drawing import document, element, joined, shown_name, unescaped

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u202egnp\x1b[31m\x00"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


def test_text_and_attributes_are_escaped():
    page = Page(element("p", {"title": HOSTILE}, HOSTILE).text)
    shown = HOSTILE.replace("\u202e", "?").replace("\x1b", "?").replace("\x00", "?")
    assert page.found == [("p", {"title": shown})]
    assert page.texts == [shown]


def test_elements_nest_and_strings_between_them_are_escaped():
    assert element("p", {}, "a < b ", element("b", {}, "&")).text == "<p>a &lt; b <b>&amp;</b></p>"
    assert joined(["<", unescaped("<br>")]).text == "&lt;<br>"


def test_an_element_without_content_has_no_end():
    assert element("meta", {"charset": "utf-8"}).text == '<meta charset="utf-8">'


def test_floats_are_short():
    assert element("a", {"x": 1.0, "y": 1 / 3, "z": 7}).text == '<a x="1" y="0.33" z="7"></a>'


def test_a_long_name_keeps_its_beginning_and_what_tells_it_apart():
    names = ["x" * 500 + end for end in "ab"]
    shown = [shown_name(name) for name in names]
    assert shown[0] != shown[1]
    assert all(len(name) <= 200 and name.startswith("xxx") for name in shown)
    assert shown_name("conv1") == "conv1"


@pytest.mark.parametrize("script", ["", "let a = 1 < 2;"])
def test_a_page_may_load_nothing_and_run_only_its_own(script):
    style = "p { color: red; }"
    page = Page(document(HOSTILE, style, [element("p", {}, "x")], script))
    (policy,) = (found["content"] for tag, found in page.found if tag == "meta" and "http-equiv" in found)
    assert policy.startswith("default-src 'none'; ")
    for text, kind in ((style, "style-src"), (script, "script-src")):
        digest = f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" if text else "'none'"
        assert f"{kind} {digest}" in policy
    assert [tag for tag, _ in page.found].count("script") == bool(script)
    assert style in page.texts
