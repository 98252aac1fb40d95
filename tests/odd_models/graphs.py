"""Odd graphs around one or two layers, each made by a few lines; ``way`` decides the kind of weight."""

import numpy as np
import onnx
from onnx import helper

from tests.odd_models.models import FLOAT, Odd, dense

DEPTH = 5000  # of a chain of nodes: more than Python's recursion has


def cyclic(way):
    odd = Odd()
    odd.add("Add", [odd.takes("x"), "b"], "a")
    odd.add("MatMul", ["a", odd.weight(way, 4, 4)], "b")
    return odd.gives("b").proto()


def reads_itself(way):
    odd = dense(way).gives()
    odd.add("Add", ["z", "y"], "z")
    return odd.proto()


def empty(way):
    return Odd().proto()


def no_nodes(way):
    odd = Odd()
    odd.takes("x")
    return odd.gives("x", ["batch", 4]).proto()


def only_an_initializer_out(way):
    odd = Odd()
    odd.constant("c", [1, 2])
    return odd.gives("c", [2]).proto()


def no_outputs(way):
    return dense(way).proto()


def output_nobody_computes(way):
    return dense(way).gives().gives("z").proto()


def output_twice(way):
    return dense(way).gives().gives().proto()


def output_that_is_an_input(way):
    return dense(way).gives().gives("x", ["batch", 4]).proto()


def output_that_is_the_weight(way):
    return dense(way).gives().gives("w.weight", [4, 3]).proto()


def nodes_of_one_name(way):
    odd = Odd()
    odd.add("MatMul", [odd.takes("x"), odd.weight(way, 4, 4, name="a")], "h", name="same")
    odd.add("MatMul", ["x", odd.weight(way, 4, 4, name="b")], "y", name="same")
    return odd.gives("h").gives("y").proto()


def nodes_without_names(way):
    odd = dense(way).gives()
    for node in odd.nodes:
        node.ClearField("name")
    return odd.proto()


def tensors_of_one_name(way):
    odd = dense(way)
    odd.add("Neg", ["x"], "y", name="other")
    return odd.gives().proto()


def initializers_of_one_name(way):
    model = dense(way).gives().proto()
    model.graph.initializer.append(model.graph.initializer[0])
    return model


def inputs_of_one_name(way):
    odd = dense(way).gives()
    odd.takes("x")
    return odd.proto()


def node_named_as_a_new_tensor(way):
    """What compiling would call its own tensors is there already."""
    odd = dense(way).gives()
    for name in ("w.weight.scale", "absent", "w.bias", "w", "qcompile"):
        odd.add("Neg", ["x"], name if name != "w.bias" else "w.bias")
        odd.gives(name, ["batch", 4])
    return odd.proto()


def batch_zero(way):
    odd = Odd()
    odd.add("MatMul", [odd.takes("x", (0, 4)), odd.weight(way, 4, 3)], "y")
    return odd.gives().proto()


def channels_zero(way):
    odd = Odd()
    odd.add("MatMul", [odd.takes("x", (2, 0)), odd.weight(way, 0, 3)], "y")
    return odd.gives().proto()


def outputs_zero(way):
    odd = Odd()
    odd.add("MatMul", [odd.takes("x"), odd.weight(way, 4, 0)], "y")
    return odd.gives().proto()


def empty_beside_a_layer(way):
    """A layer without outputs beside one that can be packed."""
    odd = dense(way).gives()
    odd.add("MatMul", ["x", odd.weight(way, 4, 0, name="empty")], "z")
    return odd.gives("z").proto()


def every_axis_free(way):
    odd = Odd()
    odd.add("MatMul", [odd.takes("x", ("a", 4)), odd.weight(way, 4, 3)], "h")
    odd.add("Relu", ["h"], "y")
    odd.gives("y", ["c", "d"])
    return odd.proto()


def free_axes_of_an_image(way):
    odd = Odd()
    odd.add("Conv", [odd.takes("x", ("n", 3, "h", "w")), odd.weight(way, 5, 3, 1, 1)], "h")
    odd.add("Relu", ["h"], "y")
    return odd.gives("y").proto()


def no_shape(way):
    odd = dense(way).gives()
    odd.inputs[0].type.tensor_type.ClearField("shape")
    return odd.proto()


def symbols_alike(way):
    """All axes have one name, though their sizes differ."""
    odd = Odd()
    odd.takes("x", ("n", 4)), odd.takes("z", ("n", 3))
    odd.add("MatMul", ["x", odd.weight(way, 4, 3)], "h")
    odd.add("Add", ["h", "z"], "y")
    return odd.gives("y", ["n", "n"]).proto()


