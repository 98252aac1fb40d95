"""Reads a packed file: its layers as arrays, checked against the rules of the packed format."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from qcompile import integer_ops, integer_product, ops, row_ops, sparse_ops
from qcompile.bfloat16_ops import BFLOAT16_OPS, check_bfloat16_codebook
from qcompile.decode_ops import DECODE_WEIGHT
from qcompile.errors import ModelError
from qcompile.gather_ops import CODEBOOK_GATHER

PLAN_KEY = "qcompile.plan"
UNWEIGHTED = integer_ops.UNWEIGHTED | integer_product.INTEGER_PRODUCTS | row_ops.ROW_OPERATORS
GEOMETRY = ("weight_shape", "strides", "pads", "dilations", "group")


@dataclass(frozen=True, eq=False)
class StoredCorrections:
    """The SparseMatMul or SparseConv behind a packed layer; arrays as in the file (packed-format.md, section 4)."""

    gaps: npt.NDArray[np.uint16]
    values: npt.NDArray[np.float32]
    node: onnx.NodeProto

    @property
    def count(self) -> int:
        """How many weights are corrected: the zeros that split wide gaps are none."""
        return int(np.count_nonzero(self.values))

    @property
    def nbytes(self) -> int:
        """Bytes of gaps and values."""
        return self.gaps.nbytes + self.values.nbytes


@dataclass(frozen=True, eq=False)
class PackedLayer:
    """One operator with a packed weight; arrays as in the file (docs/packed-format.md, sections 1 and 6).

    ``corrections`` are what the operator behind it adds, None where there is none. Of integer operators ``codebook`` is
    int8, or has no elements: then the weight is the index minus half the range.
    """

    name: str
    op: str
    bits: int
    weight_shape: tuple[int, ...]
    indices: npt.NDArray[np.uint8]
    codebook: npt.NDArray[np.float32] | npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    node: onnx.NodeProto
    corrections: StoredCorrections | None = None

    @property
    def is_integer(self) -> bool:
        """Whether it multiplies codes by whole numbers."""
        return self.op in integer_ops.INTEGER_LAYERS

    @property
    def is_decoded_at_load(self) -> bool:
        """Whether the weight is packed in the file only, and computed with as floats."""
        return self.op == DECODE_WEIGHT

    @property
    def activation_bits(self) -> int:
        """Bits of what the weight is multiplied by: those of codes, 16 of bfloat16, or 32."""
        if self.is_integer:
            return int(_attributes(self.name, self.node).get("x_bits", 8))
        return 16 if self.op in BFLOAT16_OPS else 32

    @property
    def weights(self) -> int:
        """How many weights the layer has."""
        return math.prod(self.weight_shape)

    @property
    def entries(self) -> tuple[int, ...]:
        """How many distinct entries the codebook of each group has; all of the range where there is no codebook."""
        if not self.codebook.size:
            return (2**self.bits,)
        return tuple(len(np.unique(row)) for row in self.codebook)

    def operands(self) -> dict[str, tuple[str, npt.NDArray[Any]]]:
        """By kind, the name in the file and the array of each: those of the node, then gaps and values if any."""
        arrays: list[npt.NDArray[Any]] = [self.indices, self.codebook, self.scale, self.bias]
        kinds, names = list(ops.OPERANDS[1:]), list(self.node.input[1 : len(ops.OPERANDS)])
        if self.corrections is not None:
            arrays += [self.corrections.gaps, self.corrections.values]
            kinds += sparse_ops.SPARSE_OPERANDS[2:]
            names += self.corrections.node.input[2:]
        return dict(zip(kinds, zip(names, arrays, strict=True), strict=True))

    def decode(self) -> npt.NDArray[np.float32]:
        """The weight as floats, shaped ``weight_shape``, without the scale and the corrections."""
        if self.is_integer:
            group = int(_attributes(self.name, self.node).get("group", 1))
            codebook = self.codebook.astype(np.int8)
            whole = integer_ops.decode_integer_weight(self.indices, codebook, self.bits, self.weight_shape, group)
            return whole.astype(np.float32)
        return ops.decode_weight(self.indices, self.codebook.astype(np.float32), self.bits, self.weight_shape).astype(
            np.float32
        )

    def channel_factors(self) -> npt.NDArray[np.float64]:
        """What each channel's decoded weights are multiplied by, [n]: the scale, and the steps of codes."""
        scale = self.scale.astype(np.float64) if self.scale.size else np.ones(self.weight_shape[0])
        if not self.is_integer:
            return scale
        attributes = _attributes(self.name, self.node)
        return scale * float(attributes.get("y_scale", 1.0) / attributes.get("x_scale", 1.0))

    def row_offsets(self) -> npt.NDArray[np.float64]:
        """What is added to each row of the weight itself, [n]: the bias where it belongs to the rows, else zero."""
        if self.op in (CODEBOOK_GATHER, DECODE_WEIGHT) and self.bias.size:
            return self.bias.astype(np.float64)
        return np.zeros(self.weight_shape[0])

    def effective_weight(self) -> npt.NDArray[np.float64]:
        """What the layer multiplies by, shaped ``weight_shape``: decoded, times the scale, plus the corrections.

        In the order of the float model, also where an integer layer reads flattened channels in another one.
        """
        weight = self.decode().astype(np.float64)
        weight *= self.channel_factors().reshape(-1, *[1] * (weight.ndim - 1))
        if self.is_integer:
            weight = _in_model_order(weight, _attributes(self.name, self.node).get("x_flattened", ()))
        weight += self.row_offsets().reshape(-1, *[1] * (weight.ndim - 1))
        if self.corrections is None:
            return weight
        return weight + sparse_ops.decode_corrections(self.corrections.gaps, self.corrections.values, self.weight_shape)


