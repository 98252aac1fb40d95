"""The bad layer is found, by numbers that a few lines of numpy give as well."""

import copy
import json
import math

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

from qcompile import ops
from qcompile.calibration import ArrayReader, Range
from qcompile.compiler import DynamicIntegers, compile_model
from qcompile.debugging import debug_files, measuring
from qcompile.errors import DataError, ModelError
from qcompile.packed_model import packed_layers
from qcompile.passes import integer_passes
from qcompile.places import PLACES_KEY, read_places
from qcompile.report import report_file
from tests.networks import NETWORKS
from tests.quantized_network import QuantizedNetwork
from tests.quantizing import find_ranges, fused, samples_of
from tests.test_compile_integers import compiled

ONE_BIT = "b"


@pytest.fixture
def saved(tmp_path):
    def save(floats, packed):
        paths = tmp_path / "float.onnx", tmp_path / "packed.onnx"
        for path, model in zip(paths, (floats, packed), strict=True):
            onnx.save(model, path)
        return paths

    return save


def rows_of(result):
    return {layer.name: layer for layer in result.layers}


def sqnr_db(wanted, found):
    exact = np.asarray(wanted, np.float64)
    return 10 * np.log10(np.square(exact).sum() / np.square(exact - found).sum())


def plain_with_one_bit_in_the_second_layer():
    network = NETWORKS["plain"]()
    spoilt = copy.deepcopy(network)
    weight = network.tensors[f"{ONE_BIT}.weight"]
    spoilt.tensors[f"{ONE_BIT}.weight"] = (np.sign(weight) * np.abs(weight).mean()).astype(np.float32)
    return network, spoilt


def with_ranges(network, ranges):
    """The packed file of ``network`` in 8-bit integers with these ranges of activations."""
    model = fused(network)
    for rewrite in integer_passes(ranges):
        rewrite(model)
    return ir.to_proto(model)


def test_the_layer_of_one_bit_is_the_worst_and_all_behind_it_suffer(saved):
    network, spoilt = plain_with_one_bit_in_the_second_layer()
    samples = samples_of(network)
    packed = with_ranges(spoilt, find_ranges(fused(network), samples))
    result = debug_files(*saved(network.proto(), packed), samples)
    rows = rows_of(result)
    assert result.layers[0].name == result.noisiest == ONE_BIT
    # Signs times their mean keep 2 / pi of a normal weight's energy: 4.4 dB for sums; the bias and the rectifier give
    # back less than a factor of 4.
    assert rows[ONE_BIT].local_db < 4.4 + 6
    # 8 bits of weights and activations: each halving of a step is 6 dB, and 30 dB are 5 of them.
    assert all(rows[name].local_db > 30 for name in "acd")
    assert rows["a"].cumulative_db > 30
    # Biases and rectifiers may hide some of the noise of what is read, not a factor of 10 each time.
    assert rows["b"].cumulative_db < 10.4
    assert all(rows[name].cumulative_db < 20 for name in "cd")
    assert rows["b"].before_db == pytest.approx(rows["a"].cumulative_db, abs=1e-9)  # summed up twice
    assert result.outputs_db["gemm8"] == rows["d"].cumulative_db


def test_a_range_that_clips_is_found_and_said(saved):
    network = NETWORKS["plain"]()
    samples = samples_of(network)
    ranges = find_ranges(fused(network), samples)
    narrow = ranges["relu3"]
    # What only moves codes shares its range with what it moves.
    ranges |= dict.fromkeys(("relu3", "maxpool4", "flatten5"), Range(narrow.low, narrow.high / 4, narrow.bits))
    result = debug_files(*saved(network.proto(), with_ranges(network, ranges)), samples)
    rows = rows_of(result)
    assert result.noisiest in ("b", "c")
    assert {layer.name for layer in result.layers[:2]} == {"b", "c"}  # who gives and who reads these codes
    assert rows["b"].local_db < 15 < min(rows["a"].local_db, rows["d"].local_db)
    [wanted] = run_floats(network.proto(), ["relu3"], samples)
    highest = narrow.high / 4
    step = highest / 255
    assert rows["b"].clipped_outputs == np.mean(wanted > highest + step)
    assert rows["c"].clipped_inputs == rows["b"].clipped_outputs > 0.05
    assert rows["a"].clipped_outputs == 0
    assert "of relu3 lie beyond the codes; calibrate a wider range" in result.as_text()


def run_floats(proto, names, feeds):
    return [measuring.observer(proto, names, optimized=False)(feeds)[name] for name in names]