def symbols_named_as_tensors(way):
    odd = Odd()
    odd.add("MatMul", [odd.takes("x", ("x", 4)), odd.weight(way, 4, 3)], "y")
    return odd.gives("y", ["y", 3]).proto()


def huge_value_info(way):
    info = helper.make_tensor_value_info("h", FLOAT, [2**40, 2**40])
    odd = Odd()
    odd.add("MatMul", [odd.takes("x"), odd.weight(way, 4, 3)], "h")
    odd.add("Relu", ["h"], "y")
    return odd.gives().proto(value_info=[info])


def wrong_value_info(way):
    info = helper.make_tensor_value_info("h", onnx.TensorProto.INT64, [7])
    odd = Odd()
    odd.add("MatMul", [odd.takes("x"), odd.weight(way, 4, 3)], "h")
    odd.add("Relu", ["h"], "y")
    return odd.gives().proto(value_info=[info])


def negative_size_of_an_input(way):
    odd = Odd()
    odd.add("MatMul", [odd.takes("x", (-1, 4)), odd.weight(way, 4, 3)], "y")
    return odd.gives().proto()


def huge_input(way):
    odd = Odd()
    odd.add("MatMul", [odd.takes("x"), odd.weight(way, 4, 3)], "y")
    odd.takes("big", (2**40, 2**20))
    return odd.gives().proto()


def huge_reshape(way):
    odd = Odd()
    odd.constant("shape", [2**40, 2**40], np.int64)
    odd.add("MatMul", [odd.takes("x"), odd.weight(way, 4, 3)], "h")
    odd.add("Reshape", ["h", "shape"], "y")
    return odd.gives().proto()


def huge_expand(way):
    odd = Odd()
    odd.constant("shape", [2**20, 2**20, 2**10], np.int64)
    odd.constant("one", [[[1]]])
    odd.add("Expand", ["one", "shape"], "big")
    odd.add("MatMul", [odd.takes("x"), odd.weight(way, 4, 3)], "y")
    return odd.gives().gives("big").proto()


def unused_initializers(way):
    odd = dense(way).gives()
    odd.constant("unused", np.zeros(1000))
    return odd.proto()


def unused_nodes(way):
    odd = dense(way).gives()
    odd.add("MatMul", ["x", odd.weight(way, 4, 3, name="unread")], "dead")
    return odd.proto()


def empty_optional_input(way):
    odd = Odd()
    odd.add("Gemm", [odd.takes("x"), odd.weight(way, 4, 3), ""], "h")
    odd.add("Clip", ["h", "", ""], "y")
    return odd.gives().proto()


def empty_optional_bias_of_a_convolution(way):
    odd = Odd()
    odd.add("Conv", [odd.takes("x", ("n", 3, 2, 2)), odd.weight(way, 5, 3, 1, 1), ""], "y")
    return odd.gives().proto()


def empty_optional_output(way):
    odd = dense(way)
    odd.add("Dropout", ["y"], ["z", ""])
    return odd.gives("z").proto()


def several_inputs_and_outputs(way):
    odd = Odd()
    odd.takes("x"), odd.takes("z", ("other", 3)), odd.takes("unread", (5,), onnx.TensorProto.INT64)
    odd.add("MatMul", ["x", odd.weight(way, 4, 3)], "y")
    odd.add("Neg", ["z"], "n")
    return odd.gives("y").gives("n").gives("z", ["other", 3]).proto()


def strings(way):
    odd = dense(way).gives()
    odd.takes("text", (2,), onnx.TensorProto.STRING)
    odd.add("Identity", ["text"], "same")
    odd.gives("same", [2], onnx.TensorProto.STRING)
    odd.tensors["word"] = helper.make_tensor("word", onnx.TensorProto.STRING, [1], [b"\xc3\xa9"])
    odd.add("Identity", ["word"], "known")
    return odd.gives("known", [1], onnx.TensorProto.STRING).proto()


def sequences(way):
    odd = Odd()
    odd.add("MatMul", [odd.takes("x"), odd.weight(way, 4, 3)], "y")
    odd.add("SequenceConstruct", ["x", "x"], "s")
    odd.constant("zero", 0, np.int64)
    odd.add("SequenceAt", ["s", "zero"], "first")
    return odd.gives("y").gives("first", ["batch", 4]).proto()


def optional_input(way):
    odd = dense(way).gives()
    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(FLOAT, [2]))
    odd.inputs.append(helper.make_value_info("maybe", kind))
    odd.add("OptionalHasElement", ["maybe"], "has")
    return odd.gives("has", [], onnx.TensorProto.BOOL).proto()


def input_without_type(way):
    odd = dense(way).gives()
    odd.inputs.append(onnx.ValueInfoProto(name="untyped"))
    return odd.proto()


