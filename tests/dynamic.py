"""What the tests of IntegerMatMulDynamic share: one-node models with random operands, and rows of every kind."""

import dataclasses
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from qcompile.functions import function_bodies
from qcompile.integer_ops import INTEGER_MATMUL_DYNAMIC
from qcompile.integer_reference import apply_integer
from qcompile.ops import DOMAIN
from qcompile.tiles import pack_tiles

FLOAT = onnx.TensorProto.FLOAT


@dataclasses.dataclass
class DynamicLayer:
    """A node: its initializers by name, in the order of its inputs, and its attributes."""

    arguments: dict[str, np.ndarray]
    attributes: dict[str, Any]

    def model(self, *, inputs=(), functions=False, opset=18, **changes) -> onnx.ModelProto:
        """A node named ``layer``, its attributes changed (None: left out); ``inputs`` are no initializers."""
        attributes = {name: value for name, value in (self.attributes | changes).items() if value is not None}
        names = ["x", *self.arguments]
        node = helper.make_node(INTEGER_MATMUL_DYNAMIC, names, ["y"], name="layer", domain=DOMAIN, **attributes)
        given = [helper.make_tensor_value_info("x", FLOAT, None)]
        for name in inputs:
            kind = helper.np_dtype_to_tensor_dtype(self.arguments[name].dtype)
            given.append(helper.make_tensor_value_info(name, kind, self.arguments[name].shape))
        stored = [numpy_helper.from_array(array, name) for name, array in self.arguments.items() if name not in inputs]
        graph = helper.make_graph([node], "g", given, [helper.make_tensor_value_info("y", FLOAT, None)], stored)
        return helper.make_model(
            graph,
            ir_version=8 if opset < 21 else 10,
            opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)],
            functions=function_bodies([INTEGER_MATMUL_DYNAMIC], opset) if functions else [],
        )

    def operands(self, x: np.ndarray) -> list[np.ndarray]:
        return [x, *self.arguments.values()]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return apply_integer(INTEGER_MATMUL_DYNAMIC, self.operands(x), self.attributes)


def random_layer(random, shape, bits, *, x_bits=None, codebooks=0):
    """``x_bits`` None: the attribute is absent; ``codebooks`` 0: none."""
    codebook = random.integers(-128, 128, (codebooks, 2**bits) if codebooks else 0).astype(np.int8)
    scale = random.choice([-1, 1], shape[0]) * random.uniform(0.5, 2, shape[0]) * 0.01
    arguments = {
        "indices": pack_tiles(random.integers(0, 2**bits, shape).astype(np.uint8), 1, bits),
        "codebook": codebook,
        "scale": scale.astype(np.float32),
        "bias": random.standard_normal(shape[0]).astype(np.float32),
    }
    attributes = {"bits": bits, "weight_shape": list(shape)} | ({} if x_bits is None else {"x_bits": x_bits})
    return DynamicLayer(arguments, attributes)


def random_rows(random, *shape):
    """Rows [..., k] of very different sizes; the first ones are all that is special."""
    sizes = np.exp(random.uniform(-20, 20, (*shape[:-1], 1)))
    x = (random.standard_normal(shape) * sizes).astype(np.float32)
    rows = x.reshape(-1, shape[-1])
    for row, special in zip(rows, special_rows(random, shape[-1]), strict=False):
        row[:] = special
    return x


def special_rows(random, k):
    """Zeros, one sign, ties, hardly a number, hardly finite, and not finite."""
    normal = random.standard_normal(k).astype(np.float32)
    ties = random.integers(0, 256, k).astype(np.float32) / 2 - 60
    ties[: min(k, 2)] = [-60, 67.5][: min(k, 2)]
    rows = [normal * 0, -normal * 0, np.abs(normal), -np.abs(normal), ties, np.full(k, 2.5), np.full(k, -2.5)]
    rows += [random.integers(-200, 200, k) * 2.0**-149, np.full(k, 2.0**-149), np.full(k, 1e-38), normal * 1e37]
    rows += [np.resize([3.4e38, -3.4e38], k), np.full(k, 3.4e38)]
    for value in (np.nan, np.inf, -np.inf):
        rows += [np.where(np.arange(k) == k // 2, value, normal), np.full(k, value)]
    return [np.asarray(row, np.float32) for row in rows]
