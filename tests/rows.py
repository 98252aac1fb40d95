"""Models of QuantizeLayerNormalization and QuantizeSoftmax with random rows, and what numpy says of them."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from qcompile.functions import function_bodies
from qcompile.integer_reference import apply_integer
from qcompile.ops import DOMAIN
from qcompile.row_ops import QUANTIZE_LAYER_NORMALIZATION, QUANTIZE_SOFTMAX

FLOAT, UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8


class RowCase:
    """A node named ``layer`` of type ``op``: its stored operands by name, its attributes, and an x."""

    def __init__(self, op, operands, attributes, x):
        self.op, self.operands, self.attributes, self.x = op, operands, attributes, x

    def model(self, *, inputs=(), functions=True, opset=18, **changes):
        """Attributes changed by ``changes`` (None: left out); ``inputs`` are no initializers."""
        attributes = {name: value for name, value in (self.attributes | changes).items() if value is not None}
        node = helper.make_node(self.op, ["x", *self.operands], ["y"], name="layer", domain=DOMAIN, **attributes)
        given = [helper.make_tensor_value_info(name, FLOAT, None) for name in ("x", *inputs)]
        stored = [numpy_helper.from_array(a, name) for name, a in self.operands.items() if name not in inputs]
        graph = helper.make_graph([node], "g", given, [helper.make_tensor_value_info("y", UINT8, None)], stored)
        return helper.make_model(
            graph,
            ir_version=8 if opset < 21 else 10,
            opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)],
            functions=function_bodies([self.op], opset) if functions else [],
        )

    def wanted(self):
        return apply_integer(self.op, [self.x, *self.operands.values()], self.attributes)


def random_rows(random, *shape):
    """Of any size, some of them far from zero, masked, or not finite."""
    x = random.standard_normal(shape) * 10 ** random.uniform(-6, 6, (*shape[:-1], 1))
    x += np.abs(x).max(initial=0) * random.choice([0, 0, 3], (*shape[:-1], 1))
    flat = x.astype(np.float32).reshape(-1, shape[-1])
    for row in flat:
        if shape[-1] and random.integers(4) == 0:
            row[random.random(shape[-1]) < 0.3] = -np.inf
        if shape[-1] and random.integers(6) == 0:
            row[random.integers(shape[-1])] = random.choice([np.nan, np.inf, -np.inf, 3e38])
    return flat.reshape(shape)


def random_case(random, op, *shape):
    """Codes spread over the whole range, a little beyond it, and in some cases cut further."""
    x, columns = random_rows(random, *shape), shape[-1]
    bounds = {"y_min": 0, "y_max": 255} if random.integers(2) else {"y_min": 9, "y_max": 60}
    if op == QUANTIZE_SOFTMAX:
        scale, bias = float(random.uniform(-300, 300)), float(random.choice([0.0, 30.5]))
        return RowCase(op, {}, {"scale": scale, "bias": bias} | bounds, x)
    operands = {
        "scale": random.uniform(-60, 60, columns).astype(np.float32),
        "bias": random.uniform(60, 180, columns).astype(np.float32),
    }
    return RowCase(op, operands, {"epsilon": float(random.choice([1e-5, 1e-12, 0.5]))} | bounds, x)


def cases():
    """Some of each operator."""
    random = np.random.default_rng(11)
    for op in (QUANTIZE_LAYER_NORMALIZATION, QUANTIZE_SOFTMAX):
        for shape in ((7,), (1, 1), (25, 1), (30, 37), (0, 5), (3, 0, 8), (2, 3, 9, 64), (40, 384), (3, 1000)):
            yield random_case(random, op, *shape)


CASES = list(cases())
