"""Layers that a user wants to stay float, in each way to round."""

import numpy as np
import onnx
import onnxruntime
import pytest

from qcompile.allocation import Choice, allocate_bits, layer_names_of, read_target, verify_plan
from qcompile.calibration import ArrayReader
from qcompile.codebooks import CodebookWeights
from qcompile.compiler import DynamicIntegers, Integers, LayerChoice, compile_file, compile_model
from qcompile.errors import DataError, ModelError, QCompileError
from qcompile.packed_model import packed_layers
from tests.allocation.network import uneven
from tests.network import Network
from tests.networks import NETWORKS

WAYS = ("codebooks", "samples", "dynamic")


def options(way, network):
    if way == "codebooks":
        return {"weights": CodebookWeights(4, "scaled")}
    if way == "dynamic":
        return {"integers": DynamicIntegers(weight_bits=4)}
    return {"integers": Integers(ArrayReader(network.samples(8), 8), weight_bits=4)}


def compiled(network, way, **choice):
    return compile_model(network.proto(), **options(way, network), layers=LayerChoice(**choice))


def told(network, path, way, **choice):
    onnx.save(network.proto(), path / "float.onnx")
    found = compile_file(
        path / "float.onnx", path / "packed.onnx", **options(way, network), layers=LayerChoice(**choice)
    )
    return [layer.name for layer in found.layers], list(found.left_alone)


def floats(model):
    """The names of the float weights of two axes or more that are in the file."""
    stored = [tensor for tensor in model.graph.initializer if tensor.data_type == 1 and len(tensor.dims) > 1]
    return {tensor.name for tensor in stored if tensor.name.endswith(".weight")}


@pytest.mark.parametrize("way", WAYS)
def test_an_excluded_layer_stays_float_and_is_told(way, tmp_path):
    packed, left = told(NETWORKS["plain"](), tmp_path, way, exclude=("c",))
    assert packed == (["d"] if way == "dynamic" else ["a", "b", "d"])
    assert ("c", "excluded") in left
    assert [name for name, _ in left].count("c") == 1
    assert "c.weight" in floats(onnx.load(tmp_path / "packed.onnx"))


def test_what_an_excluded_layer_reads_and_gives_is_no_codes():
    network = NETWORKS["plain"]()
    model = compiled(network, "samples", exclude=("b",))
    [conv] = [node for node in model.graph.node if node.op_type == "Conv"]
    assert [node.op_type for node in model.graph.node if conv.input[0] in node.output] == ["Relu"]
    assert [node.op_type for node in model.graph.node if conv.output[0] in node.input] == ["QuantizeInput"]
    feeds = network.samples(8)
    [wanted], [found] = (
        onnxruntime.InferenceSession(each.SerializeToString()).run(None, feeds) for each in (network.proto(), model)
    )
    # Half a step of the 16 of 4 bits, for each of the three rounded layers.
    assert np.abs(found - wanted).max() <= 3 / 16 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("choice", "packed"),
    [
        ({"exclude": ("[ab]",)}, ["c", "d"]),
        ({"exclude": ("node_conv0", "d")}, ["b", "c"]),
        ({"include": ("a", "d")}, ["a", "d"]),
        ({"include": ("?",), "exclude": ("d",)}, ["a", "b", "c"]),
        ({"operators": ("Conv",)}, ["a", "b"]),
        ({"operators": ("Gemm", "MatMul"), "exclude": ("c",)}, ["d"]),
    ],
)
def test_layers_are_chosen_by_patterns_of_names_and_by_operators(choice, packed):
    found = compiled(NETWORKS["plain"](), "samples", **choice)
    assert [layer.name for layer in packed_layers(found)] == packed


def test_a_layer_left_out_by_a_rule_is_told_with_the_rule(tmp_path):
    _, left = told(NETWORKS["plain"](), tmp_path, "codebooks", include=("a", "c"), operators=("Conv",))
    assert dict(left) == {
        "b": "excluded: not among the layers to quantize",
        "c": "excluded: Gemm is not among the operators to quantize",
        "d": "excluded: not among the layers to quantize",
    }


