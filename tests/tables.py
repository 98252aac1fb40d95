"""What the tests of CodebookGather share: one-node models with random tables, and the numbers that they must give."""

import dataclasses
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from qcompile.functions import function_bodies
from qcompile.gather_ops import CODEBOOK_GATHER, codebook_gather
from qcompile.ops import DOMAIN, OPERANDS
from qcompile.packing import pack_bits


@dataclasses.dataclass
class Table:
    """Inputs 1 to 4 of a node by name, and its attributes."""

    arguments: dict[str, np.ndarray]
    attributes: dict[str, Any]

    def model(self, *, kind=np.int64, functions=False, opset=18, inputs=(), **changes) -> onnx.ModelProto:
        """A node named ``layer`` whose ids have the type ``kind``; attributes that become None are left out."""
        attributes = {name: value for name, value in (self.attributes | changes).items() if value is not None}
        node = helper.make_node(CODEBOOK_GATHER, list(OPERANDS), ["y"], name="layer", domain=DOMAIN, **attributes)
        code = helper.np_dtype_to_tensor_dtype
        given = [helper.make_tensor_value_info("x", code(np.dtype(kind)), None)]
        given += [helper.make_tensor_value_info(name, code(self.arguments[name].dtype), None) for name in inputs]
        stored = [numpy_helper.from_array(array, name) for name, array in self.arguments.items() if name not in inputs]
        result = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
        return helper.make_model(
            helper.make_graph([node], "g", given, [result], stored),
            ir_version=8 if opset < 21 else 10,
            opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)],
            functions=function_bodies([CODEBOOK_GATHER], opset) if functions else [],
        )

    def numpy(self, ids: np.ndarray) -> np.ndarray:
        """What float32 gives: one multiplication and one addition, each rounded, so no order changes a bit."""
        return codebook_gather(ids, **self.arguments, **self.attributes)


def random_table(random, shape, bits, *, groups=1, scale=True, bias=False):
    codes = random.integers(0, 2**bits, shape).astype(np.uint8)
    arguments = {
        "indices": pack_bits(codes, bits),
        "codebook": np.sort(random.standard_normal((groups, 2**bits)).astype(np.float32)),
        "scale": random.standard_normal(shape[0] if scale else 0).astype(np.float32),
        "bias": random.standard_normal(shape[0] if bias else 0).astype(np.float32),
    }
    return Table(arguments, {"bits": bits, "weight_shape": list(shape)})


def every_id(rows):
    """All ids that a table of ``rows`` has, negative ones too, as int64 [2, rows]."""
    return np.stack([np.arange(rows), np.arange(-rows, 0)])
