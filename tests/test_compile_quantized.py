"""Compiling models that are quantized already: their codes are kept, and integers wherever they have pairs."""

import numpy as np
import onnx
import onnx.version_converter
import pytest
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from qcompile.calibration import ArrayReader, MinMax
from qcompile.compiler import Integers, compile_file, compile_model
from qcompile.errors import ModelError, QCompileError
from qcompile.packed_model import packed_layers
from qcompile.verification import verify_file
from tests.networks import NETWORKS
from tests.quantized_network import QuantizedNetwork, exposed, run
from tests.quantizing import samples_of

# Activations by kind: options of a pair that keeps numbers of about -2 to 2, the bits of its codes.
SIGNED = {
    "int8": ({"scale": 1 / 64, "kind": "int8"}, 8),
    "uint8": ({"scale": 1 / 64, "zero_point": 130}, 8),
    "int4": ({"scale": 0.3, "kind": "int4"}, 4),
    "uint4": ({"scale": 0.3, "kind": "uint4", "zero_point": 7}, 4),
    "codes cut to 6 bits": ({"scale": 1 / 16, "kind": "int8", "cut": (-32, 31)}, 6),
    "codes cut to 2 bits": ({"scale": 1.0, "kind": "int8", "cut": (-2, 1)}, 2),
    "numbers cut to 3 bits": ({"scale": 0.6, "zero_point": 4, "clip": (-2.4, 1.8)}, 3),
}


def layers_of(model):
    return {layer.name: (layer.op, layer.bits, layer.activation_bits) for layer in packed_layers(model)}


def assert_same_codes(proto, feeds, ties=0.002):
    """Every tensor that ``proto`` rounds has the same codes when it is compiled, in stock onnxruntime.

    The original multiplies and adds floats; integers are exact up to one scale and one bias. So a number that lies
    between two codes to float32 rounding may fall to either side, and with it what is computed of it: at most the share
    ``ties`` of a tensor, and one, by no more than a code.
    """
    before = exposed(proto)
    wanted, found = run(before, feeds), run(compile_model(before), feeds)
    steps = {node.output[0]: node.input[1] for node in before.graph.node if node.op_type == "DequantizeLinear"}
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in before.graph.initializer}
    for name in wanted:
        assert found[name].shape == wanted[name].shape
        if name in steps:
            codes = np.abs(found[name] - wanted[name]) / constants[steps[name]]
            assert np.count_nonzero(codes > 0.5) <= 1 + ties * codes.size, name
            assert codes.max() < 1.5, name
    return wanted, found


@pytest.mark.parametrize("kind", sorted(SIGNED))
def test_activations_of_every_kind(kind):
    options, bits = SIGNED[kind]
    net = QuantizedNetwork((4, 7, 6))
    x = net.pair("x", **options)
    a = net.pair(net.quantized_conv(x, (8, 4, 3, 3), "a", 4, pads=[1, 0, 2, 1]), **options)
    proto = net.gives(net.quantized_conv(a, (5, 8, 1, 1), "b", 3)).proto()
    packed = compile_model(proto)
    assert layers_of(packed) == {"a": ("IntegerConv", 4, bits), "b": ("IntegerConvFloat", 3, bits)}
    assert_same_codes(proto, net.samples())


@pytest.mark.parametrize("kind", ["int8", "int4"])
@pytest.mark.parametrize("rank", [2, 3, 4])
def test_matrix_products_of_any_rank(rank, kind):
    options, bits = SIGNED[kind]
    net = QuantizedNetwork((3, 5, 12)[4 - rank :])
    x = net.pair("x", **options)
    a = net.pair(net.add("MatMul", [x, net.weight(net.random_codes(5, 12, 9), "a", axis=1)]), **options)
    proto = net.gives(net.add("MatMul", [a, net.weight(net.random_codes(2, 9, 4), "b", scale=0.1)])).proto()
    assert layers_of(compile_model(proto)) == {"a": ("IntegerMatMul", 5, bits), "b": ("IntegerMatMulFloat", 2, bits)}
    assert_same_codes(proto, net.samples())


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm_of_either_order(transposed):
    net = QuantizedNetwork((12,))
    codes = net.random_codes(5, *((9, 12) if transposed else (12, 9)))
    weight = net.weight(codes, "a", axis=1 - transposed)
    net.constant("bias", net.rng.integers(-5000, 5000, 9).astype(np.int32))
    bias = net.add("DequantizeLinear", ["bias", net.random("bias.scale", 9, low=1e-5, high=2e-5)], axis=0)
    gemm = net.add("Gemm", [net.pair("x", 1 / 64, kind="int8"), weight, bias], transB=transposed)
    proto = net.gives(net.pair(gemm, 1 / 32, kind="int8")).proto()
    assert layers_of(compile_model(proto)) == {"a": ("IntegerMatMul", 5, 8)}
    assert_same_codes(proto, net.samples())