def packed_layers(model: onnx.ModelProto) -> list[PackedLayer]:
    """The layers of ``model`` in graph order.

    Raises ModelError if there is none or one breaks a rule of the packed format.
    """
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    own = [node for node in model.graph.node if node.domain == ops.DOMAIN]
    by_base = _sparse_nodes(own)
    others = {*sparse_ops.SPARSE_OF.values(), *UNWEIGHTED}
    packed = [node for node in own if node.op_type not in others]
    turned = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type == "Transpose"}
    layers = []
    for node in packed:
        output = node.output[0]  # of an integer convolution it has channels last: corrections read it transposed
        base = output if output in by_base else turned.get(output, output)
        layers.append(_read_layer(node, by_base.pop(base, None), initializers))
    for base, node in by_base.items():
        raise ModelError(f"{node.op_type} {node.name!r}: base {base} is not the output of a packed layer")
    if not layers:
        raise ModelError("the model has no packed layer; make one: qcompile compile exported.onnx -o packed.onnx")
    return layers


def other_parameters(model: onnx.ModelProto) -> Iterator[tuple[str, npt.NDArray[np.floating]]]:
    """The float initializers that belong to no packed layer: float layers and their biases."""
    own = [node for node in model.graph.node if node.domain == ops.DOMAIN]
    packed = {name for node in own if node.op_type not in UNWEIGHTED for name in node.input}
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.name not in packed and np.issubdtype(array.dtype, np.floating):
            yield tensor.name, array


def table_bytes(model: onnx.ModelProto) -> int:
    """Bytes of the tables of functions of codes, each counted once."""
    with_table = {integer_ops.INTEGER_TABLE, *integer_ops.TABLED.values()}
    return 256 * len({node.input[-1] for node in model.graph.node if node.op_type in with_table})


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


def _in_model_order(weight: npt.NDArray[np.float64], sizes: Sequence[int]) -> npt.NDArray[np.float64]:
    """``weight`` [n, *sizes flattened], whose ``sizes`` are (*spatial, channels), with the channels first."""
    if not sizes or math.prod(sizes) != weight.shape[1]:
        return weight
    return np.moveaxis(weight.reshape(len(weight), *sizes), -1, 1).reshape(weight.shape)


def _sparse_nodes(own: list[onnx.NodeProto]) -> dict[str, onnx.NodeProto]:
    """The sparse operators by the name of their base."""
    found: dict[str, onnx.NodeProto] = {}
    for node in own:
        if node.op_type not in sparse_ops.SPARSE_OF.values():
            continue
        where = f"{node.op_type} {node.name!r}"
        if len(node.input) != len(sparse_ops.SPARSE_OPERANDS):
            raise ModelError(f"{where}: {len(node.input)} inputs, wanted {', '.join(sparse_ops.SPARSE_OPERANDS)}")
        if found.setdefault(node.input[1], node) is not node:
            raise ModelError(f"{where}: base {node.input[1]} is corrected twice")
    return found


