"""One-node models of the integer products and convolutions, with random operands, and what numpy says of them."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from qcompile import integer_ops
from qcompile.tiles import pack_tiles

FLOAT, UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
DOMAIN = "qcompile"
OPERANDS = ("indices", "codebook", "scale", "bias")


@dataclasses.dataclass
class IntegerLayer:
    """A node of type ``op``: its initializers by name and its attributes."""

    op: str
    arguments: dict[str, np.ndarray]
    attributes: dict[str, Any]

    def model(self, *, inputs: Sequence[str] = (), **changes: Any) -> bytes:
        """A node named ``layer``, its attributes changed (None: left out); ``inputs`` are no initializers."""
        adds = self.op in integer_ops.ADDING
        names = ["x", *OPERANDS, *(["residual"] if adds else []), *(["table"] if "table" in self.arguments else [])]
        attributes = {name: value for name, value in (self.attributes | changes).items() if value is not None}
        node = helper.make_node(self.op, names, ["y"], name="layer", domain=DOMAIN, **attributes)
        graph_inputs = [helper.make_tensor_value_info(name, UINT8, None) for name in names if name in ("x", "residual")]
        for name in inputs:
            kind = helper.np_dtype_to_tensor_dtype(self.arguments[name].dtype)
            graph_inputs.append(helper.make_tensor_value_info(name, kind, self.arguments[name].shape))
        initializers = [numpy_helper.from_array(a, name) for name, a in self.arguments.items() if name not in inputs]
        output = helper.make_tensor_value_info("y", FLOAT if self.op.endswith("Float") else UINT8, None)
        graph = helper.make_graph([node], "g", graph_inputs, [output], initializers)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)]
        return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())

    def numpy(self, x: np.ndarray, residual: np.ndarray | None = None) -> np.ndarray:
        a = self.attributes
        group = a.get("group", 1)
        weight = integer_ops.decode_integer_weight(
            self.arguments["indices"], self.arguments["codebook"], a["bits"], a["weight_shape"], group
        )
        if "group" in a:
            geometry = (a["strides"], a["pads"], a["dilations"], group)
            sums = integer_ops.sum_conv(x, weight, a["x_zero_point"], *geometry)
        else:
            sums = integer_ops.sum_matmul(x, weight, a["x_zero_point"])
        values = integer_ops.scale_sums(sums, self.arguments["scale"], self.arguments["bias"])
        if residual is not None:
            values = integer_ops.add_residual(values, residual, a["residual_scale"])
        if self.op.endswith("Float"):
            return values
        codes = integer_ops.to_codes(values, a["y_min"], a["y_max"])
        table = self.arguments.get("table")
        return codes if table is None else table[codes]

    def y_shape(self, x_shape: Sequence[int]) -> tuple[int, ...]:
        return self.numpy(np.zeros(x_shape, np.uint8)).shape


def random_layer(
    random: np.random.Generator, op: str, bits: int, weight_shape: Sequence[int], *, codebooks: int = 1, **geometry: Any
) -> IntegerLayer:
    """``codebooks`` 0: none. Results spread over the codes and a little beyond; ties and both ends are met."""
    outputs, terms = weight_shape[0], math.prod(weight_shape[1:])
    x_zero_point = int(random.choice([0, 1, 128, 255]))
    codes = random.integers(0, 2**bits, weight_shape).astype(np.uint8)
    codebook = random.integers(-128, 128, (codebooks, 2**bits)) if codebooks else np.zeros(0)
    spread = (75 if codebooks else max(1, 2 ** (bits - 1) / 2)) * 80 * math.sqrt(terms)
    halves = random.integers(-3, 4, outputs) / 2
    arguments = {
        "indices": pack_tiles(codes, geometry.get("group", 1), bits),
        "codebook": codebook.astype(np.int8),
        "scale": (random.uniform(20, 120, outputs) / spread * random.choice([-1, 1], outputs)).astype(np.float32),
        "bias": (100 + halves).astype(np.float32),
    }
    arguments["scale"][:: max(1, outputs // 3)] = 0.5  # exact halves
    attributes = {"bits": bits, "weight_shape": list(weight_shape), "x_zero_point": x_zero_point, **geometry}
    if not op.endswith("Float"):
        low, high = sorted(random.integers(0, 256, 2).tolist())
        attributes |= {"y_min": low, "y_max": high} if random.integers(2) else {"y_min": 0, "y_max": 255}
    if op in integer_ops.ADDING:
        attributes["residual_scale"] = float(random.uniform(-1, 1))
    if op.endswith("Table"):
        arguments["table"] = random.integers(0, 256, 256).astype(np.uint8)
    return IntegerLayer(op, arguments, attributes)