CONVOLUTIONS = {
    "one axis": ((4, 11), (6, 4, 3), {"pads": [2, 0], "strides": [2]}),
    "grouped": ((4, 7, 6), (6, 2, 3, 2), {"group": 2, "pads": [0, 1, 2, 0]}),
    "depthwise": ((6, 7, 6), (6, 1, 3, 3), {"group": 6, "pads": [1, 2, 0, 1]}),
    "dilated": ((4, 9, 9), (6, 4, 3, 3), {"dilations": [2, 1], "pads": [2, 1, 1, 0]}),
    "same": ((4, 7, 6), (6, 4, 2, 2), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
}


@pytest.mark.parametrize("kind", ["int8", "uint4"])
@pytest.mark.parametrize("name", sorted(CONVOLUTIONS))
def test_convolutions_of_every_geometry(name, kind):
    x_shape, shape, attributes = CONVOLUTIONS[name]
    options, bits = SIGNED[kind]
    net = QuantizedNetwork(x_shape)
    a = net.quantized_conv(net.pair("x", **options), shape, "a", 6, **attributes)
    proto = net.gives(net.pair(a, **options)).proto()
    assert layers_of(compile_model(proto)) == {"a": ("IntegerConv", 6, bits)}
    assert_same_codes(proto, net.samples())


def rounded(net, x, bits, scale):
    """``x``, which is rounded to 8 bits already, rounded again to unsigned ``bits``."""
    return net.pair(x, scale, clip=(0, (2**bits - 1) * scale)) if bits < 8 else x


def residual_block(weight_bits, activation_bits):
    """A stream of 8 bits; each convolution of its branch reads fewer: decision 0014."""
    net = QuantizedNetwork((3, 8, 8))
    first, second = activation_bits
    x = net.pair("x", 1 / 50, kind="int8")
    stream = net.add("Relu", [net.quantized_conv(x, (8, 3, 3, 3), "stem", pads=[1] * 4)])
    stream = net.pair(stream, 1 / 100)
    a = net.quantized_conv(rounded(net, stream, first, 2.0 / 2**first), (8, 8, 3, 3), "a", weight_bits[0], pads=[1] * 4)
    a = net.add("Relu", [net.normalization(a, 8, "norm")])
    a = net.pair(a, 3.0 / 2**second, clip=(0, 3.0 - 3.0 / 2**second))
    b = net.quantized_conv(a, (8, 8, 3, 3), "b", weight_bits[1], pads=[1] * 4)
    stream = net.pair(net.add("Relu", [net.add("Add", [b, stream])]), 1 / 60)
    pooled = net.pair(net.add("GlobalAveragePool", [stream]), 1 / 100)
    weight = net.weight(net.random_codes(weight_bits[2], 5, 8), "fc")
    return net.gives(net.add("Gemm", [net.add("Flatten", [pooled]), weight, net.random("fc.bias", 5)], transB=1))


BITS = [((2, 3, 8), (2, 3)), ((4, 5, 6), (4, 5)), ((6, 7, 2), (6, 8)), ((8, 8, 8), (8, 8)), ((3, 2, 4), (5, 2))]


@pytest.mark.parametrize(("weight_bits", "activation_bits"), BITS)
def test_a_residual_block_of_mixed_bits(weight_bits, activation_bits):
    net = residual_block(weight_bits, activation_bits)
    packed = compile_model(net.proto())
    assert layers_of(packed) == {
        "stem": ("IntegerConv", 8, 8),
        "a": ("IntegerConv", weight_bits[0], activation_bits[0]),
        "b": ("IntegerConvAdd", weight_bits[1], activation_bits[1]),
        "fc": ("IntegerMatMulFloat", weight_bits[2], 8),
    }
    operators = [node.op_type for node in packed.graph.node]
    assert operators.count("IntegerTable") == (activation_bits[0] < 8)
    assert not {"QuantizeLinear", "DequantizeLinear", "Clip", "Add", "Conv"} & set(operators)
    assert_same_codes(net.proto(), net.samples())


@pytest.mark.parametrize("paired", [False, True], ids=["no pair of its own", "pairs of its own"])
def test_a_shortcut_that_skips_pixels_and_adds_channels_keeps_the_codes_of_the_stream(paired):
    net = QuantizedNetwork((3, 8, 8))
    stream = net.quantized_conv(net.pair("x", 1 / 50, kind="int8"), (4, 3, 3, 3), "stem", pads=[1] * 4)
    short = stream = net.pair(net.add("Relu", [stream]), 1 / 100)
    b = net.quantized_conv(rounded(net, stream, 3, 0.25), (8, 4, 3, 3), "b", 4, pads=[1] * 4, strides=[2, 2])
    for axis in (2, 3):
        short = net.add("Slice", [short, net.sizes(0), net.sizes(2**62), net.sizes(axis), net.sizes(2)])
        short = net.pair(short, 1 / 100) if paired else short
    short = net.add("Pad", [short, net.sizes(0, 2, 0, 0, 0, 2, 0, 0)])
    short = net.pair(short, 1 / 100) if paired else short
    total = net.pair(net.add("Relu", [net.add("Add", [b, short])]), 1 / 60)
    proto = net.gives(net.quantized_conv(total, (5, 8, 1, 1), "c", 2)).proto()
    found = [node.op_type for node in compile_model(proto).graph.node]
    layers = ["IntegerConv", "IntegerConv", "IntegerConvAdd", "IntegerConvFloat"]
    assert sorted(found) == sorted([*layers, "QuantizeInput", "IntegerTable", "Transpose"])
    assert_same_codes(proto, net.samples())


@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_pair_on_one_side_of_what_moves_codes_is_enough(where):
    net = QuantizedNetwork((4, 8, 8))
    a = net.add("Relu", [net.quantized_conv(net.pair("x", 1 / 64, kind="int8"), (6, 4, 3, 3), "a", 5)])
    a = net.pair(a, 1 / 64) if where == "before" else a
    flat = net.add("Flatten", [net.add("MaxPool", [a], kernel_shape=[2, 2], strides=[2, 2])])
    flat = net.pair(flat, 1 / 64) if where == "behind" else flat
    weight = net.weight(net.random_codes(3, 5, 54), "fc")
    proto = net.gives(net.add("Gemm", [flat, weight], transB=1)).proto()
    packed = compile_model(proto)
    assert layers_of(packed) == {"a": ("IntegerConv", 5, 8), "fc": ("IntegerMatMulFloat", 3, 8)}
    assert "IntegerMaxPool" in [node.op_type for node in packed.graph.node]
    assert_same_codes(proto, net.samples())


def test_a_packed_network_of_mixed_bits_is_verified(tmp_path):
    net = residual_block((4, 3, 6), (3, 5))
    onnx.save(net.proto(), tmp_path / "q.onnx")
    result = compile_file(tmp_path / "q.onnx", tmp_path / "p.onnx")
    assert result.left_alone == ()
    assert [(layer.name, layer.bits, layer.codebooks) for layer in result.layers] == [
        *(("stem", 8, 0), ("a", 4, 0), ("b", 3, 0), ("fc", 6, 0)),
    ]
    assert verify_file(tmp_path / "p.onnx", inputs=net.samples(3)).passed


def test_moved_codes_of_another_scale_are_rounded_first():
    net = QuantizedNetwork((4, 8, 8))
    x = net.pair("x", 1 / 64, kind="int8")
    pooled = net.pair(net.add("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2]), 0.3, kind="int4")
    other = net.pair(net.quantized_conv(x, (3, 4, 2, 2), "a", strides=[2, 2]), 0.25, kind="int4")
    joined = net.pair(net.add("Concat", [pooled, other], axis=1), 0.2, kind="int4")
    proto = net.gives(net.quantized_conv(joined, (5, 7, 1, 1), "b")).proto()
    packed = compile_model(proto)
    assert {"IntegerMaxPool", "Concat"} <= {node.op_type for node in packed.graph.node}
    assert {op for op, _, _ in layers_of(packed).values()} == {"IntegerConvTable", "IntegerConvFloat"}
    assert_same_codes(proto, net.samples())


AGAIN = {"numbers cut": {"clip": (0, 1.5)}, "uint4": {"kind": "uint4"}, "codes cut": {"cut": (0, 15)}}


@pytest.mark.parametrize("name", sorted(AGAIN))
def test_codes_that_are_rounded_again_to_fewer_bits_are_a_table(name):
    net = QuantizedNetwork((4, 6, 6))
    a = net.pair(net.add("Relu", [net.quantized_conv(net.pair("x", 1 / 64), (4, 4, 1, 1), "a")]), 1 / 128)
    b = net.pair(net.quantized_conv(net.pair(a, 0.1, **AGAIN[name]), (4, 4, 1, 1), "b", 2), 1 / 64, 128)
    proto = net.gives(net.pair(net.add("Add", [a, b]), 1 / 64, 128)).proto()
    packed = compile_model(proto)
    assert layers_of(packed) == {"a": ("IntegerConv", 8, 8), "b": ("IntegerConv", 2, 4)}
    assert [node.op_type for node in packed.graph.node].count("IntegerTable") == 1
    assert_same_codes(proto, net.samples())


def test_rounding_twice_alike_is_nothing():
    net = QuantizedNetwork((4, 6, 6))
    twice = net.pair(net.pair("x", 1 / 64, kind="int8"), 1 / 64, kind="int8")
    proto = net.gives(net.quantized_conv(twice, (5, 4, 1, 1), "a")).proto()
    assert "IntegerTable" not in [node.op_type for node in compile_model(proto).graph.node]
    assert_same_codes(proto, net.samples())


def test_numbers_that_are_dequantized_with_another_scale():
    net = QuantizedNetwork((4, 6, 6))
    zero = net.codes_of("zero", "uint8", 0)
    codes = net.add("QuantizeLinear", ["x", net.number(0.01), zero])
    a = net.quantized_conv(net.add("DequantizeLinear", [codes, net.number(0.02), zero]), (5, 4, 1, 1), "a")
    proto = net.gives(a).proto()
    wanted, found = (run(model, net.samples()) for model in (proto, compile_model(proto)))
    np.testing.assert_allclose(found[a], wanted[a], rtol=0, atol=1e-5 * np.abs(wanted[a]).max())


class Once:
    """Sample inputs as onnxruntime wants them: all at once."""

    def __init__(self, samples):
        self.samples = [samples]

    def get_next(self):
        return self.samples.pop() if self.samples else None


def quantized_by_onnxruntime(network, folder, activations):
    onnx.save(network.proto(), folder / "float.onnx")
    quant_pre_process(str(folder / "float.onnx"), str(folder / "prepared.onnx"))
    quantize_static(
        str(folder / "prepared.onnx"),
        str(folder / "q.onnx"),
        Once(samples_of(network)),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=activations,
        weight_type=QuantType.QInt8,
    )
    return onnx.load(folder / "q.onnx")


ALL_INTEGER = [
    *("plain", "normalized", "residual_of_one_layer", "residual_of_two_layers", "concatenated", "depthwise", "grouped"),
    *("sigmoid", "one_axis", "option_a", "mean_over_axes", "attention"),
]


@pytest.mark.parametrize("activations", [QuantType.QUInt8, QuantType.QInt8], ids=["U8S8", "S8S8"])
@pytest.mark.parametrize("name", ALL_INTEGER)
def test_what_onnxruntime_quantized_is_all_integers(tmp_path, name, activations):
    network = NETWORKS[name]()
    proto = quantized_by_onnxruntime(network, tmp_path, activations)
    result = compile_file(tmp_path / "q.onnx", tmp_path / "p.onnx")
    assert all(layer.operator.startswith("Integer") for layer in result.layers)
    # There, a bias is added behind a pair.
    told = {node.name for node in proto.graph.node if node.op_type == "Add"} if name == "attention" else set()
    assert {layer for layer, _ in result.left_alone} <= told
    packed = onnx.load(tmp_path / "p.onnx")
    assert not {"Conv", "Gemm", "MatMul"} & {node.op_type for node in packed.graph.node}
    # Numbers between two codes are more often met where integers are added to integers.
    assert_same_codes(proto, samples_of(network, seed=2), ties=0.01)


def test_layers_and_tensors_without_a_pair_stay_float_and_are_told(tmp_path):
    net = QuantizedNetwork((4, 6, 6))
    x = net.pair("x", 1 / 64, kind="int8")
    a = net.quantized_conv(x, (4, 4, 3, 3), "a", pads=[1] * 4)
    b = net.quantized_conv(a, (4, 4, 1, 1), "b", 3)
    c = net.pair(net.add("Mul", [net.pair(b, 1 / 64, kind="int8"), a]), 1 / 64, kind="int8")
    d = net.conv(c, (4, 4, 1, 1), "d")
    proto = net.gives(d).proto()
    onnx.save(proto, tmp_path / "q.onnx")
    result = compile_file(tmp_path / "q.onnx", tmp_path / "p.onnx")
    assert [(layer.name, layer.operator) for layer in result.layers] == [
        ("a", "IntegerConvFloat"),
        ("b", "CodebookConv"),
    ]
    names = {node.op_type: node.name for node in proto.graph.node}
    reasons = dict(result.left_alone)
    assert list(reasons) == ["b", names["Mul"], names["Conv"]]
    assert a in reasons["b"]
    assert "is not quantized" in reasons[names["Conv"]]
    wanted, found = (run(model, net.samples()) for model in (proto, onnx.load(tmp_path / "p.onnx")))
    # One code of c, 1/64, through the 4 weights of d.
    assert np.abs(found[d] - wanted[d]).max() <= 4 / 64 * np.abs(net.tensors["d.weight"]).max()


def test_quantized_weights_alone_are_packed_for_floats():
    net = QuantizedNetwork((4, 6, 6))
    a = net.quantized_conv("x", (8, 4, 3, 3), "a", 3)
    proto = net.gives(a).proto()
    packed = compile_model(proto)
    assert layers_of(packed) == {"a": ("CodebookConv", 3, 32)}
    wanted, found = (run(model, net.samples()) for model in (proto, packed))
    # 36 products and a bias, each rounded.
    assert np.abs(found[a] - wanted[a]).max() <= 40 * 2.0**-24 * 36 * np.abs(wanted[a]).max()


def test_weights_that_cannot_be_adopted_are_told(tmp_path):
    net = QuantizedNetwork((12,))
    wide = net.weight(net.random_codes(8, 9, 12) + 128, "a", kind="uint8")
    a = net.add("Gemm", [net.pair("x", 1 / 64, kind="int8"), wide], transB=1)
    a = net.pair(a, 1.0, kind="int8")
    b = net.add("Gemm", [a, net.weight(net.random_codes(4, 5, 9), "b")], transB=1)
    proto = net.gives(b).proto()
    onnx.save(proto, tmp_path / "q.onnx")
    result = compile_file(tmp_path / "q.onnx", tmp_path / "p.onnx")
    assert [layer.operator for layer in result.layers] == ["IntegerMatMulFloat"]
    [(_, reason)] = result.left_alone
    assert "fit int8" in reason
    assert_same_codes(proto, net.samples())


def test_pairs_are_kept_where_sample_inputs_are_given_for_the_rest():
    net = QuantizedNetwork((4, 6, 6))
    a = net.quantized_conv(net.pair("x", 0.3, kind="int4"), (8, 4, 3, 3), "a", 3)
    proto = net.gives(net.quantized_conv(net.add("Relu", [a]), (5, 8, 1, 1), "b", 4)).proto()
    packed = compile_model(proto, integers=Integers(ArrayReader(net.samples(), 8), method=MinMax()))
    assert layers_of(packed) == {"a": ("IntegerConv", 3, 4), "b": ("IntegerConvFloat", 4, 8)}


def test_a_model_with_pairs_whose_weights_are_floats_is_told_so():
    net = QuantizedNetwork((4, 6, 6))
    proto = net.gives(net.conv(net.pair("x", 0.1), (4, 4, 1, 1), "a")).proto()
    with pytest.raises(ModelError, match="its weight is not quantized"):
        compile_model(proto)


def test_an_older_opset_is_raised():
    net = QuantizedNetwork((4, 6, 6), opset=17)
    proto = net.gives(net.quantized_conv(net.pair("x", 0.1), (4, 4, 1, 1), "a")).proto()
    assert layers_of(compile_model(proto)) == {"a": ("IntegerConvFloat", 8, 8)}


def test_an_older_opset_is_told_what_to_do():
    net = QuantizedNetwork((4, 6, 6), opset=13)
    x = net.quantized_conv(net.pair("x", 0.1), (4, 4, 1, 1), "a")
    proto = net.gives(net.add("ReduceMean", [x], axes=[2, 3])).proto()
    with pytest.raises(ModelError, match=r"opset is 13.*ReduceMean.*convert_version"):
        compile_model(proto)
    converted = onnx.version_converter.convert_version(proto, 18)
    assert layers_of(compile_model(converted)) == {"a": ("IntegerConvFloat", 8, 8)}


def test_bfloat16_is_refused_for_what_is_quantized():
    net = QuantizedNetwork((4, 6, 6))
    proto = net.gives(net.quantized_conv(net.pair("x", 0.3, kind="int4"), (8, 4, 3, 3), "a", 3)).proto()
    with pytest.raises(QCompileError, match="the model quantizes them"):
        compile_model(proto, bfloat16=True)
