import json

import numpy as np
import onnx
import onnx.helper
import onnx_ir as ir
import onnxruntime
import pytest

import qcompile
from qcompile.compile_result import CompiledLayer, CompileResult
from qcompile.compiler import compile_file, compile_model
from qcompile.errors import ModelError, QCompileError
from qcompile.ops import decode_weight
from qcompile.reference import evaluate

PLAN = json.dumps({"layers": [{"name": "conv", "bits": 3}]})


class Exported:
    """A network as an exporter writes it: conv, normalization, Relu, depthwise conv, Flatten, two products."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.nodes, self.tensors, self.weights = [], {}, {}
        self.lookup("conv", (4, 2, 3, 3), 5, groups=1)
        self.add("Conv", ["x", "conv.weight"], "a", pads=[1, 1, 1, 1])
        for name in ("gamma", "beta", "mean", "variance"):
            self.tensors[name] = self.rng.uniform(0.5, 2, 4).astype(np.float32)
        self.add("BatchNormalization", ["a", "gamma", "beta", "mean", "variance"], "b")
        self.add("Relu", ["b"], "c")
        self.lookup("depthwise", (4, 1, 3, 3), 3, groups=4)
        self.constant("depthwise.bias", (4,))
        self.add("Conv", ["c", "depthwise.weight", "depthwise.bias"], "d", group=4, strides=[2, 2])
        self.add("Flatten", ["d"], "e")
        self.lookup("fc1", (6, 16), 16, groups=2)
        self.constant("fc1.bias", (6,))
        self.add("Gemm", ["e", "fc1.weight", "fc1.bias"], "f", transB=1)
        self.lookup("fc2", (6, 5), 2, groups=1)
        self.constant("fc2.bias", (5,))
        self.add("MatMul", ["f", "fc2.weight"], "g")
        self.add("Add", ["g", "fc2.bias"], "y")

    def add(self, op_type, inputs, output, **attributes):
        node = onnx.helper.make_node(op_type, inputs, [output], name=f"node_{output}", **attributes)
        node.metadata_props.add(key="stack", value="File somewhere")
        self.nodes.append(node)

    def constant(self, name, shape):
        self.tensors[name] = self.rng.standard_normal(shape).astype(np.float32)

    def lookup(self, layer, shape, entries, groups):
        codebook = np.sort(self.rng.standard_normal((groups, entries)).astype(np.float32))
        indices = self.rng.integers(0, entries, (groups, int(np.prod(shape)) // groups)).astype(np.int32)
        name = f"{layer}.weight"
        self.weights[layer] = np.take_along_axis(codebook, indices, axis=1).reshape(shape)
        self.tensors[f"{name}.codebook"] = codebook[0] if groups == 1 else codebook
        self.tensors[f"{name}.indices"] = indices.reshape(shape) if groups == 1 else indices
        names = [f"{name}.codebook", f"{name}.indices"]
        if groups == 1:
            self.add("Gather", names, name)
        else:
            self.tensors[f"{name}.shape"] = np.array(shape)
            self.add("GatherElements", names, f"{name}.flat", axis=1)
            self.add("Reshape", [f"{name}.flat", f"{name}.shape"], name)

    def proto(self, opset=18):
        value = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            self.nodes,
            "exported",
            [value("x", 1, ["batch", 2, 5, 5])],
            [value("y", 1, ["batch", 5])],
            [onnx.numpy_helper.from_array(array, name) for name, array in self.tensors.items()],
        )
        model = onnx.helper.make_model(graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", opset)])
        model.metadata_props.add(key="qcompile.plan", value=PLAN)
        return model


@pytest.fixture
def exported():
    return Exported()


@pytest.fixture
def source(exported, tmp_path):
    path = tmp_path / "exported.onnx"
    onnx.save(exported.proto(), path)
    return path


def metadata(model):
    return {entry.key: entry.value for entry in model.metadata_props}


def arrays(model):
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_a_compiled_file_computes_what_the_exported_one_does(exported, source, tmp_path):
    target = tmp_path / "packed.onnx"
    compile_file(source, target)
    model = onnx.load(target)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == [
        *("CodebookConv", "Relu", "CodebookConv", "Flatten"),
        *("CodebookMatMul", "CodebookMatMul"),
    ]
    x = np.random.default_rng(1).standard_normal((3, 2, 5, 5)).astype(np.float32)
    before, after = evaluate(exported.proto(), {"x": x})["y"], evaluate(model, {"x": x})["y"]
    bound = before.error + after.error  # each model's own rounding; about 1e-4 of the largest value here
    assert (bound <= 1e-3 * np.abs(before.value).max()).all()
    assert (np.abs(after.value - before.value) <= bound).all()
    for path in (source, target):
        [found] = onnxruntime.InferenceSession(path).run(None, {"x": x})
        assert (np.abs(found - before.value) <= bound).all()


def test_every_weight_is_the_same_float(exported, source, tmp_path):
    compile_file(source, tmp_path / "packed.onnx")
    model = onnx.load(tmp_path / "packed.onnx")
    packed = arrays(model)
    for node in [node for node in model.graph.node if node.domain == "qcompile"]:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        assert list(node.input[1:3]) == [f"{node.name}.weight.indices", f"{node.name}.weight.codebook"]
        found = decode_weight(
            packed[node.input[1]], packed[node.input[2]], attributes["bits"], attributes["weight_shape"]
        )
        wanted = exported.weights[node.name]
        np.testing.assert_array_equal(found, wanted.T if node.name == "fc2" else wanted)


def test_names_and_metadata_are_those_of_the_contract(source, tmp_path):
    compile_file(source, tmp_path / "packed.onnx")
    model = onnx.load(tmp_path / "packed.onnx")
    assert model.ir_version == 8
    assert metadata(model) == {
        "qcompile.plan": PLAN,
        "qcompile.version": qcompile.__version__,
        "qcompile.format_version": "1",
    }
    inputs = {node.name: list(node.input[3:]) for node in model.graph.node if node.domain == "qcompile"}
    assert inputs == {
        "conv": ["conv.weight.scale", "conv.bias"],
        "depthwise": ["absent", "depthwise.bias"],
        "fc1": ["absent", "fc1.bias"],
        "fc2": ["absent", "fc2.bias"],
    }
    assert not model.graph.value_info
    assert not any(node.metadata_props for node in model.graph.node)
    assert {function.name for function in model.functions} == {"CodebookConv", "CodebookMatMul"}


def test_the_result_says_what_each_layer_became(source, tmp_path):
    result = compile_file(source, tmp_path / "packed.onnx")
    assert result.layers == (
        CompiledLayer("conv", "CodebookConv", (4, 2, 3, 3), 3, 1, 0, 27 + 32),
        CompiledLayer("depthwise", "CodebookConv", (4, 1, 3, 3), 2, 4, 0, 9 + 64),
        CompiledLayer("fc1", "CodebookMatMul", (6, 16), 4, 2, 0, 48 + 128),
        CompiledLayer("fc2", "CodebookMatMul", (5, 6), 1, 1, 0, 4 + 8),
    )
    assert result.left_alone == ()
    assert result.source_bytes == source.stat().st_size
    assert result.target_bytes == (tmp_path / "packed.onnx").stat().st_size
    assert result.as_text().splitlines()[0] == "conv: CodebookConv 4x2x3x3, 3-bit, 1 codebook, 59 bytes"
    assert result.as_text().splitlines()[-1] == f"{result.source_bytes} bytes -> {result.target_bytes} bytes"


def test_the_result_says_why_a_layer_was_left_alone(exported, tmp_path):
    exported.nodes[-1].input[0] = "h"
    exported.lookup("odd", (5, 5), 4, groups=1)
    exported.add("MatMul", ["g", "odd.weight"], "h")
    exported.add("Mul", ["odd.weight", "odd.weight"], "unused")
    exported.nodes.insert(-4, exported.nodes.pop(-4))
    product = exported.nodes.index(next(node for node in exported.nodes if node.output[0] == "y"))
    exported.nodes.append(exported.nodes.pop(product))
    exported.nodes = [node for node in exported.nodes if node.output[0] != "unused"]
    exported.nodes[-2].CopyFrom(onnx.helper.make_node("Gemm", ["odd.weight", "g"], ["h"], name="odd_product", transB=1))
    onnx.save(exported.proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "packed.onnx")
    assert result.left_alone == (("odd_product", "the codebook weight is its left operand"),)
    assert "odd_product: left alone: the codebook weight is its left operand" in result.as_text()


def test_a_name_cannot_steer_the_terminal():
    layer = CompiledLayer("fc\x1b[2J\n", "CodebookMatMul", (2, 3), 1, 2, 0, 9)
    text = CompileResult((layer,), (("a\x1b", "because"),), 10, 5).as_text()
    assert text.splitlines() == [
        "fc?[2J?: CodebookMatMul 2x3, 1-bit, 2 codebooks, 9 bytes",
        "a?: left alone: because",
        "10 bytes -> 5 bytes",
    ]


def test_functions_can_be_left_out(source, tmp_path):
    with_functions = compile_file(source, tmp_path / "a.onnx").target_bytes
    without = compile_file(source, tmp_path / "b.onnx", functions=False).target_bytes
    model = onnx.load(tmp_path / "b.onnx")
    assert not model.functions
    assert with_functions - without > 2000
    assert model.graph == onnx.load(tmp_path / "a.onnx").graph


def test_compiling_twice_gives_the_same_bytes(source, tmp_path):
    for name in ("a", "b"):
        compile_file(source, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_compile_model_gives_the_kind_it_takes_and_changes_nothing(exported):
    proto = exported.proto()
    before = proto.SerializeToString()
    compiled = compile_model(proto)
    assert isinstance(compiled, onnx.ModelProto)
    assert proto.SerializeToString() == before
    model = ir.from_proto(proto)
    again = compile_model(model)
    assert isinstance(again, ir.Model)
    assert ir.to_proto(again) == compiled
    assert [node.op_type for node in model.graph] == [node.op_type for node in proto.graph.node]
    assert ir.to_proto(model) == ir.to_proto(ir.from_proto(proto))


def test_no_plan_stays_no_plan(exported):
    proto = exported.proto()
    del proto.metadata_props[:]
    assert set(metadata(compile_model(proto))) == {"qcompile.version", "qcompile.format_version"}


def test_refuses_a_compiled_model(source, tmp_path):
    compile_file(source, tmp_path / "packed.onnx")
    with pytest.raises(ModelError, match=r"compiled already\. Compile the exported model instead"):
        compile_file(tmp_path / "packed.onnx", tmp_path / "again.onnx")
    assert not (tmp_path / "again.onnx").exists()


def test_refuses_a_model_without_codebook_weights(packed_model, float_path, tmp_path):
    with pytest.raises(
        ModelError, match=r"no codebook weight\. Looked for MatMul, Gemm, Conv or Gather .*Gather\(codebook"
    ):
        compile_file(float_path, tmp_path / "packed.onnx")


def test_refuses_a_model_where_no_weight_can_be_packed(tmp_path):
    text = """<ir_version: 8, opset_import: ["" : 18]>
    g (float[3, 2] x) => (float[2, 2] y) <float[2] c = {-1.0, 1.0}, int64[3, 2] i = {0, 1, 1, 0, 0, 1}>
    { w = Gather (c, i)  y = Gemm <transA = 1> (x, w) }"""
    with pytest.raises(ModelError, match=r"no codebook weight of the model can be packed\. y: transA is 1"):
        compile_model(onnx.parser.parse_model(text))


def test_an_old_opset_is_raised_for_functions_alone(exported):
    assert compile_model(exported.proto(17)).opset_import[0].version == 18
    kept = compile_model(exported.proto(17), functions=False)
    assert (kept.opset_import[0].version, len(kept.functions)) == (17, 0)


def test_refuses_an_old_opset_where_a_node_means_something_else(exported):
    exported.add("Softmax", ["y"], "z")
    proto = exported.proto(12)
    proto.graph.output[0].name = "z"
    with pytest.raises(ModelError, match=r"opset is 12.*Softmax may mean something else"):
        compile_model(proto)


def test_refuses_a_file_that_is_no_model(tmp_path):
    (tmp_path / "e.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"e\.onnx: not an ONNX model"):
        compile_file(tmp_path / "e.onnx", tmp_path / "packed.onnx")


def test_a_target_that_cannot_be_written_is_one_line(source, tmp_path):
    with pytest.raises(QCompileError, match=r"packed\.onnx: cannot be written: No such file or directory"):
        compile_file(source, tmp_path / "missing" / "packed.onnx")


def test_damage_anywhere_is_an_error_of_ours_or_another_valid_model(source, tmp_path):
    """Bytes changed at random: compiling never fails in another way, and never writes half a file."""
    whole, rng = source.read_bytes(), np.random.default_rng(3)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), 3):
            damaged[position] = rng.integers(0, 256)
        (tmp_path / "damaged.onnx").write_bytes(damaged)
        try:
            compile_file(tmp_path / "damaged.onnx", tmp_path / "packed.onnx")
        except QCompileError:
            refused += 1
    assert refused > 30