def test_products_of_activations_can_be_excluded(tmp_path):
    network = NETWORKS["attention"]()
    before = [node.name for node in network.nodes if node.op_type == "MatMul" and node.input[1] not in network.tensors]
    packed, left = told(network, tmp_path, "samples", exclude=tuple(before))
    assert packed == ["query", "value", "key", "join"]
    assert left == [(name, "excluded") for name in before]
    kinds = [node.op_type for node in onnx.load(tmp_path / "packed.onnx").graph.node]
    assert not [kind for kind in kinds if kind.startswith("IntegerProduct")]


def test_tables_and_stored_weights_can_be_excluded(tmp_path):
    network = Network((8, 6))
    ids = network.add("Cast", [network.add("Abs", ["x"])], to=onnx.TensorProto.INT64)
    rows = network.add("Gather", [network.random("words.weight", 30, 16), ids])
    flat = network.add("Reshape", [rows, network.sizes(-1, 6 * 16, 8)])
    wide = network.add("ConvTranspose", [flat, network.random("up.weight", 96, 6, 2)])
    network.gives(network.matmul(wide, (9, 20), "head"))
    packed, left = told(network, tmp_path, "codebooks", exclude=("words", "up"))
    assert packed == ["head"]
    assert left == [("words", "excluded"), ("up", "excluded")]


def test_of_readers_of_one_weight_each_is_chosen_by_its_own_name(tmp_path):
    network = Network((6,))
    weight = network.random("a.weight", 6, 6)
    network.gives(network.add("MatMul", [network.add("Relu", [network.add("MatMul", ["x", weight])]), weight]))
    packed, left = told(network, tmp_path, "codebooks", exclude=("a_1",))
    assert packed == ["a"]
    assert left == [("a_1", "excluded")]


@pytest.mark.parametrize("way", WAYS)
def test_a_pattern_that_matches_nothing_is_an_error_with_near_names(way):
    with pytest.raises(DataError, match=r"layers to exclude: 'cc' matches no layer .* near it are c"):
        compiled(NETWORKS["plain"](), way, exclude=("cc",))
    with pytest.raises(DataError, match="layers to quantize: 'conv_x' matches no layer"):
        compiled(NETWORKS["plain"](), way, include=("conv_x",))
    with pytest.raises(DataError, match="operators to quantize: 'Softmax' is none that has weights; wanted some of"):
        compiled(NETWORKS["plain"](), way, operators=("Softmax",))


def test_where_nothing_is_rounded_there_is_nothing_to_choose():
    with pytest.raises(QCompileError, match="here none are"):
        compile_model(NETWORKS["codebooks"]().proto(), layers=LayerChoice(exclude=("a",)))


def test_all_excluded_is_an_error_that_tells_all():
    with pytest.raises(ModelError, match=r"a: excluded\. b: excluded"):
        compiled(NETWORKS["plain"](), "samples", exclude=("*",))


def test_excluded_layers_are_no_layers_of_a_plan(tmp_path):
    network = uneven()
    onnx.save(network.proto(), tmp_path / "float.onnx")
    layers = LayerChoice(exclude=("weak",))
    assert layer_names_of(tmp_path / "float.onnx") == ["strong", "weak"]
    assert layer_names_of(tmp_path / "float.onnx", layers) == ["strong"]
    integers = Integers(ArrayReader(network.samples(20), 20))
    choice = Choice(widths=(2, 4), layers=layers)
    found = allocate_bits(tmp_path / "float.onnx", integers, read_target("bits=4"), choice)
    assert {name: bits.weight for name, bits in found.plan.items()} == {"strong": 4}
    done = compile_file(
        tmp_path / "float.onnx", tmp_path / "packed.onnx", integers=found.integers(), layers=found.layers
    )
    assert [layer.name for layer in done.layers] == ["strong"]
    assert verify_plan(tmp_path / "float.onnx", tmp_path / "packed.onnx", found).chosen.plan == found.plan
