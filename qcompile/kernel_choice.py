"""Which kernel each layer of a packed model runs on this machine: the library is asked, for the sizes of the input."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from qcompile import bfloat16_ops, integer_ops, ops, runtime, sparse_ops
from qcompile.errors import QCompileError
from qcompile.tensor_shapes import tensor_shapes

_PRODUCT_QUESTION, _CONV_QUESTION = "IntegerMatMulKernel", "IntegerConvKernel"
_FLOAT_LAYERS = frozenset([ops.CODEBOOK_MATMUL, ops.CODEBOOK_CONV]) | bfloat16_ops.BFLOAT16_OPS
_SPARSE = frozenset(sparse_ops.SPARSE_OF.values())
_READ_FLOATS = _FLOAT_LAYERS | {integer_ops.INTEGER_MATMUL_DYNAMIC}
_MOST_ELEMENTS = 2**30  # of an x that is made up: a file may say any size
_FLOAT, _UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8


def kernels_of(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]] | None = None) -> dict[str, str]:
    """By the name of its first output, the kernel of each layer of ``model`` with a packed weight.

    ``shapes`` are those of inputs by name; elsewhere a free axis has one element. A layer is left out where
    the shape of its input cannot be told, or is absurdly large.

    Raises QCompileError if the library is missing or refuses a layer.
    """
    nodes = [node for node in model.graph.node if node.domain == ops.DOMAIN]
    kernels: dict[str, str] = {}
    if sparse := [node for node in nodes if node.op_type in _SPARSE]:
        names = runtime.runtime_info().kernels
        kernels = {node.output[0]: names[node.op_type][0] for node in sparse}
    asked = [node for node in nodes if node.op_type in integer_ops.INTEGER_LAYERS | _FLOAT_LAYERS]
    return kernels | _ask(model, asked, tensor_shapes(model, shapes) if asked else {})


def _ask(
    model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, str]:
    """What a model of questions, one for each of ``nodes``, answers."""
    known = [node for node in nodes if math.prod(shapes.get(node.input[0], (math.inf,))) <= _MOST_ELEMENTS]
    if not known:
        return {}
    operands = {name for node in known for name in _operands(node)}
    stored = [tensor for tensor in model.graph.initializer if tensor.name in operands]
    questions = [_question(node, number) for number, node in enumerate(known)]
    kinds = [_FLOAT if node.op_type in _READ_FLOATS else _UINT8 for node in known]
    inputs = [
        helper.make_tensor_value_info(question.input[0], kind, shapes[node.input[0]])
        for node, question, kind in zip(known, questions, kinds, strict=True)
    ]
    outputs = [helper.make_tensor_value_info(question.output[0], _UINT8, ["bytes"]) for question in questions]
    graph = helper.make_graph(questions, "kernels", inputs, outputs, stored)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(ops.DOMAIN, 1)]
    asked = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    feeds = {
        question.input[0]: np.zeros(shapes[node.input[0]], helper.tensor_dtype_to_np_dtype(kind))
        for node, question, kind in zip(known, questions, kinds, strict=True)
    }
    answers = _run(asked, feeds)
    return {node.output[0]: bytes(answer).decode() for node, answer in zip(known, answers, strict=True)}


def _run(model: onnx.ModelProto, feeds: dict[str, Any]) -> list[Any]:
    session = runtime.session(model.SerializeToString(), threads=1)
    try:
        answers: list[Any] = session.run(None, feeds)
    except Exception as error:  # onnxruntime's errors share no public base class
        raise QCompileError(f"kernels: {error}") from error
    return answers


def _operands(node: onnx.NodeProto) -> list[str]:
    """Those that all kinds of a layer have, but for x."""
    return list(node.input[1 : len(ops.OPERANDS)])


def _question(node: onnx.NodeProto, number: int) -> onnx.NodeProto:
    """The operator that tells which kernel ``node`` runs, of the same operands and attributes; x is of its own."""
    kind = _CONV_QUESTION if node.op_type in integer_ops.INTEGER_CONVS else _PRODUCT_QUESTION
    if node.op_type in _READ_FLOATS:
        kind = f"{node.op_type}Kernel"
    inputs = [f"x of {number}", *_operands(node)]
    question = helper.make_node(kind, inputs, [f"kernel of {number}"], name=node.name, domain=ops.DOMAIN)
    question.attribute.extend(node.attribute)
    return question
