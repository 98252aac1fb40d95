"""Runs a model in float64 numpy and bounds what float32 may differ by: the judge of kernels and function bodies.

Each value travels with a bound on the error of any float32 evaluation of it: whatever order sums are taken in, with or
without fused multiply-add, with a scale applied after the sum or to the weight before it (bounded.py).
An operator without a rule is computed by onnx's reference evaluator and has the bound infinity: unknown, and said so.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.reference
from onnx import numpy_helper

from qcompile import ops, sparse_ops
from qcompile.bfloat16_ops import BFLOAT16_OPS
from qcompile.bounded import (
    UNIT_ROUNDOFF,
    Array,
    Bounded,
    bilinear,
    dequantize,
    elementwise,
    exact,
    gamma,
    quantize,
    scale_and_shift,
)
from qcompile.decode_ops import DECODE_WEIGHT
from qcompile.errors import ModelError
from qcompile.gather_ops import CODEBOOK_GATHER
from qcompile.integer_bounds import apply_bounded
from qcompile.integer_reference import INTEGER_NAMES
from qcompile.packed_bounds import codebook_op, convolution, decode_op, gather_op, sparse_op
from qcompile.row_bounds import bounded_layer_normalization

# Measured over 3 million points on onnxruntime 1.17 and 1.31 and torch 2.13: 5.5 and 2.6; the rest is margin.
TANH_ROUNDOFFS = 8.0
SIGMOID_ROUNDOFFS = 4.0
EXP_ROUNDOFFS = 4  # of the exponential inside softmax
SHAPING_OPS = frozenset(["Flatten", "Reshape", "Transpose", "Identity", "Squeeze", "Unsqueeze", "Dropout"])
SELECTING_OPS = frozenset(["Concat", "Gather", "Slice", "Expand", "Pad"])


def evaluate(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> dict[str, Bounded]:
    """Every named tensor of ``model``'s graph for ``inputs``, with the bound on its float32 error.

    Raises ModelError if an input is missing.
    """
    values = {tensor.name: exact(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer}
    for graph_input in model.graph.input:
        if graph_input.name not in values and graph_input.name not in inputs:
            raise ModelError(f"reference: no value for input {graph_input.name}; given: {', '.join(inputs) or 'none'}")
    values |= {name: exact(value) for name, value in inputs.items()}
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    for node in model.graph.node:
        operands = [values[name] if name else None for name in node.input]
        try:
            results = _apply(node, operands, opsets)
        except (ArithmeticError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
            raise ModelError(f"reference: {node.op_type} {node.name!r} cannot be computed: {error}") from error
        values |= dict(zip([name for name in node.output if name], results, strict=True))
    return values


def _apply(node: onnx.NodeProto, operands: Sequence[Bounded | None], opsets: Mapping[str, int]) -> list[Bounded]:
    """The outputs of ``node``: by its rule, else by onnx and with the bound infinity."""
    given = [operand for operand in operands if operand is not None]
    known = _apply_rule(node, given, opsets) if len(node.output) == 1 else None
    return [known] if known is not None else _without_rule(node, given, opsets)


def _apply_rule(node: onnx.NodeProto, given: Sequence[Bounded], opsets: Mapping[str, int]) -> Bounded | None:
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    match node.op_type:
        case ops.CODEBOOK_MATMUL | ops.CODEBOOK_CONV:
            return codebook_op(given, attributes)
        case name if name == CODEBOOK_GATHER:
            return gather_op(given, attributes)
        case name if name == DECODE_WEIGHT:
            return decode_op(given, attributes)
        case name if name in BFLOAT16_OPS:
            return codebook_op(given, attributes, in_bfloat16=True)
        case sparse_ops.SPARSE_MATMUL | sparse_ops.SPARSE_CONV:
            return sparse_op(node.op_type, given, attributes)
        case name if name in INTEGER_NAMES:
            return apply_bounded(name, given, attributes)
        case "QuantizeLinear" if _is_plain_quantization(given):
            return quantize(*given)
        case "DequantizeLinear" if _is_plain_quantization(given):
            return dequantize(*given)
        case "MatMul":
            return bilinear(given[0], given[1], lambda a, b: a @ b, given[1].value.shape[-2 % given[1].value.ndim])
        case "Gemm":
            return _gemm(given, attributes)
        case "Conv":
            return _conv(given, attributes)
        case "BatchNormalization":
            return _batch_normalization(given, attributes.get("epsilon", 1e-5))
        case "Add" | "Sub" | "Mul" | "Div" if _has_floats(given):  # whole numbers, as sizes are, are exact
            return elementwise(node.op_type, given[0], given[1])
        case "Relu":
            return _relu(given[0])
        case "Tanh":
            return _tanh(given[0])
        case "Sigmoid":
            value = 1 / (1 + np.exp(-given[0].value))  # its slope is at most 1/4
            return Bounded(value, given[0].error / 4 + SIGMOID_ROUNDOFFS * UNIT_ROUNDOFF)
        case "Softmax":
            return _softmax(given[0], attributes.get("axis", -1))
        case "LayerNormalization" if len(given) == 3 and attributes.get("axis", -1) in (-1, given[0].value.ndim - 1):
            return bounded_layer_normalization(
                given[0], given[1].value, given[2].value, attributes.get("epsilon", 1e-5)
            )
        case "MaxPool" | "AveragePool" if _is_plain_pool(attributes):
            return _pool(node.op_type, given[0], attributes)
        case "GlobalAveragePool":
            return _mean(given[0], tuple(range(2, given[0].value.ndim)), keep=True)
        case "ReduceMean" if axes := _reduced_axes(given, attributes):
            return _mean(given[0], axes, keep=bool(attributes.get("keepdims", 1)))
        case name if name in SHAPING_OPS | SELECTING_OPS:
            return _move(node, given, opsets)
        case "GatherElements":
            return _gather_elements(given[0], given[1].value, attributes.get("axis", 0))
        case "ScatterND" if attributes.get("reduction", b"none") == b"add":
            return _add_at_places(node, given, opsets)
        case "Constant" | "Shape":
            return exact(_by_onnx(node, [operand.value for operand in given], opsets)[0])
    return None


def _has_floats(operands: Sequence[Bounded]) -> bool:
    return any(np.issubdtype(operand.value.dtype, np.floating) for operand in operands)


def _without_rule(node: onnx.NodeProto, given: Sequence[Bounded], opsets: Mapping[str, int]) -> list[Bounded]:
    """Whatever is float, or follows from something that is not exact, has an unknown error."""
    inexact = any(operand.error.any() for operand in given)
    values = _by_onnx(node, [operand.value for operand in given], opsets)
    unknown = [inexact or np.issubdtype(value.dtype, np.floating) for value in values]
    return [Bounded(v, np.full(v.shape, np.inf if u else 0.0)) for v, u in zip(values, unknown, strict=True)]


def _conv(operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> Bounded:
    x, weight = operands[:2]
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ModelError("reference: Conv with auto_pad SAME is not supported; write the pads out")
    product = convolution(x, weight, attributes)
    bias = operands[2] if len(operands) > 2 else exact(np.zeros(1))
    terms, column = math.prod(weight.value.shape[1:]), (-1, *[1] * (x.value.ndim - 2))
    return scale_and_shift(product, np.ones(1), bias.value.reshape(column), terms, bias.error.reshape(column))


def _gemm(operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> Bounded:
    a, b = operands[:2]
    a = Bounded(a.value.T, a.error.T) if attributes.get("transA", 0) else a
    b = Bounded(b.value.T, b.error.T) if attributes.get("transB", 0) else b
    terms = b.value.shape[0]
    alpha, beta = np.full(1, attributes.get("alpha", 1.0)), attributes.get("beta", 1.0)
    bias = operands[2] if len(operands) > 2 else exact(np.zeros(1))
    # The product with beta is one more rounding.
    bias_error = np.abs(beta) * (bias.error + gamma(1) * np.abs(bias.value))
    product = bilinear(a, b, lambda p, q: p @ q, terms)
    return scale_and_shift(product, alpha, bias.value * beta, terms, bias_error)


def _batch_normalization(operands: Sequence[Bounded], epsilon: float) -> Bounded:
    x = operands[0]
    gain, beta, mean, variance = (o.value.reshape(-1, *[1] * (x.value.ndim - 2)) for o in operands[1:5])
    scale = gain / np.sqrt(variance + epsilon)
    value = (x.value - mean) * scale + beta
    # (x - mean) * (gain / sqrt(variance + epsilon)) + beta in any grouping: 7 roundings at most.
    reach = (np.abs(x.value) + np.abs(mean)) * np.abs(scale) + np.abs(beta)
    return Bounded(value, x.error * np.abs(scale) * (1 + gamma(7)) + gamma(7) * reach)


def _relu(x: Bounded) -> Bounded:
    """What is surely negative becomes exactly 0."""
    return Bounded(np.maximum(x.value, 0), np.where(x.value + x.error <= 0, 0, x.error))


def _tanh(x: Bounded) -> Bounded:
    """The slope 1 - tanh^2 is largest where the interval value +- error comes nearest to 0."""
    nearest = np.maximum(np.abs(x.value) - x.error, 0)
    slope = 1 - np.square(np.tanh(nearest))
    return Bounded(np.tanh(x.value), x.error * slope + TANH_ROUNDOFFS * UNIT_ROUNDOFF)


def _softmax(x: Bounded, axis: int) -> Bounded:
    """Inputs off by e change each result by a factor of at most exp(2 e); opset 13 and later."""
    shifted = x.value - x.value.max(axis=axis, keepdims=True)
    value = np.exp(shifted)
    value /= value.sum(axis=axis, keepdims=True)
    reach = np.expm1(2 * (x.error.max(axis=axis, keepdims=True) + UNIT_ROUNDOFF * np.abs(shifted).max()))
    return Bounded(value, value * (reach + gamma(x.value.shape[axis] + 2 * EXP_ROUNDOFFS + 2) * (1 + reach)))


def _is_plain_pool(attributes: Mapping[str, Any]) -> bool:
    """Whether every window lies inside the input and is dense."""
    return (
        not any(attributes.get("pads", ()))
        and attributes.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
        and not attributes.get("ceil_mode", 0)
        and all(step == 1 for step in attributes.get("dilations", ()))
    )


def _pool(op_type: str, x: Bounded, attributes: Mapping[str, Any]) -> Bounded:
    kernel = attributes["kernel_shape"]
    strides = attributes.get("strides", [1] * len(kernel))
    axes = tuple(range(2, 2 + len(kernel)))
    chosen = (slice(None), slice(None), *(slice(None, None, stride) for stride in strides))
    values, errors = (
        np.lib.stride_tricks.sliding_window_view(array, kernel, axis=axes)[chosen] for array in (x.value, x.error)
    )
    inner = tuple(range(-len(kernel), 0))
    if op_type == "MaxPool":
        return Bounded(values.max(axis=inner), errors.max(axis=inner))
    reach = np.abs(values).mean(axis=inner) + errors.mean(axis=inner)
    return Bounded(values.mean(axis=inner), errors.mean(axis=inner) + gamma(math.prod(kernel) + 1) * reach)


def _reduced_axes(operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> tuple[int, ...]:
    """The axes of a reduction, an input since opset 18; none if they are not given."""
    given = operands[1].value.tolist() if len(operands) > 1 else attributes.get("axes", ())
    return tuple(given)


def _mean(x: Bounded, axes: tuple[int, ...], *, keep: bool) -> Bounded:
    terms = math.prod(x.value.shape[axis] for axis in axes)
    error = x.error.mean(axis=axes, keepdims=keep)
    reach = np.abs(x.value).mean(axis=axes, keepdims=keep) + error
    return Bounded(x.value.mean(axis=axes, keepdims=keep), error + gamma(terms + 1) * reach)


def _move(node: onnx.NodeProto, operands: Sequence[Bounded], opsets: Mapping[str, int]) -> Bounded:
    """An operator that only moves values: the bounds move with them."""
    value = _by_onnx(node, [operand.value for operand in operands], opsets)[0]
    if not any(operand.error.any() for operand in operands):
        return Bounded(value, np.zeros(value.shape))
    is_data = [np.issubdtype(o.value.dtype, np.floating) or bool(o.error.any()) for o in operands]
    moved = [o.error if data else o.value for o, data in zip(operands, is_data, strict=True)]
    return Bounded(value, _by_onnx(node, moved, opsets)[0])


def _gather_elements(data: Bounded, indices: Array, axis: int) -> Bounded:
    """The evaluator of onnx itself refuses indices that are shorter than the data; negative ones count from the end."""
    inside = tuple(slice(None) if axis % indices.ndim == i else slice(size) for i, size in enumerate(indices.shape))
    value, error = (np.take_along_axis(part[inside], indices, axis) for part in (data.value, data.error))
    return Bounded(value, error)


def _is_plain_quantization(operands: Sequence[Bounded]) -> bool:
    """Whether scale and zero point are single, and codes uint8."""
    return len(operands) == 3 and operands[1].value.size == 1 and operands[2].value.dtype == np.uint8


def _add_at_places(node: onnx.NodeProto, operands: Sequence[Bounded], opsets: Mapping[str, int]) -> Bounded:
    """ScatterND that adds: as many roundings as additions at a place."""
    data, places, updates = operands
    value = _by_onnx(node, [data.value, places.value, updates.value], opsets)[0]
    ones, none = np.ones(updates.value.shape), np.zeros(data.value.shape)
    additions = _by_onnx(node, [none, places.value, ones], opsets)[0]
    error = _by_onnx(node, [data.error, places.value, updates.error], opsets)[0]
    reach = _by_onnx(node, [np.abs(data.value), places.value, np.abs(updates.value)], opsets)[0] + error
    return Bounded(value, error + gamma(1) * additions * (1 + gamma(1)) ** additions * reach)


def _by_onnx(node: onnx.NodeProto, values: Sequence[Array], opsets: Mapping[str, int]) -> list[Array]:
    """The outputs of a node of standard operators by onnx's own reference evaluator."""
    single = onnx.NodeProto()
    single.CopyFrom(node)
    feeds = dict(zip((name for name in node.input if name), values, strict=True))
    graph = onnx.helper.make_graph(
        [single],
        "single",
        [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in feeds],
        [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in node.output if name],
    )
    imports = [onnx.helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    evaluator = onnx.reference.ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=imports))
    outputs: Any = evaluator.run(None, feeds)
    return [np.asarray(output) for output in outputs]
