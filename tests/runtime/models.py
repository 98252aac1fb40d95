"""Packed one-node models and random operands, for the tests of the runtime."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from qcompile import ops, packing, sparse_ops

FLOAT = onnx.TensorProto.FLOAT


@dataclasses.dataclass
class Operands:
    """One packed weight, as arrays; ``arguments`` are inputs 1 to 4 by name."""

    bits: int
    weight_shape: tuple[int, ...]
    arguments: dict[str, np.ndarray]

    def attributes(self) -> dict[str, Any]:
        return {"bits": self.bits, "weight_shape": list(self.weight_shape)}


def random_operands(
    random: np.random.Generator,
    bits: int,
    weight_shape: Sequence[int],
    groups: int = 1,
    *,
    scale: bool = True,
    bias: bool = True,
) -> Operands:
    values = random.integers(0, 2**bits, size=math.prod(weight_shape)).astype(np.uint8)
    outputs = weight_shape[0]
    arguments = {
        "indices": packing.pack_bits(values, bits),
        "codebook": np.sort(random.standard_normal((groups, 2**bits)).astype(np.float32), axis=1),
        "scale": random.standard_normal(outputs if scale else 0).astype(np.float32),
        "bias": random.standard_normal(outputs if bias else 0).astype(np.float32),
    }
    return Operands(bits, tuple(weight_shape), arguments)


def random_corrections(random: np.random.Generator, weight_shape: Sequence[int], count: int) -> dict[str, np.ndarray]:
    """Inputs 2 and 3 of a sparse operator, by name."""
    weight = np.zeros(math.prod(weight_shape), np.float32)
    weight[random.permutation(weight.size)[:count]] = random.standard_normal(count)
    gaps, values = sparse_ops.encode_corrections(weight)
    return {"gaps": gaps, "values": values}


def model(op_type: str, arguments: dict[str, np.ndarray], *, inputs: Sequence[str] = (), **attributes: Any) -> bytes:
    """A node named ``layer``; the ``inputs`` named here are graph inputs and not initializers."""
    is_sparse = op_type in sparse_ops.SPARSE_OF.values()
    operands = sparse_ops.SPARSE_OPERANDS if is_sparse else ops.OPERANDS
    node = helper.make_node(op_type, list(operands), ["y"], name="layer", domain=ops.DOMAIN, **attributes)
    graph_inputs = [helper.make_tensor_value_info(name, FLOAT, None) for name in operands if name in ("x", "base")]
    for name in inputs:
        kind = helper.np_dtype_to_tensor_dtype(arguments[name].dtype)
        graph_inputs.append(helper.make_tensor_value_info(name, kind, arguments[name].shape))
    initializers = [numpy_helper.from_array(a, name) for name, a in arguments.items() if name not in inputs]
    outputs = [helper.make_tensor_value_info("y", FLOAT, None)]
    graph = helper.make_graph([node], "g", graph_inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(ops.DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def matmul_model(operands: Operands, **changes: Any) -> bytes:
    return model(ops.CODEBOOK_MATMUL, operands.arguments, **{**operands.attributes(), **changes})