def test_the_numbers_of_an_integer_layer_are_those_of_numpy(saved):
    network = NETWORKS["plain"]()
    model, samples = compiled(network, weight_bits=4), samples_of(network)
    row = rows_of(debug_files(*saved(network.proto(), model), samples))["d"]
    layer = next(layer for layer in packed_layers(model) if layer.name == "d")
    place = read_places(model)["c.codes"]
    x, wanted = run_floats(network.proto(), ["relu7", "gemm8"], samples)
    codes = np.clip(np.rint(x.astype(np.float64) / place.scale) + place.zero_point, 0, 255)
    numbers = (codes - place.zero_point) * place.scale
    found = numbers @ layer.effective_weight().T + layer.bias
    # float32 rounds what is found by some 2^-22 of it; at noise of 2^-7 of the signal that is 2^-15 of the noise.
    assert row.local_db == pytest.approx(sqnr_db(wanted, found), abs=20 * np.log10(1 + 2.0**-15))
    [packed] = measuring.observer(model, ["gemm8"])(samples)["gemm8"][None]
    # Sums of float64 in another order.
    assert row.cumulative_db == pytest.approx(sqnr_db(wanted, packed), abs=1e-9)


def test_the_numbers_of_a_codebook_layer_are_those_of_numpy(float_path, packed_path, packed_model):
    images = np.random.default_rng(3).random((5, 2, 7, 7), dtype=np.float32)
    row = rows_of(debug_files(float_path, packed_path, {"input": images}))["fc"]
    arrays = packed_model.arrays
    weight = ops.decode_weight(arrays["fc.weight.indices"], arrays["fc.weight.codebook"], 1, packed_model.MATMUL)
    x, wanted = run_floats(onnx.load(float_path), ["f", "output"], {"input": images})
    found = x.astype(np.float64) @ weight.T.astype(np.float64) + arrays["fc.bias"]
    # float32 sums of 150 products err by 2^-20 of the signal at most; at noise of 2^-7 that is 2^-13 of the noise.
    assert row.local_db == pytest.approx(sqnr_db(wanted, found), abs=20 * np.log10(1 + 2.0**-13))
    assert (row.bits, row.activation_bits, row.tensor) == (1, 32, "output")
    assert row.bytes == report_file(packed_path).layers[1].total_bytes


@pytest.mark.parametrize(
    "name",
    [
        *("attention", "codebooks", "corrected", "hostile_names", "normalized", "fixed_batch"),
        *("products_of_images", "residual_of_two_layers", "swish"),
    ],
)
def test_every_layer_of_an_integer_network_is_compared(name, saved):
    network = NETWORKS[name]()
    model = compiled(network)
    result = debug_files(*saved(network.proto(), model), samples_of(network))
    assert all(layer.problem is None for layer in result.layers)
    assert {layer.name for layer in packed_layers(model)} <= set(rows_of(result))
    # Steps of 8 bits are 2^-7 of the largest number; where that is 2^4 times the usual one, 20 dB are left.
    assert all(layer.local_db > 20 for layer in result.layers), rows_of(result)


@pytest.mark.parametrize("options", [{}, {"bfloat16": True}, {"integers": DynamicIntegers()}])
def test_a_codebook_network_computes_what_was_exported(options, saved):
    network = NETWORKS["corrected"]()
    result = debug_files(*saved(network.proto(), compile_model(network.proto(), **options)), samples_of(network))
    rows = rows_of(result)
    assert set(rows) == {"a", "b"}
    if not options:
        # A sum of fewer than 2^7 products errs by 2^-17 in float32 at most: 102 dB.
        assert all(layer.cumulative_db > 100 for layer in result.layers)
        assert "no layer loses more than float32 rounding" in result.as_text()


def test_products_of_activations_are_layers_without_a_weight(saved):
    network = NETWORKS["attention"]()
    result = debug_files(*saved(network.proto(), compiled(network)), samples_of(network))
    products = [layer for layer in result.layers if layer.op.startswith("IntegerProduct")]
    assert [(layer.bits, layer.bytes, layer.wider) for layer in products] == [(None, 0, ())] * 2


def test_a_quantized_model_gives_its_own_numbers(saved):
    options = {"scale": 1 / 16, "kind": "int8", "cut": (-32, 31)}
    network = QuantizedNetwork((4, 7, 6))
    x = network.pair("x", **options)
    a = network.pair(network.quantized_conv(x, (8, 4, 3, 3), "a", 4), **options)
    proto = network.gives(network.quantized_conv(a, (4, 8, 1, 1), "b")).proto()
    result = debug_files(*saved(proto, compile_model(proto)), network.samples(6))
    rows = rows_of(result)
    assert rows["a"].local_db == rows["a"].cumulative_db == math.inf
    assert rows["a"].clipped_inputs > 0.03  # normal numbers beyond 2
    assert result.rounds_itself
    assert "its own rounding is no error here" in result.as_text()


def test_the_float_model_of_a_quantized_one_shows_its_rounding(tmp_path):
    network = NETWORKS["plain"]()
    samples, floats, quantized, packed = samples_of(network), *(tmp_path / f"{name}.onnx" for name in "fqp")
    onnx.save(network.proto(), floats)
    kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(floats, quantized, ArrayReader(samples, 6), quant_format=QuantFormat.QDQ, **kinds)
    onnx.save(compile_model(onnx.load(quantized)), packed)
    result = debug_files(floats, packed, samples)
    assert all(30 < layer.local_db < 60 for layer in result.layers)
    assert not result.rounds_itself


