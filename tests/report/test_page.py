import dataclasses

import pytest

from qcompile.report import Reports, report_file
from tests.report.pages import HOSTILE, Page, full_report, rename


@pytest.fixture
def full(packed_model, float_path, tmp_path):
    return full_report(packed_model, float_path, tmp_path)


def test_the_page_stands_alone(full):
    for page in (Page(full.as_html()), Page(Reports((full, full)).as_html())):
        assert not {"link", "img", "iframe", "object", "base", "form"} & set(page.tags)
        assert not [
            name for _, name, _ in page.attributes if name in ("src", "srcset", "style") or name.startswith("on")
        ]
        assert all(value.startswith("#") for _, name, value in page.attributes if name == "href")
        (policy,) = (
            value for tag, name, value in page.attributes if (tag, name) == ("meta", "content") and "src" in value
        )
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy


def test_every_picture_has_a_text_alternative(full):
    page = Page(full.as_html())
    drawings = page.attributes.count(("svg", "role", "img"))
    assert drawings == page.tags.count("desc") > 8
    assert [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-hidden"]
    hidden = page.attributes.count(("svg", "aria-hidden", "true"))
    assert drawings + hidden == page.tags.count("svg")


def test_the_key_figures_are_those_of_the_report(full):
    figures = Page(full.as_html()).key_figures
    assert figures["Bits a weight"][0] == f"{full.bits_per_weight:.2f}"
    assert figures["File"][1].startswith(f"{full.file_bytes:,} bytes")
    assert figures["Smaller than float"][0] == f"{full.file_ratio:.2f}\u00d7"
    assert f"rho by the formula {full.compression_ratio:.2f}" in figures["Smaller than float"][1]
    assert figures["Accuracy"] == ["97.50 %", "98.75 % as float"]
    assert figures["Output"][0] == f"{full.outputs_sqnr_db['output']:.1f} dB"
    assert {"Bit operations", "Latency", "Memory"} <= set(figures)


def test_the_table_has_the_numbers_of_the_report_the_worst_layer_first(full):
    head, *rows = Page(full.as_html()).rows[:3]
    cells = [dict(zip(head, row, strict=True)) for row in rows]
    layers = {layer.name: layer for layer in full.layers}
    found = [next(name for name in layers if row["Layer"].startswith(name)) for row in cells]
    assert found == sorted(layers, key=lambda name: layers[name].local_sqnr_db)
    for name, row in zip(found, cells, strict=True):
        layer = layers[name]
        assert row["Weights"] == f"{layer.weights:,}"
        assert (row["Bits"], row["Input bits"]) == (str(layer.bits), str(layer.activation_bits))
        assert row["Bytes"] == f"{layer.total_bytes:,}"
        assert row["Share"] == f"{100 * layer.share:.1f} %"
        assert row["Output SQNR, dB"] == f"{layer.local_sqnr_db:.1f}"
        assert row["Kernel"] == layer.kernel


def test_without_measurements_there_are_no_empty_places(packed_path):
    page = Page(report_file(packed_path).as_html())
    head = page.rows[0]
    assert not {"Weight SQNR, dB", "Output SQNR, dB", "Time", "Sensitivity", "Kernel", "Corrections"} & set(head)
    assert {"Bits", "Bytes", "Entries"} <= set(head)
    assert not {"Accuracy", "Latency", "Memory", "Output"} & set(page.key_figures)
    assert not [text for text in page.texts if "lose most" in text]


def test_the_trade_and_the_learning_are_shown(full):
    page = Page(full.as_html())
    text = " ".join(page.texts)
    assert "This file follows bits-3.json, searched for bits=3." in text
    assert ("circle", "class", "ring") in page.attributes
    assert "3 iterations of learning and compression." in text
    assert "fc.weight" in page.texts
    assert ["last", "MatMul", "5\u00d75", "100"] in page.rows


def test_names_of_a_hostile_model_are_only_text(packed_model, float_path, tmp_path):
    packed_model.proto.metadata_props.add(key="qcompile.version", value=HOSTILE)
    path = rename(packed_model, HOSTILE * 9).save(tmp_path / "hostile<b>&.onnx")
    report = report_file(path)
    hostile = dataclasses.replace(report, plan={"network": HOSTILE, "data": HOSTILE})
    for text in (hostile.as_html(), Reports((hostile, report)).as_html()):
        page = Page(text)
        assert "img" not in page.tags
        assert page.tags.count("script") == 1
        assert not set("\u202e\u2066\x1b") & set(text)
        assert any("<img src=x onerror=alert(1)>" in shown for shown in page.texts)


def test_files_are_set_side_by_side_and_layers_matched_by_name(packed_model, packed_path, tmp_path):
    changed = rename(packed_model, "other").save(tmp_path / "other.onnx")
    reports = Reports((report_file(packed_path), report_file(changed)))
    page = Page(reports.as_html())
    assert ["Layer", "packed.onnx", "other.onnx"] in page.rows
    rows = [row for row in page.rows if row and row[0] in ("1 conv", "2 fc", "3 other")]
    assert rows[:3] == [["1 conv", "3 / 32", "\u2013"], ["2 fc", "1 / 32", "1 / 32"], ["3 other", "\u2013", "3 / 32"]]


def test_files_of_one_name_are_told_apart_by_their_folders(packed_model, tmp_path):
    (tmp_path / "a").mkdir()
    paths = [packed_model.save(folder / "net.onnx") for folder in (tmp_path, tmp_path / "a")]
    page = Page(Reports(tuple(map(report_file, paths))).as_html())
    assert ["Figure", tmp_path.name, "a"] in page.rows


def test_trades_are_shown_that_all_files_have(full):
    def trades(*reports):
        return {
            text.split(" in ")[0] for text in Page(Reports(reports).as_html()).texts if text.endswith("against bytes")
        }

    untimed = dataclasses.replace(full, timing=None)
    plain = dataclasses.replace(untimed, accuracy_percent=None, outputs_sqnr_db={})
    assert trades(full, full) == {"Latency", "Accuracy", "Output SQNR"}
    assert trades(full, untimed) == {"Accuracy", "Output SQNR"}
    assert trades(full, plain) == set()