def own_domain_beside_a_layer(way):
    odd = dense(way)
    odd.opsets["com.example"] = 1
    odd.add("Mystery", ["y"], "z", domain="com.example", secret=3)
    return odd.gives("z").proto()


def operator_of_onnxruntime_beside_a_layer(way):
    odd = dense(way)
    odd.opsets["com.microsoft"] = 1
    odd.add("FastGelu", ["y"], "z", domain="com.microsoft")
    return odd.gives("z", ["batch", 3]).proto()


def standard_operator_that_does_not_exist(way):
    odd = dense(way)
    odd.add("Mystery", ["y"], "z")
    return odd.gives("z").proto()


def domain_not_imported(way):
    odd = dense(way)
    odd.add("Mystery", ["y"], "z", domain="com.example")
    return odd.gives("z").proto()


def standard_domain_by_its_long_name(way):
    odd = Odd()
    odd.opsets = {"ai.onnx": 18}
    odd.takes("x")
    odd.nodes.append(helper.make_node("MatMul", ["x", odd.weight(way, 4, 3)], ["y"], name="n", domain="ai.onnx"))
    return odd.gives().proto()


def opset_zero(way):
    return dense(way, 0).gives().proto()


def opset_of_the_future(way):
    return dense(way, 99).gives().proto()


def opsets_twice(way):
    model = dense(way).gives().proto()
    model.opset_import.append(helper.make_opsetid("", 13))
    return model


def opset_absent(way):
    odd = dense(way).gives()
    odd.opsets = {"com.example": 1}
    return odd.proto()


def ir_version_zero(way):
    odd = dense(way).gives()
    odd.ir_version = 0
    return odd.proto()


def ir_version_of_the_future(way):
    odd = dense(way).gives()
    odd.ir_version = 99
    return odd.proto()


def branch(odd, weight):
    nodes = [helper.make_node("MatMul", ["x", weight], ["in_branch"], name="inside")]
    return helper.make_graph(nodes, "branch", [], [helper.make_tensor_value_info("in_branch", FLOAT, None)])


def layers_in_a_branch(way):
    """The weight of the layer in the branch is the outer graph's."""
    odd = dense(way)
    inside = branch(odd, odd.weight(way, 4, 3, name="inner.weight"))
    odd.constant("yes", True, np.bool_)
    odd.takes("choice", (), onnx.TensorProto.BOOL)
    odd.add("If", ["choice"], "z", then_branch=inside, else_branch=inside)
    return odd.gives().gives("z").proto()


def only_layers_in_a_branch(way):
    odd = Odd()
    odd.takes("x")
    inside = branch(odd, odd.weight(way, 4, 3))
    odd.takes("choice", (), onnx.TensorProto.BOOL)
    odd.add("If", ["choice"], "z", then_branch=inside, else_branch=inside)
    return odd.gives("z").proto()


def branch_reads_the_weight_of_a_layer(way):
    odd = dense(way)
    inside = branch(odd, "w.weight")
    odd.takes("choice", (), onnx.TensorProto.BOOL)
    odd.add("If", ["choice"], "z", then_branch=inside, else_branch=inside)
    return odd.gives().gives("z").proto()


def branch_reads_what_a_layer_gives(way):
    odd = dense(way)
    nodes = [helper.make_node("Neg", ["y"], ["in_branch"], name="inside")]
    inside = helper.make_graph(nodes, "branch", [], [helper.make_tensor_value_info("in_branch", FLOAT, None)])
    odd.takes("choice", (), onnx.TensorProto.BOOL)
    odd.add("If", ["choice"], "z", then_branch=inside, else_branch=inside)
    return odd.gives("z").proto()


def branch_names_as_outside(way):
    """Inside and outside call different nodes alike."""
    odd = dense(way)
    nodes = [helper.make_node("Neg", ["x"], ["w.weight.packed"], name="node_y")]
    inside = helper.make_graph(nodes, "odd", [], [helper.make_tensor_value_info("w.weight.packed", FLOAT, None)])
    odd.takes("choice", (), onnx.TensorProto.BOOL)
    odd.add("If", ["choice"], "z", then_branch=inside, else_branch=inside)
    return odd.gives().gives("z").proto()


def branch_with_the_name_of_a_new_initializer(way):
    """Inside a branch a tensor is called as compiling calls the codebook outside."""
    odd = dense(way)
    nodes = [
        helper.make_node("Neg", ["x"], ["w.weight.indices_1"], name="i"),
        helper.make_node("Neg", ["w.weight.indices_1"], ["absent"], name="j"),
    ]
    inside = helper.make_graph(nodes, "b", [], [helper.make_tensor_value_info("absent", FLOAT, None)])
    odd.takes("choice", (), onnx.TensorProto.BOOL)
    odd.add("If", ["choice"], "z", then_branch=inside, else_branch=inside)
    return odd.gives().gives("z").proto()


