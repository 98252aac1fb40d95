from dataclasses import asdict
from html.parser import HTMLParser

import pytest

from qcompile.frontend.lc_state import IterationRecord, LayerRecord
from qcompile.frontend.monitor_page import draw_monitors


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.texts.append(data)


def make_records(count, names=("conv", "fc"), entries=2):
    codebook = tuple(float(entry) for entry in range(entries))
    layers = {name: LayerRecord(0.5, 0.1, 1, codebook, codebook, codebook) for name in names}
    layers |= {names[0]: LayerRecord(0.5, 0.1, 1, codebook)}
    return [
        asdict(IterationRecord(k, 0.1 * 2**k, 0.5, 1.0 / (k + 1), 0.1, 0.01, layers=layers))
        | {"stage": "learning", "decoded": {"train_loss": 2.0, "test_error_percent": 3.0}}
        for k in range(count)
    ]


def test_every_figure_has_its_chart():
    page = Page(draw_monitors("run", make_records(3)))
    assert page.tags.count("figure") == 4 + 2
    for text in ("Loss", "Distance ||w - decode|| / ||w||", "Share of indices changed", "loss of the decoded weights"):
        assert text in page.texts
    assert "conv: codebook, 1 bits" in page.texts
    assert "fc: mean of the codebooks, 1 bits" in page.texts
    assert page.tags.count("polyline") == 2 + 3 + 3 + 2 + 2 + 2


def test_it_stands_alone():
    page = Page(draw_monitors("run", make_records(3)))
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not {"href", "src"} & {name for name, _ in page.attributes}


def test_names_and_advice_are_escaped():
    nasty = "<script>x</script>"
    page = Page(draw_monitors(nasty, make_records(2, (nasty,)), [nasty]))
    assert "script" not in page.tags
    assert page.texts.count(nasty) >= 3


def test_of_a_large_codebook_sixteen_entries_are_drawn():
    page = Page(draw_monitors("run", make_records(2, ("fc",), entries=256)))
    assert "fc: codebook, 1 bits, 16 of 256 entries" in page.texts
    drawn = [text for text in page.texts if text.startswith("entry ")]
    assert len(drawn) == 16
    assert (drawn[0], drawn[-1]) == ("entry 0", "entry 255")


@pytest.mark.parametrize("count", [0, 1])
def test_a_run_that_has_just_begun(count):
    assert Page(draw_monitors("run", make_records(count))).tags.count("figure") == (4 + 2 if count else 4)


def test_lines_of_an_older_version_are_drawn_as_far_as_they_go():
    old = [{"stage": "learning", "iteration": k, "penalty": 0.1, "distance": 0.5, "loss": None} for k in range(2)]
    page = Page(draw_monitors("run", [*old, *make_records(3)[2:]]))
    assert page.tags.count("figure") == 6
    assert Page(draw_monitors("run", old)).tags.count("figure") == 4
