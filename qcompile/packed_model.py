"""Reads a packed file: its layers as arrays, checked against the rules of the packed format."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from qcompile import ops
from qcompile.errors import ModelError

PLAN_KEY = "qcompile.plan"


@dataclass(frozen=True, eq=False)
class PackedLayer:
    """One CodebookMatMul or CodebookConv; arrays as in the file (docs/packed-format.md, section 1)."""

    name: str
    op: str
    bits: int
    weight_shape: tuple[int, ...]
    indices: npt.NDArray[np.uint8]
    codebook: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    node: onnx.NodeProto

    @property
    def weights(self) -> int:
        """How many weights the layer has."""
        return math.prod(self.weight_shape)

    @property
    def entries(self) -> tuple[int, ...]:
        """How many distinct entries the codebook of each group has."""
        return tuple(len(np.unique(row)) for row in self.codebook)

    def decode(self) -> npt.NDArray[np.float32]:
        """The float weight, shaped ``weight_shape``, without the scale."""
        return ops.decode_weight(self.indices, self.codebook, self.bits, self.weight_shape).astype(np.float32)


def packed_layers(model: onnx.ModelProto) -> list[PackedLayer]:
    """The layers of ``model`` in graph order.

    Raises ModelError if there is none or one breaks a rule of the packed format.
    """
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    layers = [_read_layer(node, initializers) for node in model.graph.node if node.domain == ops.DOMAIN]
    if not layers:
        raise ModelError("the model has no packed layer; make one: qcompile compile exported.onnx -o packed.onnx")
    return layers


def other_parameters(model: onnx.ModelProto) -> Iterator[tuple[str, npt.NDArray[np.floating]]]:
    """The float initializers that belong to no packed layer: float layers and their biases."""
    packed = {name for node in model.graph.node if node.domain == ops.DOMAIN for name in node.input}
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.name not in packed and np.issubdtype(array.dtype, np.floating):
            yield tensor.name, array


def embedded_plan(model: onnx.ModelProto) -> dict[str, Any] | None:
    """The plan that learning embedded, or None.

    Raises ModelError if it is not a JSON object.
    """
    for entry in model.metadata_props:
        if entry.key == PLAN_KEY:
            try:
                plan = json.loads(entry.value)
            except ValueError as error:
                raise ModelError(f"metadata {PLAN_KEY} is not JSON: {error}") from error
            if not isinstance(plan, dict):
                raise ModelError(f"metadata {PLAN_KEY} is a {type(plan).__name__}, wanted an object")
            return plan
    return None


def _read_layer(node: onnx.NodeProto, initializers: dict[str, onnx.TensorProto]) -> PackedLayer:
    where = f"{node.op_type} {node.name!r}"
    if node.op_type not in (ops.CODEBOOK_MATMUL, ops.CODEBOOK_CONV) or len(node.input) != len(ops.OPERANDS):
        raise ModelError(
            f"{where}: not an operator of format {ops.FORMAT_VERSION} with inputs {', '.join(ops.OPERANDS)}"
        )
    missing = [name for name in node.input[1:] if name not in initializers]
    if missing:
        raise ModelError(f"{where}: {', '.join(missing)} must be stored in the file (an initializer)")
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if attributes.get("format_version", 1) != ops.FORMAT_VERSION:
        raise ModelError(f"{where}: format_version is {attributes['format_version']}, this qcompile reads 1")
    if not isinstance(attributes.get("bits"), int) or not isinstance(attributes.get("weight_shape"), list):
        raise ModelError(f"{where}: attributes bits (int) and weight_shape (ints) are required")
    bits, shape = attributes["bits"], attributes["weight_shape"]
    indices, codebook, scale, bias = (_to_array(where, initializers[name]) for name in node.input[1:])
    ops.check_packed_weight(where, indices, codebook, scale, bias, bits, shape)
    if (np.diff(codebook, axis=1) < 0).any():
        raise ModelError(
            f"{where}: the codebook decreases along a row, wanted ascending entries; compile the model again"
        )
    return PackedLayer(node.name, node.op_type, bits, tuple(shape), indices, codebook, scale, bias, node)


def _to_array(where: str, tensor: onnx.TensorProto) -> npt.NDArray[Any]:
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{where}: initializer {tensor.name} is damaged: {error}") from error