def loop_around_a_layer(way):
    odd = dense(way)
    odd.constant("times", 3, np.int64)
    weight = odd.weight(way, 4, 4, name="inner.weight")
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["before", weight], ["grown"]),
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Clip", ["grown", "zero", "most"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", 7, []),
            helper.make_tensor_value_info("go", 9, []),
            helper.make_tensor_value_info("before", FLOAT, None),
        ],
        [helper.make_tensor_value_info("on", 9, []), helper.make_tensor_value_info("after", FLOAT, None)],
    )
    odd.constant("zero", 0)
    odd.constant("most", 255)
    odd.add("Loop", ["times", "", "x"], "z", body=body)
    return odd.gives().gives("z").proto()


def scan_beside_a_layer(way):
    odd = dense(way)
    body = helper.make_graph(
        [helper.make_node("Add", ["s", "v"], ["t"]), helper.make_node("Identity", ["t"], ["u"])],
        "body",
        [helper.make_tensor_value_info("s", FLOAT, [3]), helper.make_tensor_value_info("v", FLOAT, [3])],
        [helper.make_tensor_value_info("t", FLOAT, [3]), helper.make_tensor_value_info("u", FLOAT, [3])],
    )
    odd.constant("start", [0, 0, 0])
    odd.add("Scan", ["start", "y"], ["z", "all"], body=body, num_scan_inputs=1)
    return odd.gives("z").gives("all").proto()


def function_with_a_layer(way):
    """A local function multiplies by a weight that it is given; another layer is outside."""
    odd = dense(way)
    odd.opsets["own"] = 1
    body = [helper.make_node("MatMul", ["a", "b"], ["c"], name="inside")]
    odd.functions.append(helper.make_function("own", "Times", ["a", "b"], ["c"], body, [helper.make_opsetid("", 18)]))
    odd.add("Times", ["x", odd.weight(way, 4, 3, name="inner.weight")], "z", domain="own")
    return odd.gives().gives("z").proto()


def function_that_calls_itself(way):
    odd = dense(way)
    odd.opsets["own"] = 1
    body = [helper.make_node("Again", ["a"], ["c"], domain="own")]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    odd.functions.append(helper.make_function("own", "Again", ["a"], ["c"], body, opsets))
    odd.add("Again", ["y"], "z", domain="own")
    return odd.gives("z").proto()


def function_of_our_domain(way):
    odd = dense(way).gives()
    odd.opsets["qcompile"] = 1
    body = [helper.make_node("Neg", ["a"], ["c"])]
    odd.functions.append(helper.make_function("qcompile", "Mine", ["a"], ["c"], body, [helper.make_opsetid("", 18)]))
    return odd.proto()


def long_chain(way):
    odd = Odd()
    before = odd.takes("x")
    for number in range(DEPTH if way == "packed" else DEPTH // 5):
        before = odd.add("Identity" if number % 2 else "Neg", [before], f"t{number}")
    odd.add("MatMul", [before, odd.weight(way, 4, 3)], "y")
    return odd.gives().proto()


def long_chain_behind_a_layer(way):
    odd = dense(way)
    before = "y"
    for number in range(DEPTH if way == "packed" else DEPTH // 5):
        before = odd.add(("Neg", "Relu", "Abs")[number % 3], [before], f"t{number}")
    return odd.gives(before, ["batch", 3]).proto()


def deep_subgraphs(way):
    odd = dense(way).gives()
    odd.takes("choice", (), onnx.TensorProto.BOOL)
    inside = branch(odd, "w.weight")
    for level in range(20):
        out = helper.make_tensor_value_info(f"out{level}", FLOAT, None)
        node = helper.make_node("If", ["choice"], [out.name], then_branch=inside, else_branch=branch(odd, "w.weight"))
        inside = helper.make_graph([node], f"level{level}", [], [out])
    odd.add("If", ["choice"], "z", then_branch=inside, else_branch=inside)
    return odd.gives("z").proto()


def named(odd_name):
    """A model all of whose names hold ``odd_name``."""

    def make(way):
        odd = Odd()
        odd.takes(f"x{odd_name}")
        weight = odd.weight(way, 4, 4, name=f"w{odd_name}.weight")
        odd.add("MatMul", [f"x{odd_name}", weight], f"y{odd_name}", name=odd_name)
        return odd.gives(f"y{odd_name}", ["batch", 4]).proto()

    return make


def name_that_is_no_text(way):
    model = dense(way).gives().proto()
    data = model.SerializeToString().replace(b"w.weight", b"w.we\xffght")
    found = onnx.ModelProto()
    found.ParseFromString(data)
    return found
