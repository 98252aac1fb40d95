"""Builds a network that is quantized already, call by call, as exporters of such networks write it."""

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import helper

from tests.network import Network

TYPES = {"int8": np.int8, "uint8": np.uint8, "int4": ml_dtypes.int4, "uint4": ml_dtypes.uint4}
ENDS = {"int8": (-128, 127), "uint8": (0, 255), "int4": (-8, 7), "uint4": (0, 15), "int2": (-2, 1), "uint2": (0, 3)}


class QuantizedNetwork(Network):
    """A Network with pairs of activations and weights of codes; opset 21 knows codes of 4 bits."""

    def __init__(self, x_shape, opset=21, **options):
        super().__init__(x_shape, opset, **options)

    def codes_of(self, name, kind, array):
        return self.constant(name, np.asarray(array).astype(TYPES[kind]))

    def pair(self, x, scale, zero_point=0, kind="uint8", *, cut=None, clip=None):
        """Rounds ``x``; ``clip`` cuts it before at these numbers, ``cut`` its codes."""
        name = f"{x}.{len(self.nodes)}"
        operands = [self.number(scale), self.codes_of(f"{name}.zero_point", kind, zero_point)]
        if clip:
            x = self.add("Clip", [x, *map(self.number, clip)])
        codes = self.add("QuantizeLinear", [x, *operands])
        if cut:
            codes = self.add("Clip", [codes, *(self.codes_of(f"{name}.{end}", kind, end) for end in cut)])
        return self.add("DequantizeLinear", [codes, *operands])

    def weight(self, codes, name, *, axis=0, kind="int8", zero_point=None, scale=None):
        """Dequantizes ``codes``, with a random scale for each place of ``axis``, or with ``scale``."""
        codes = np.asarray(codes)
        if scale is None:
            scale = self.rng.uniform(0.01, 0.02, codes.shape[axis]) * 8 / np.abs(codes).max()
        scale = np.asarray(scale, np.float32)
        names = [self.codes_of(f"{name}.weight", kind, codes), self.constant(f"{name}.weight.scale", scale)]
        if zero_point is not None:
            zero_points = np.broadcast_to(zero_point, scale.shape)
            names.append(self.codes_of(f"{name}.weight.zero_point", kind, zero_points))
        return self.add("DequantizeLinear", names, f"{name}.dequantized", **({"axis": axis} if scale.ndim else {}))

    def random_codes(self, bits, *shape):
        """Codes of signed ``bits``, the lowest and the highest among them."""
        codes = self.rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape)
        codes.reshape(-1)[:2] = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        return codes

    def quantized_conv(self, x, shape, name, bits=8, **attributes):
        weight = self.weight(self.random_codes(bits, *shape), name)
        return self.add("Conv", [x, weight, self.random(f"{name}.bias", shape[0])], **attributes)


def exposed(proto):
    """``proto`` of which every number behind a DequantizeLinear of an activation is an output, too."""
    model = onnx.ModelProto()
    model.CopyFrom(proto)
    rounded = {name for node in model.graph.node if node.op_type in ("QuantizeLinear", "Clip") for name in node.output}
    outputs = {output.name for output in model.graph.output}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in rounded and node.output[0] not in outputs:
            value = helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None)
            model.graph.output.append(value)
    return onnx.shape_inference.infer_shapes(model)


def run(model, feeds):
    """The outputs by name in stock onnxruntime, its optimizer off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))
