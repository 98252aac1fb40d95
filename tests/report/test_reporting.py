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
    report = report_file(
        packed_path,
        kernels_of=lambda model: {n.output[0]: {"conv": "a", "fc": "b"}[n.name] for n in model.graph.node if n.domain},
    )
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
    assert max(map(len, text.splitlines())) <= 200  # a name of 60, and the rest


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


def test_a_tensor_that_layers_share_is_counted_once(packed_model, tmp_path):
    codebook = np.array([[-1, 1]], np.float32)
    packed_model.set_initializer("fc.weight.codebook", codebook)
    before = report_file(packed_model.save(tmp_path / "before.onnx"))
    packed_model.set_attribute("conv", "bits", 1)
    packed_model.set_initializer("conv.weight.indices", np.zeros(14, np.uint8))  # ceil(108 / 8)
    packed_model.node("conv").input[2] = "fc.weight.codebook"
    kept = [t for t in packed_model.proto.graph.initializer if t.name != "conv.weight.codebook"]
    del packed_model.proto.graph.initializer[:]
    packed_model.proto.graph.initializer.extend(kept)
    after = report_file(packed_model.save(tmp_path / "after.onnx"))
    assert [layer.codebook_bytes for layer in after.layers] == [8, 0]
    assert [layer.entries for layer in after.layers] == [2, 2]
    assert after.codebook_entries == 2
    assert after.payload_bytes == before.payload_bytes - (41 - 14) - 6 * 8 * 4
    assert sum(layer.share for layer in after.layers) == pytest.approx(1, abs=1e-12)


@pytest.fixture
def corrected_path(packed_model, tmp_path):
    return packed_model.correct(conv={5: 2.0}, fc={0: 1.0, 7: -3.0, 749: 0.5}).save(tmp_path / "corrected.onnx")


def test_corrections_are_counted_with_their_layer(packed_path, corrected_path):
    plain, report = report_file(packed_path), report_file(corrected_path)
    conv, fc = report.layers
    assert [layer.corrections for layer in report.layers] == [1, 3]
    assert (conv.correction_bytes, fc.correction_bytes) == (6, 18)
    assert fc.total_bytes == plain.layers[1].total_bytes + 18
    assert report.payload_bytes == plain.payload_bytes + 24
    assert report.corrections == 4
    assert report.other_parameters == plain.other_parameters
    # 108 weights take 7 bits to name one, 750 take 10.
    assert report.formula_bytes == plain.formula_bytes + (1 * (32 + 7) + 3 * (32 + 10)) / 8
    assert "4 corrections" in report.as_text()
    assert json.loads(report.as_json())["layers"][1]["corrections"] == 3


def test_zeros_that_split_wide_gaps_count_as_bytes_and_not_as_corrections(packed_model, tmp_path):
    path = packed_model.correct(fc={3: 1.0, 9: 2.0}).save(tmp_path / "packed.onnx")
    before = report_file(path)
    packed_model.set_initializer("fc.weight.corrections", np.array([0.0, 2.0], np.float32))
    after = report_file(packed_model.save(path))
    assert (before.layers[1].corrections, after.layers[1].corrections) == (2, 1)
    assert before.layers[1].correction_bytes == after.layers[1].correction_bytes


def test_the_noise_is_that_of_the_corrected_weight(packed_model, float_path, tmp_path):
    """Corrections that undo the largest differences leave less noise."""
    plain = report_file(packed_model.save(tmp_path / "plain.onnx"), against=float_path)
    weight = next(iter(weights_of(float_path, "fc.weight"))).reshape(-1)
    codebook = packed_model.arrays["fc.weight.codebook"][0]
    difference = weight - codebook[np.abs(weight[:, None] - codebook).argmin(axis=1)]
    worst = np.argsort(-np.abs(difference))[:200]
    packed_model.correct(fc={int(place): float(difference[place]) for place in sorted(worst)})
    corrected = report_file(packed_model.save(tmp_path / "packed.onnx"), against=float_path)
    # 750 normal differences without their 200 largest: sigma^2 falls from 1 to 0.28, 5.5 dB.
    assert corrected.layers[1].weight_sqnr_db - plain.layers[1].weight_sqnr_db == pytest.approx(5.5, abs=1)
    assert corrected.layers[0].weight_sqnr_db == plain.layers[0].weight_sqnr_db


def normalized(float_path, path, factor):
    """The float model with a normalization behind conv, whose gain the packed file has in its scale."""
    model = onnx.load(float_path)
    conv = model.graph.node[0]
    conv.output[0] = "plain"
    tensors = {"g": factor, "o": np.zeros(6), "m": np.zeros(6), "v": np.ones(6)}
    model.graph.node.insert(1, onnx.helper.make_node("BatchNormalization", ["plain", *tensors], ["c"]))
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array.astype(np.float32), name) for name, array in tensors.items()
    )
    onnx.save(model, path)
    return path


def test_a_gain_that_is_normalized_away_is_no_noise(packed_model, packed_path, float_path, tmp_path):
    factor = np.linspace(0.5, 3, 6)
    against = normalized(float_path, tmp_path / "normalized.onnx", factor)
    packed_model.set_initializer(
        "conv.weight.scale", (packed_model.arrays["conv.weight.scale"] * factor).astype(np.float32)
    )
    found = report_file(packed_model.save(tmp_path / "folded.onnx"), against=against).layers[0].weight_sqnr_db
    alone = report_file(packed_path, against=float_path).layers[0].weight_sqnr_db
    assert alone <= found <= alone + 1  # the best of 6 gains fits a little of 108 differences


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.node("fc.corrections").input.__setitem__(1, "r"), "base r is not the output of a packed layer"),
        (lambda m: m.node("fc.corrections").input.__setitem__(0, "r"), "are not those of 'fc'"),
        (lambda m: m.node("fc.corrections").input.__setitem__(2, "r"), "r must be stored in the file"),
        (lambda m: m.node("fc.corrections").input.pop(), "3 inputs, wanted x, base, gaps, values"),
        (lambda m: m.set_attribute("fc.corrections", "weight_shape", [150, 5]), "weight_shape are not those of 'fc'"),
        (lambda m: m.set_attribute("fc.corrections", "format_version", 2), "format_version is 2"),
        (lambda m: m.set_attribute("conv.corrections", "strides", [2, 1]), "strides are not those of 'conv'"),
        (
            lambda m: m.set_initializer("fc.weight.gaps", np.array([0, 0, 748], np.uint16)),
            "the last correction is at 750 of 750 weights",
        ),
        (lambda m: m.set_initializer("fc.weight.gaps", np.zeros(2, np.uint16)), r"values are float32 \[3\]"),
    ],
)
def test_broken_corrections_are_an_error_that_names_them(packed_model, tmp_path, change, message):
    packed_model.correct(conv={5: 2.0}, fc={0: 1.0, 7: -3.0, 749: 0.5})
    change(packed_model)
    with pytest.raises(ModelError, match=message):
        report_file(packed_model.save(tmp_path / "packed.onnx"))