def _read_layer(
    node: onnx.NodeProto, sparse: onnx.NodeProto | None, initializers: dict[str, onnx.TensorProto]
) -> PackedLayer:
    where = f"{node.op_type} {node.name!r}"
    if node.op_type in integer_ops.INTEGER_LAYERS:
        return _read_integer_layer(where, node, sparse, initializers)
    if node.op_type not in {*sparse_ops.SPARSE_OF, CODEBOOK_GATHER, DECODE_WEIGHT} or len(node.input) != len(
        ops.OPERANDS
    ):
        raise ModelError(
            f"{where}: not an operator of format {ops.FORMAT_VERSION} with inputs {', '.join(ops.OPERANDS)}"
        )
    attributes = _attributes(where, node)
    if not isinstance(attributes.get("bits"), int) or not isinstance(attributes.get("weight_shape"), list):
        raise ModelError(f"{where}: attributes bits (int) and weight_shape (ints) are required")
    bits, shape = attributes["bits"], attributes["weight_shape"]
    indices, codebook, scale, bias = _stored(where, node.input[1:], initializers)
    ops.check_packed_weight(where, indices, codebook, scale, bias, bits, shape)
    if node.op_type in BFLOAT16_OPS:
        check_bfloat16_codebook(where, codebook)
    if (np.diff(codebook, axis=1) < 0).any():
        raise ModelError(
            f"{where}: the codebook decreases along a row, wanted ascending entries; compile the model again"
        )
    corrections = None if sparse is None else _read_corrections(sparse, node, initializers)
    return PackedLayer(node.name, node.op_type, bits, tuple(shape), indices, codebook, scale, bias, node, corrections)


def _read_integer_layer(
    where: str, node: onnx.NodeProto, sparse: onnx.NodeProto | None, initializers: dict[str, onnx.TensorProto]
) -> PackedLayer:
    attributes = _attributes(where, node)
    bits, shape = attributes.get("bits"), attributes.get("weight_shape")
    if not isinstance(bits, int) or not isinstance(shape, list) or len(node.input) < 5:
        raise ModelError(f"{where}: five inputs and attributes bits (int) and weight_shape (ints) are required")
    indices, codebook, scale, bias = _stored(where, node.input[1:5], initializers)
    integer_ops.check_integer_weight(where, indices, codebook, scale, bias, bits, shape, attributes.get("group", 1))
    corrections = None if sparse is None else _read_corrections(sparse, node, initializers)
    return PackedLayer(node.name, node.op_type, bits, tuple(shape), indices, codebook, scale, bias, node, corrections)


def _read_corrections(
    sparse: onnx.NodeProto, packed: onnx.NodeProto, initializers: dict[str, onnx.TensorProto]
) -> StoredCorrections:
    """What ``sparse`` adds to the output of ``packed``; both must read the same x with the same geometry.

    Where ``packed`` reads codes, ``sparse`` reads the floats that they stand for.
    """
    where = f"{sparse.op_type} {sparse.name!r}"
    ours, theirs = _attributes(where, sparse), _attributes(where, packed)
    differing = [name for name in GEOMETRY if ours.get(name) != theirs.get(name)]
    other_x = sparse.input[0] != packed.input[0] and packed.op_type not in integer_ops.INTEGER_LAYERS
    if sparse.op_type != sparse_ops.CORRECTED.get(packed.op_type) or other_x or differing:
        raise ModelError(
            f"{where}: its type, x or {', '.join(differing) or 'attributes'} are not those of {packed.name!r}, "
            "whose weight it corrects"
        )
    gaps, values = _stored(where, sparse.input[2:], initializers)
    sparse_ops.check_corrections(where, gaps, values, ours["weight_shape"])
    return StoredCorrections(gaps, values, sparse)


def _attributes(where: str, node: onnx.NodeProto) -> dict[str, Any]:
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if attributes.get("format_version", 1) != ops.FORMAT_VERSION:
        raise ModelError(f"{where}: format_version is {attributes['format_version']}, this qcompile reads 1")
    return attributes


def _stored(where: str, names: Sequence[str], initializers: dict[str, onnx.TensorProto]) -> list[npt.NDArray[Any]]:
    """The initializers ``names`` as arrays."""
    if missing := [name for name in names if name not in initializers]:
        raise ModelError(f"{where}: {', '.join(missing)} must be stored in the file (an initializer)")
    return [_to_array(where, initializers[name]) for name in names]


def _to_array(where: str, tensor: onnx.TensorProto) -> npt.NDArray[Any]:
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{where}: initializer {tensor.name} is damaged: {error}") from error
