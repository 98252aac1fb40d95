"""Compiling with sample inputs: activations become integers."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from qcompile.calibration import ArrayReader, MinMax
from qcompile.compiler import Integers, compile_file, compile_model
from qcompile.errors import ModelError, QCompileError
from qcompile.packed_model import packed_layers
from qcompile.report import report_file
from qcompile.rounding import Plain, SecondOrder
from tests.network import Network
from tests.networks import NETWORKS
from tests.quantizing import samples_of


def integers(network, **options):
    samples = options.pop("samples", None) or samples_of(network)
    return Integers(ArrayReader(samples, len(next(iter(samples.values())))), method=MinMax(), **options)


def compiled(network, **options):
    return compile_model(network.proto(), integers=integers(network, **options))


def run(model, feeds):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_compiles_and_stays_near_the_float_model(name):
    network = NETWORKS[name]()
    before, feeds = network.proto(), samples_of(network)
    after = compiled(network)
    onnx.checker.check_model(after, full_check=True)
    assert (after.graph.input, after.graph.output) == (before.graph.input, before.graph.output)
    for wanted, found in zip(run(before, feeds), run(after, feeds), strict=True):
        assert np.abs(found - wanted).max() <= 0.1 * np.abs(wanted).max() + 1e-6
    assert len(packed_layers(after)) == len({layer.name for layer in packed_layers(after)})


def test_any_batch_runs():
    network = NETWORKS["residual_of_two_layers"]()
    model, feeds = compiled(network), network.samples(7)
    [whole] = run(model, feeds)
    for row in range(7):
        [one] = run(model, {"x": feeds["x"][row : row + 1]})
        np.testing.assert_array_equal(one[0], whole[row])


@pytest.mark.parametrize("bits", [2, 4])
def test_bits_of_weights_and_activations(bits):
    network = NETWORKS["plain"]()
    layers = packed_layers(compiled(network, activation_bits=bits, weight_bits=bits + 1))
    assert [(layer.bits, layer.activation_bits) for layer in layers] == [(bits + 1, bits)] * 4


def test_the_weights_are_those_of_the_float_model(tmp_path):
    network = NETWORKS["plain"]()
    onnx.save(network.proto(), tmp_path / "float.onnx")
    for layer in packed_layers(compiled(network, rounding=Plain())):
        weight = network.tensors[f"{layer.name}.weight"]
        largest = np.abs(weight).reshape(len(weight), -1).max(axis=1).reshape(-1, *[1] * (weight.ndim - 1))
        assert (np.abs(layer.effective_weight() - weight) <= 0.501 * largest / 127).all()


def test_a_layer_behind_a_flattening_says_in_which_order_it_reads():
    layers = packed_layers(compiled(NETWORKS["plain"]()))
    orders = [[list(a.ints) for a in layer.node.attribute if a.name == "x_flattened"] for layer in layers]
    assert orders == [[], [], [[3, 3, 10]], []]


def test_learned_codebooks_of_whole_numbers_stay_as_they_are():
    layers = {layer.name: layer for layer in packed_layers(compiled(NETWORKS["codebooks"]()))}
    assert layers["c"].codebook.tolist() == [[-1, 0, 2, 3]]
    assert layers["d"].codebook.tolist() == [[-1, 1]]
    assert layers["a"].codebook.shape == (1, 8)
    assert layers["b"].codebook.shape == (3, 8)


def test_corrections_are_reported_with_their_layer(tmp_path):
    network = NETWORKS["corrected"]()
    onnx.save(network.proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=integers(network))
    report = report_file(tmp_path / "p.onnx")
    assert [(layer.name, layer.op, layer.corrections) for layer in report.layers] == [
        ("a", "IntegerConvFloat", 3),
        ("b", "IntegerMatMulFloat", 3),
    ]
    assert [layer.corrections for layer in result.layers] == [3, 3]
    assert [layer.weight_bytes for layer in result.layers] == [
        layer.index_bytes + layer.codebook_bytes + layer.correction_bytes for layer in report.layers
    ]


def test_report_counts_the_bytes_of_an_integer_file(tmp_path):
    network = NETWORKS["swish"]()
    onnx.save(network.proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=integers(network, weight_bits=4))
    report = report_file(tmp_path / "p.onnx")
    model = onnx.load(tmp_path / "p.onnx")
    assert report.payload_bytes == sum(
        onnx.numpy_helper.to_array(t).nbytes for t in model.graph.initializer if t.data_type != onnx.TensorProto.INT64
    )
    a, b = report.layers
    assert (a.bits, a.activation_bits, a.entries, a.groups, a.codebook_bytes) == (4, 8, 16, 1, 0)
    assert a.index_bytes == 3 * 256 * 4 // 8  # 8 outputs and 36 products are one by three tiles
    assert (a.scale_bytes, a.bias_bytes) == (32, 32)
    assert [layer.weight_bytes for layer in result.layers] == [a.index_bytes, b.index_bytes]
    assert json.loads(report.as_json())["layers"][0]["activation_bits"] == 8
    assert "IntegerConv" in report.as_text()


def test_the_result_tells_each_layer_in_a_line(tmp_path):
    network = NETWORKS["plain"]()
    onnx.save(network.proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=integers(network))
    lines = result.as_text().splitlines()
    assert lines[0] == "a: IntegerConv 8x3x3x3, 8-bit, whole numbers, 512 bytes"
    assert all("2^24" not in line for line in lines)
    assert result.layers[0].largest_sum is not None


def test_a_layer_whose_sums_may_go_beyond_2_to_24_is_told(tmp_path):
    network = Network((4096,))
    network.constant("a.weight", np.ones((3, 4096), np.float32))
    onnx.save(network.gives(network.add("Gemm", ["x", "a.weight"], transB=1)).proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=integers(network, rounding=Plain()))
    assert result.layers[0].largest_sum > 2**24
    assert "sums may exceed 2^24: without our library codes may then differ" in result.as_text()


def compile_text(tmp_path, network):
    onnx.save(network.proto(), tmp_path / "e.onnx")
    return compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=integers(network)).as_text()


def test_products_of_activations_are_told_after_the_layers(tmp_path):
    text = compile_text(tmp_path, NETWORKS["attention"]())
    assert "node_matmul11: IntegerProductFloat, 4 products in a sum\n" in text
    assert "node_matmul14: IntegerProduct, 10 products in a sum\n" in text
    assert "2^24" not in text


def test_products_of_activations_that_stay_float_are_told_with_their_reason(tmp_path):
    text = compile_text(tmp_path, NETWORKS["products_that_stay_float"]())
    assert text.count("left alone: it multiplies ") == 2
    assert "only matrices of the same leading axes are multiplied as integers" in text


def test_a_product_whose_sums_may_go_beyond_2_to_24_is_told(tmp_path):
    network = Network((2, 600))
    a = network.add("Relu", [network.add("Mul", ["x", "x"])])
    b = network.add("Transpose", [a], perm=[0, 2, 1])
    text = compile_text(tmp_path, network.gives(network.matmul(network.add("MatMul", [a, b]), (2, 3), "c")))
    assert "IntegerProduct, 600 products in a sum, sums may exceed 2^24: without our library" in text


def test_a_product_of_unknown_length_is_told(tmp_path):
    network = Network(("time", 8))
    scores = network.add("MatMul", ["x", network.add("Transpose", ["x"], perm=[0, 2, 1])])
    mixed = network.add("MatMul", [network.add("Softmax", [scores]), "x"])
    network.gives(network.matmul(mixed, (8, 3), "c"))
    onnx.save(network.proto(), tmp_path / "e.onnx")
    samples = {"x": np.random.default_rng(0).random((2, 5, 8), dtype=np.float32)}
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=integers(network, samples=samples))
    assert "IntegerProduct, an unknown number of products in a sum, sums may exceed 2^24" in result.as_text()
    for time in (5, 7):  # a softmax over fewer gives numbers beyond the range that was seen
        x = np.random.default_rng(1).random((2, time, 8), dtype=np.float32)
        [wanted], [found] = run(network.proto(), {"x": x}), run(onnx.load(tmp_path / "p.onnx"), {"x": x})
        assert np.abs(found - wanted).max() <= 0.1 * np.abs(wanted).max()


def test_compiling_twice_gives_the_same_bytes(tmp_path):
    network = NETWORKS["residual_of_two_layers"]()
    onnx.save(network.proto(), tmp_path / "e.onnx")
    for name in ("a", "b"):
        compile_file(tmp_path / "e.onnx", tmp_path / name, integers=integers(network))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_cache_spares_the_runs(tmp_path):
    network, cache, counted = NETWORKS["plain"](), tmp_path / "cache", []
    first = compiled(network, cache=cache, progress=counted.append)
    again = compiled(network, cache=cache, progress=counted.append)
    assert counted == [1]
    assert again == first


def test_rounding_tells_of_each_layer(tmp_path):
    network, told = NETWORKS["plain"](), []
    onnx.save(network.proto(), tmp_path / "e.onnx")
    options = integers(network, weight_bits=4, rounding=SecondOrder(progress=told.append))
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=options)
    assert result.rounded == tuple(told)
    assert [layer.name for layer in told] == [layer.name for layer in result.layers]
    assert all(layer.error < layer.plain_error for layer in told)
    assert "rounding the weights changes outputs by" in result.as_text()


def test_plain_rounding_tells_nothing(tmp_path):
    network = NETWORKS["plain"]()
    onnx.save(network.proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=integers(network, rounding=Plain()))
    assert result.rounded == ()
    assert "rounding" not in result.as_text()


def test_learned_weights_are_not_rounded_again(tmp_path):
    network = NETWORKS["codebooks"]()
    onnx.save(network.proto(), tmp_path / "e.onnx")
    learned = {"c", "d", "a", "b"} & {layer.name for layer in packed_layers(compiled(network, rounding=Plain()))}
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=integers(network))
    assert not learned & {layer.name for layer in result.rounded}


def test_functions_can_be_left_out():
    network = NETWORKS["plain"]()
    assert not compile_model(network.proto(), functions=False, integers=integers(network)).functions


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ({"y": np.zeros((2, 3, 9, 8), np.float32)}, "x"),
        ({"x": np.zeros((2, 4, 9, 8), np.float32)}, "x"),
        ({"x": np.zeros((2, 3, 9, 8))}, "x"),
        ({"x": np.zeros((0, 3, 9, 8), np.float32)}, "batch"),
        ({"x": np.full((2, 3, 9, 8), np.nan, np.float32)}, "x has NaN or infinity"),
    ],
)
def test_samples_that_do_not_fit_are_an_error(samples, message):
    with pytest.raises(QCompileError, match=message):
        compile_model(NETWORKS["plain"]().proto(), integers=Integers(ArrayReader(samples, 2)))


def test_bits_that_are_missing_are_an_error():
    with pytest.raises(QCompileError, match="no bits are given for tensor relu1; given are x"):
        compiled(NETWORKS["plain"](), activation_bits={"x": 8})


def test_an_old_opset_is_raised_where_all_nodes_mean_the_same():
    network = NETWORKS["plain"]()
    network.opset = 13
    assert compiled(network).opset_import[0].version == 18


def test_a_compiled_model_is_an_error():
    network = NETWORKS["plain"]()
    with pytest.raises(ModelError, match="compiled already"):
        compile_model(compiled(network), integers=integers(network))


def test_a_model_without_layers_is_an_error():
    network = Network((4,))
    with pytest.raises(ModelError, match="no Conv, Gemm or MatMul with a constant weight"):
        compiled(network.gives(network.add("Relu", ["x"])))


def test_a_sum_of_too_many_products_is_an_error():
    network = Network((65537,))
    network.constant("a.weight", np.ones((2, 65537), np.float32))
    with pytest.raises(ModelError, match="a: 65537 products in a sum, at most 65536"):
        compiled(network.gives(network.add("Gemm", ["x", "a.weight"], transB=1)))


def test_ranges_of_nothing_but_zeros_compile():
    network = NETWORKS["plain"]()
    model = compiled(network, samples={"x": np.zeros((2, 3, 9, 8), np.float32)})
    for found in run(model, {"x": np.zeros((2, 3, 9, 8), np.float32)}):
        assert np.isfinite(found).all()
