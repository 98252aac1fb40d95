"""What the tests of integers share: models before and after each pass, and what their codes may differ by."""

import functools

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime

from qcompile.calibration import ArrayReader, MinMax, calibrate
from qcompile.passes import fusing_passes
from qcompile.passes._activations import quantized_tensors
from qcompile.passes.attach_functions import AttachFunctions
from qcompile.passes.fuse_integers import FuseIntegers
from qcompile.passes.insert_qdq import InsertQdq
from qcompile.reference import evaluate
from tests.networks import NETWORKS

ROUNDINGS = 16 * 2.0**-24  # of an epilogue in float32, relative to the largest code and what is rounded


def fused(network, weight_bits=8):
    """The model of fused operators, activations still floats."""
    model = ir.from_proto(network.proto())
    for rewrite in fusing_passes(weight_bits):
        rewrite(model)
    return model


def find_ranges(model, samples, bits=8, method=None):
    runnable = model.clone()
    AttachFunctions()(runnable)
    names = [value.name for value in quantized_tensors(model)]
    reader = ArrayReader(samples, len(samples["x"]))
    return calibrate(ir.to_proto(runnable), names, reader, bits=bits, method=method or MinMax())


def quantized(network, bits=8, weight_bits=8, method=None):
    """The model with pairs of QuantizeLinear and DequantizeLinear, each number behind one an output of the graph."""
    model = fused(network, weight_bits)
    InsertQdq(find_ranges(model, samples_of(network), bits, method))(model)
    numbers = [node.outputs[0] for node in model.graph if node.op_type == "DequantizeLinear"]
    model.graph.outputs.extend(value for value in numbers if not value.is_graph_output())
    return model


def samples_of(network, seed=1):
    rows = network.batch if isinstance(network.batch, int) else 6
    return network.samples(rows, seed)


def lowered(model):
    """``model`` with integers in the place of its pairs."""
    after = model.clone()
    FuseIntegers()(after)
    return after


@functools.cache
def lowered_network(name):
    """The network of that name in 8-bit integers; shared, not to be changed."""
    return lowered(quantized(NETWORKS[name]()))


def run_stock(model, feeds, level="ORT_DISABLE_ALL"):
    """The outputs by name, in onnxruntime without our library."""
    proto = runnable_proto(model)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))


def runnable_proto(model):
    """``model`` with function bodies, and every tensor of codes an output."""
    model = model.clone()
    AttachFunctions()(model)
    outputs = {value.name for value in model.graph.outputs}
    codes = [value for node in model.graph for value in node.outputs if value.dtype == ir.DataType.UINT8]
    model.graph.outputs.extend(value for value in codes if value.name not in outputs)
    return ir.to_proto(model)


def assert_like_quantized(before, after, feeds):
    """Every tensor that ``before`` quantizes has in ``after`` the codes that the float operators give, or a neighbour.

    A neighbour only where the number, computed in float64 from the codes that ``after`` itself found before, lies so
    near the middle between two codes that float32 may take it for either. Returns how many codes there are, and how
    many are neighbours.
    """
    found = run_stock(after, feeds)
    proto = _cut_at_pairs(ir.to_proto(before))
    numbers = evaluate(proto, found | dict(feeds))
    total = ties = 0
    for node in ir.to_proto(before).graph.node:
        if node.op_type != "QuantizeLinear":
            continue
        scale, zero_point = (_constant(before, name) for name in node.input[1:3])
        pair = next(n for n in ir.to_proto(before).graph.node if n.input[0] == node.output[0])
        codes = np.rint(found[pair.output[0]] / scale) + zero_point
        source = numbers[node.input[0]]
        exact = np.clip(source.value / scale + zero_point, 0, 255)
        error = np.where(np.isfinite(source.error), source.error, 1e-5 * scale) / scale
        assert codes.shape == exact.shape, node.name
        slack = 4 * error + ROUNDINGS * (256 + np.abs(source.value) / scale)
        assert (slack < 0.1).all(), (node.name, slack.max())
        assert (np.abs(codes - exact) <= 0.5 + slack).all(), (node.name, np.abs(codes - exact).max())
        total, ties = total + codes.size, ties + int((codes != np.rint(exact)).sum())
    return total, ties


def _cut_at_pairs(proto):
    """The model of which every dequantized number is an input."""
    pairs = [node for node in proto.graph.node if node.op_type == "DequantizeLinear"]
    kept = [node for node in proto.graph.node if node.op_type not in ("DequantizeLinear", "QuantizeLinear")]
    del proto.graph.node[:]
    proto.graph.node.extend(kept)
    proto.graph.input.extend(onnx.ValueInfoProto(name=node.output[0]) for node in pairs)
    return proto


def _constant(model, name):
    return model.graph.initializers[name].const_value.numpy().astype(np.float64)
