"""Helpers of the pass tests, as fixtures: test folders are no packages."""

import numpy as np
import onnx
import onnx.helper
import onnx_ir as ir
import onnxruntime
import pytest

from qcompile.passes.attach_functions import AttachFunctions
from qcompile.passes.infer_shapes import InferShapes
from qcompile.passes.verify import Verify
from qcompile.reference import evaluate


def make_model(nodes, initializers, x_shape, outputs=("y",), opset=18, x_type=onnx.TensorProto.FLOAT):
    tensors = [onnx.numpy_helper.from_array(np.array(array, order="C"), name) for name, array in initializers.items()]
    x = onnx.helper.make_tensor_value_info("x", x_type, x_shape)
    results = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs]
    graph = onnx.helper.make_graph(nodes, "g", [x], results, tensors)
    opsets = [onnx.helper.make_opsetid("", opset)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)  # for the shapes of the outputs
    del model.graph.value_info[:]
    return ir.from_proto(model)


def make_lookup(rng, shape, entries, groups=1, layer="fc", sort=True):
    """The nodes and initializers of a codebook weight `layer`.weight of `shape`, output channels first; its value."""
    codebook = rng.standard_normal((groups, entries)).astype(np.float32)
    codebook = np.sort(codebook) if sort else codebook
    indices = rng.integers(0, entries, (groups, int(np.prod(shape)) // groups))
    name, weight = f"{layer}.weight", np.take_along_axis(codebook, indices, axis=1).reshape(shape)
    names = [f"{name}.codebook", f"{name}.indices"]
    if groups == 1:
        node = onnx.helper.make_node("Gather", names, [name], axis=0)
        return [node], {names[0]: codebook[0], names[1]: indices.reshape(shape).astype(np.int32)}, weight
    nodes = [onnx.helper.make_node("GatherElements", names, [f"{name}.flat"], axis=1)]
    nodes.append(onnx.helper.make_node("Reshape", [f"{name}.flat", f"{name}.shape"], [name]))
    return nodes, {names[0]: codebook, names[1]: indices, f"{name}.shape": np.array(shape)}, weight


def change_lookup(rng, nodes, tensors, weight, layer="fc", scale=None, corrections=0):
    """The lookup of `make_lookup`, times a `scale` ("one", "each" or None), with `corrections` added.

    The weight's value comes out of the last node under the lookup's name.
    """
    name, value, shape = f"{layer}.weight", weight, weight.shape
    nodes, tensors = list(nodes), dict(tensors)
    nodes[-1].output[0] = f"{name}.plain"
    source = f"{name}.plain"
    if scale:
        factor = rng.standard_normal({"one": (1,), "each": (shape[0], *[1] * (len(shape) - 1))}[scale])
        tensors[f"{name}.scale"] = factor.astype(np.float32)
        value = value * tensors[f"{name}.scale"]
        nodes.append(onnx.helper.make_node("Mul", [source, f"{name}.scale"], [f"{name}.scaled"]))
        source = f"{name}.scaled"
    if corrections:
        places = rng.permutation(value.size)[:corrections]
        tensors[f"{name}.positions"] = np.stack(np.unravel_index(places, shape), axis=1)
        tensors[f"{name}.values"] = rng.standard_normal(corrections).astype(np.float32)
        value = value.copy()
        value.reshape(-1)[places] += tensors[f"{name}.values"]
        inputs = [source, f"{name}.positions", f"{name}.values"]
        nodes.append(onnx.helper.make_node("ScatterND", inputs, [f"{name}.corrected"], reduction="add"))
    nodes[-1].output[0] = name
    return nodes, tensors, value


def feeds(model, seed=0):
    rng = np.random.default_rng(seed)
    sizes = {value.name: [d if isinstance(d, int) else 3 for d in value.shape] for value in model.graph.inputs}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in sizes.items()}


def run_onnxruntime(model, inputs):
    """The outputs of `model` by stock onnxruntime, without its optimizer: it must not mend what a pass broke."""
    model = model.clone()
    AttachFunctions()(model)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), options)
    return session.run(None, inputs)


def assert_same_numbers(before, after, seed=0):
    """Both models, in onnxruntime, are within what float32 may differ by from the float64 reference of each.

    The bound is qcompile.reference's: about (k + 2) * 2^-24 * sum |x w|, carried through the graph. That of the model
    before is added: a scale that was folded was rounded in the model after.
    """
    inputs = feeds(before, seed)
    exact = [evaluate(ir.to_proto(model), inputs) for model in (before, after) if not has_same_padding(model)]
    found = [run_onnxruntime(model, inputs) for model in (before, after)]
    for position, value in enumerate(before.graph.outputs):
        bound = sum(values[value.name].error for values in exact)
        assert np.isfinite(bound).all()
        for outputs in found:
            assert outputs[position].shape == exact[0][value.name].value.shape
            assert (np.abs(outputs[position] - exact[0][value.name].value) <= bound).all()


def has_same_padding(model):
    return any(node.attributes.get_string("auto_pad", "").startswith("SAME") for node in model.graph)


def op_types(model):
    return [node.op_type for node in model.graph]


def apply(rewrite, model, *, modified=True):
    """A copy of `model` after `rewrite`, which says exactly whether it changed it and then leaves it as it is."""
    after, before = model.clone(), as_bytes(model)
    assert rewrite(after).modified is modified
    once = as_bytes(after)
    assert (once != before) is modified
    assert rewrite(after).modified is False
    assert as_bytes(after) == once
    Verify()(after)
    assert as_bytes(after) == once
    assert interface(after) == interface(model)
    return after


def as_bytes(model):
    return ir.to_proto(model).SerializeToString(deterministic=True)


def interface(model):
    return [(value.name, value.type, value.shape) for value in (*model.graph.inputs, *model.graph.outputs)]


def initializers(model):
    return {name: value.const_value.numpy() for name, value in model.graph.initializers.items()}


class Tools:
    """What the tests of passes use, by name."""

    make_model = staticmethod(make_model)
    make_lookup = staticmethod(make_lookup)
    change_lookup = staticmethod(change_lookup)
    assert_same_numbers = staticmethod(assert_same_numbers)
    run_onnxruntime = staticmethod(run_onnxruntime)
    op_types = staticmethod(op_types)
    apply = staticmethod(apply)
    initializers = staticmethod(initializers)
    feeds = staticmethod(feeds)

    @staticmethod
    def infer(model):
        InferShapes()(model)
        return model


@pytest.fixture(scope="session")
def tools():
    return Tools


@pytest.fixture
def rng():
    return np.random.default_rng(0)
