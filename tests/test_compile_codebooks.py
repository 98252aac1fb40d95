"""Compiling a float model without sample inputs: weights become lookups, activations stay floats."""

import numpy as np
import onnx
import onnxruntime
import pytest

from qcompile.codebooks import CodebookWeights, GridWeights
from qcompile.compiler import DynamicIntegers, compile_file, compile_model
from qcompile.errors import ModelError, QCompileError
from qcompile.packed_model import packed_layers
from qcompile.verification import verify_file
from tests.networks import NETWORKS
from tests.quantizing import samples_of

WAYS = [GridWeights, *(lambda bits, per=per: CodebookWeights(bits, per) for per in ("tensor", "scaled", "channel"))]


def run(model, feeds):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)


@pytest.mark.parametrize("bits", range(1, 9))
def test_a_layer_has_the_bits_that_were_asked_for_or_fewer_where_few_numbers_differ(bits):
    layers = packed_layers(compile_model(NETWORKS["plain"]().proto(), weights=CodebookWeights(bits)))
    assert max(layer.bits for layer in layers) == bits
    assert {layer.activation_bits for layer in layers} == {32}


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("per", ["scaled", "channel"])
def test_every_network_stays_near_the_float_one(name, per):
    network = NETWORKS[name]()
    before, feeds = network.proto(), samples_of(network)
    after = compile_model(before, weights=CodebookWeights(6, per))
    onnx.checker.check_model(after, full_check=True)
    for wanted, found in zip(run(before, feeds), run(after, feeds), strict=True):
        assert np.abs(found - wanted).max() <= 0.1 * np.abs(wanted).max() + 1e-6


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_run_the_file_gives_the_same_numbers(tmp_path, way):
    onnx.save(NETWORKS["plain"]().proto(), tmp_path / "float.onnx")
    compile_file(tmp_path / "float.onnx", tmp_path / "packed.onnx", weights=way(3))
    assert verify_file(tmp_path / "packed.onnx").passed


def test_without_them_a_float_model_is_told_what_it_needs():
    with pytest.raises(ModelError, match="A float model needs --bits, or sample inputs"):
        compile_model(NETWORKS["plain"]().proto())


def test_a_model_without_layers_has_nothing_to_pack():
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)
    with pytest.raises(ModelError, match="and no Gather of rows of a constant table, that can be packed"):
        compile_model(model, weights=CodebookWeights(4))


def test_they_are_not_for_integers():
    with pytest.raises(QCompileError, match="weights are for layers whose activations stay floats"):
        compile_model(NETWORKS["plain"]().proto(), integers=DynamicIntegers(), weights=CodebookWeights(4))


def test_what_stays_float_is_told(tmp_path):
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [
                onnx.helper.make_node("MatMul", ["x", "w"], ["a"], name="packed"),
                onnx.helper.make_node("MatMul", ["a", "v"], ["y"], name="half"),
            ],
            "g",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 4])],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 4])],
            [
                onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32), "w"),
                onnx.numpy_helper.from_array(np.full((4, 4), np.inf, np.float32), "v"),
            ],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 20)],
        ir_version=9,
    )
    onnx.save(model, tmp_path / "m.onnx")
    result = compile_file(tmp_path / "m.onnx", tmp_path / "p.onnx", weights=CodebookWeights(2))
    assert [layer.name for layer in result.layers] == ["packed"]
    assert result.left_alone == (("half", "its weight has a value that is not finite"),)
