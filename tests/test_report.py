import json

import numpy as np
import onnx
import pytest

from qcompile.errors import ModelError
from qcompile.report import report_file


def test_counts_bytes_bits_and_entries_in_the_file_itself(packed_path):
    report = report_file(packed_path)
    conv, fc = report.layers
    assert (conv.name, conv.op, conv.weight_shape, conv.bits, conv.groups) == (
        "conv",
        "CodebookConv",
        (6, 2, 3, 3),
        3,
        6,
    )
    assert conv.weights == 108
    assert conv.index_bytes == 41  # ceil(108 * 3 / 8)
    assert conv.codebook_bytes == 6 * 8 * 4
    assert conv.scale_bytes == conv.bias_bytes == 24
    assert (fc.bits, fc.entries, fc.index_bytes, fc.codebook_bytes, fc.bias_bytes) == (1, 2, 94, 8, 20)
    assert report.file_bytes == packed_path.stat().st_size
    assert report.payload_bytes == conv.total_bytes + fc.total_bytes
    assert conv.share + fc.share == pytest.approx(1, abs=1e-12)


def test_ratio_is_that_of_the_formula(packed_path):
    report = report_file(packed_path)
    packed, others, entries = 108 + 750, 6 + 6 + 5, 6 * 8 + 2
    bits = 108 * 3 + 750 * 1 + (others + entries) * 32
    assert (report.weights, report.other_parameters, report.codebook_entries) == (packed, others, entries)
    assert report.formula_bytes == bits / 8
    assert report.compression_ratio == (packed + others) * 32 / bits


def test_entries_are_the_distinct_ones_and_padding_is_not_counted(packed_model, tmp_path):
    codebook = packed_model.arrays["conv.weight.codebook"].copy()
    codebook[:, 5:] = codebook[:, 4:5]
    packed_model.set_initializer("conv.weight.codebook", codebook)
    report = report_file(packed_model.save(tmp_path / "packed.onnx"))
    assert report.layers[0].entries == 5
    assert report.codebook_entries == 6 * 5 + 2


def test_compares_with_the_float_model(packed_path, float_path):
    report = report_file(packed_path, against=float_path)
    assert report.file_ratio == float_path.stat().st_size / packed_path.stat().st_size
    # The noise has the standard deviation 0.01: 750 samples of it give the ratio within a decibel.
    signal = np.square(next(iter(weights_of(float_path, "fc.weight")))).mean()
    assert report.layers[1].weight_sqnr_db == pytest.approx(10 * np.log10(signal / 0.01**2), abs=1)
    assert report.layers[0].weight_sqnr_db > 20  # the folded scale is taken into account


def weights_of(path, *names):
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    return [tensors[name] for name in names]


def test_a_float_model_of_another_network_is_an_error(packed_path, packed_model, tmp_path):
    with pytest.raises(ModelError, match=r"no weight conv.weight; it has .*Is it the same network"):
        report_file(packed_path, against=packed_path)


def test_text_and_json_tell_the_same(packed_path):
    report = report_file(packed_path, kernel_of=lambda node: {"conv": "a", "fc": "b"}[node.name])
    data = json.loads(report.as_json())
    assert data["payload_bytes"] == report.payload_bytes
    assert [layer["kernel"] for layer in data["layers"]] == ["a", "b"]
    text = report.as_text()
    for part in ("conv", "6x2x3x3", "8 x 6", f"{report.payload_bytes:,}", f"{report.compression_ratio:.2f}"):
        assert part in text


def test_a_strangers_names_do_not_steer_the_terminal(packed_model, tmp_path):
    packed_model.node("conv").name = "\x1b[31mred[bold]" + "x" * 500
    text = report_file(packed_model.save(tmp_path / "packed.onnx")).as_text()
    assert "\x1b" not in text
    assert "[bold]" in text
    assert max(map(len, text.splitlines())) <= 140


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not an ONNX"), (b"not a model at all", "not an ONNX"), (None, "No such file")],
)
def test_a_file_that_is_no_model_is_an_error(tmp_path, content, message):
    path = tmp_path / "x.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        report_file(path)


def test_a_model_without_packed_layers_is_an_error(float_path):
    with pytest.raises(ModelError, match="no packed layer; make one: qcompile compile"):
        report_file(float_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m.set_initializer("fc.weight.indices", np.zeros(93, np.uint8)),
            r"fc.*uint8 \[94\], found uint8 \[93\]",
        ),
        (lambda m: m.set_attribute("fc", "bits", 2), r"fc.*2-bit indices"),
        (lambda m: m.set_attribute("fc", "bits", 9), r"bits is 9, wanted 1 to 8"),
        (lambda m: m.set_attribute("fc", "weight_shape", [5, -150]), r"weight_shape is \[5, -150\]"),
        (lambda m: m.set_attribute("fc", "format_version", 2), r"format_version is 2"),
        (
            lambda m: m.set_initializer("fc.bias", np.full(5, np.nan, np.float32)),
            r"bias has a value that is not finite",
        ),
        (lambda m: m.set_initializer("fc.bias", np.zeros(4, np.float32)), r"bias is \[4\]"),
        (
            lambda m: m.set_initializer("fc.weight.codebook", np.array([[1, -1]], np.float32)),
            "decreases along a row",
        ),
        (lambda m: m.node("fc").input.__setitem__(4, "r"), "r must be stored in the file"),
    ],
)
def test_a_broken_layer_is_an_error_that_names_it(packed_model, tmp_path, change, message):
    change(packed_model)
    with pytest.raises(ModelError, match=message):
        report_file(packed_model.save(tmp_path / "packed.onnx"))