def test_layers_without_a_counterpart_are_listed(saved):
    network = NETWORKS["plain"]()
    other = network.proto()
    for node in other.graph.node:
        for names in (node.input, node.output):
            names[:] = ["another" if name == "relu3" else name for name in names]
    result = debug_files(*saved(other, compiled(network)), samples_of(network))
    last = result.layers[-1]
    assert (last.name, last.local_db, last.tensor) == ("b", None, None)
    assert last.problem == "the float model has no tensor relu3, which b.codes stands for"
    assert rows_of(result)["c"].local_db is not None
    text = result.as_text()
    assert "not compared  b: the float model has no tensor" in text
    assert "3 of 4 layers compared" in text


def test_few_bytes_are_held_and_the_numbers_are_the_same(saved, monkeypatch):
    network = NETWORKS["plain"]()
    paths, samples = saved(network.proto(), compiled(network, weight_bits=3)), network.samples(40)
    whole = debug_files(*paths, samples)
    held, observer = [], measuring.observer

    def watched(model, names, **options):
        observe = observer(model, names, **options)

        def run(feed):
            found = observe(feed)
            held.append(sum(found[name].nbytes for name in names))
            return found

        return run

    monkeypatch.setattr(measuring, "observer", watched)
    most = 2 * 4 * 16 * (8 + 10) * 9 * 8  # what the second layer reads and gives, for 16 samples, in both models
    assert debug_files(*paths, samples, most_bytes=most) == whole
    assert max(held) <= most // 2
    assert len(held) > 3 * 3 * 2  # pieces, groups, models


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "the float model takes x; the inputs have nothing"),
        ({"y": np.zeros((2, 3, 9, 8), np.float32)}, "takes x; the inputs have y"),
        ({"x": np.zeros((0, 3, 9, 8), np.float32)}, "0 rows of inputs, wanted a multiple of 1"),
        ({"x": np.zeros((), np.float32)}, r"input x is float32 \['batch', 3, 9, 8\] in the model, given float32 \[\]"),
        ({"x": np.zeros((2, 3, 9, 7), np.float32)}, r"given float32 \[2, 3, 9, 7\]"),
        ({"x": np.zeros((2, 3, 9, 8))}, r"given float64 \[2, 3, 9, 8\]"),
    ],
)
def test_inputs_that_do_not_fit_are_an_error(inputs, message, saved):
    network = NETWORKS["plain"]()
    with pytest.raises(DataError, match=message):
        debug_files(*saved(network.proto(), compiled(network)), inputs)


def test_a_batch_that_the_model_fixes_must_be_filled(saved):
    network = NETWORKS["fixed_batch"]()
    with pytest.raises(DataError, match="3 rows of inputs, wanted a multiple of 2"):
        debug_files(*saved(network.proto(), compiled(network)), network.samples(3))


def test_files_that_do_not_belong_together_are_an_error(saved):
    network = NETWORKS["plain"]()
    model = compiled(network)
    del model.metadata_props[:]
    inner = network.proto()
    for node in inner.graph.node:
        for names in (node.input, node.output):
            names[:] = [f"my.{name}" if name.startswith("gemm") else name for name in names]
    inner.graph.output[0].name = "my.gemm8"
    with pytest.raises(
        ModelError, match=r"0 of 4 layers of .*packed\.onnx have a counterpart.*compile it again.*the model that was"
    ):
        debug_files(*saved(inner, model), samples_of(network))


def test_another_shape_is_an_error(saved):
    network, other = NETWORKS["plain"](), NETWORKS["plain"]()
    model = compiled(network)
    for name in ("c.weight", "c.bias"):
        other.tensors[name] = np.concatenate([other.tensors[name]] * 2)
    other.tensors["d.weight"] = np.concatenate([other.tensors["d.weight"]] * 2, axis=1)
    with pytest.raises(ModelError, match=r"tensor c\.codes: \[6, 24\] wanted, \[6, 12\] found\. Is FLOAT the model"):
        debug_files(*saved(other.proto(), model), samples_of(network))


def test_text_and_json_tell_the_same(saved):
    network, spoilt = plain_with_one_bit_in_the_second_layer()
    packed = compiled(spoilt, weight_bits=4)
    assert PLACES_KEY in {entry.key for entry in packed.metadata_props}
    result = debug_files(*saved(network.proto(), packed), samples_of(network))
    data, text = json.loads(result.as_json()), result.as_text()
    assert [layer["name"] for layer in data["layers"]] == [layer.name for layer in result.layers]
    assert data["noisiest"] == "b"
    worst = result.layers[0]
    step = worst.wider[0]
    assert f"b: weights have 4 bits; {step.bits} bits {step.more_bytes:+,} bytes" in text
    assert f"{worst.local_db:.1f} dB" in text
    assert "most noise is added at b: the cumulative SQNR falls from" in text
    assert " d " in text
    assert "IntegerMatMulFloat" not in result.as_text(top=1)
