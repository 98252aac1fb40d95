"""Einsum of something and a constant  ->  MatMul with a constant matrix, which other passes pack.

Summed over are the letters that both operands have and the result has not. An equation in which both operands and the
result have a letter, as h of `bhk,hkd->bhd`, says that each place of that axis has a matrix of its own: it stays.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.passes._match import LeftAloneError, constant, is_standard
from qcompile.passes._operands import drop_unused, graph_of, initializer, register


@dataclass(frozen=True)
class Letters:
    """The letters of x, of the weight and of the result, and those that are kept of x, summed over, and new."""

    x: str
    weight: str
    result: str
    kept: str
    summed: str
    new: str


class RewriteEinsums(ir.passes.InPlacePass):
    """Makes a MatMul of each Einsum that is one.

    Requires: a model that the ONNX checker accepts.
    Ensures: no Einsum with one constant float32 operand is left that is a product with one matrix.
    Leaves alone: all others, of which ``list_left_einsums`` tells those with a constant; subgraphs.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrites all that ``read_letters`` accepts."""
        modified = False
        for node in [node for node in model.graph if _is_candidate(node)]:
            try:
                letters = read_letters(node)
            except LeftAloneError:
                continue  # list_left_einsums says why
            _rewrite(node, letters)
            modified = True
        return ir.passes.PassResult(model, modified)


def list_left_einsums(model: ir.Model) -> list[tuple[str, str]]:
    """Each Einsum with a constant float32 operand that stayed, and why, in the order of the graph."""
    found = []
    for node in [node for node in model.graph if _is_candidate(node)]:
        try:
            read_letters(node)
        except LeftAloneError as reason:
            found.append((node.name or str(node.outputs[0].name), str(reason)))
    return found


def read_letters(node: ir.Node) -> Letters:
    """What the equation of the candidate ``node`` says.

    Raises LeftAloneError where it is not the product with one matrix.
    """
    equation = node.attributes.get_string("equation", "").replace(" ", "")
    operands, _, result = equation.partition("->")
    terms = operands.split(",")
    if "." in equation or "->" not in equation or len(terms) != 2:
        raise LeftAloneError(f"its equation {equation} has an ellipsis or does not say all letters")
    if any(len(set(letters)) < len(letters) for letters in (*terms, result)):
        raise LeftAloneError(f"its equation {equation} has a letter twice in an operand")
    x, weight = terms if constant(node.inputs[1]) is not None else terms[::-1]
    kept, summed = ("".join(c for c in x if (c in weight) is both) for both in (False, True))
    new = "".join(c for c in weight if c not in x)
    if not summed or set(result) != {*kept, *new}:
        raise LeftAloneError(f"its equation {equation} is not the product with one constant matrix")
    return Letters(x, weight, result, kept, summed, new)


def _is_candidate(node: ir.Node) -> bool:
    """Whether ``node`` is an Einsum of two operands of which one is constant floats."""
    if not is_standard(node, "Einsum") or len(node.inputs) != 2:
        return False
    found = [array for value in node.inputs if (array := constant(value)) is not None]
    return len(found) == 1 and found[0].dtype == np.float32 and bool(found[0].size)


def _rewrite(node: ir.Node, letters: Letters) -> None:
    """Puts MatMul, and what moves axes before and behind it, in the place of ``node``."""
    graph, place = graph_of(node), 1 if constant(node.inputs[1]) is not None else 0
    x, source = node.inputs[1 - place], node.inputs[place]
    weight = constant(source)
    assert x is not None, f"{node.name} has no x"
    assert source is not None, f"{node.name} has no weight"
    assert weight is not None, f"{node.name} has no constant"
    size = dict(zip(letters.weight, weight.shape, strict=True))
    moved = weight.transpose([letters.weight.index(c) for c in letters.summed + letters.new])
    terms = math.prod(size[c] for c in letters.summed)
    matrix, name = initializer(np.ascontiguousarray(moved.reshape(terms, -1))), str(source.name)
    given = _Chain(graph, node, x)
    given.transpose(letters.x, letters.kept + letters.summed)
    given.reshape(letters.kept, [terms], len(letters.summed))
    given.add("MatMul", matrix, name=node.name)
    given.reshape(letters.kept, [size[c] for c in letters.new], 1)
    given.transpose(letters.kept + letters.new, letters.result)
    ir.convenience.replace_nodes_and_values(graph, node, [node], [], node.outputs, [given.value])
    drop_unused(source)
    register(graph, matrix, name)
    for array, wanted in given.stored:
        register(graph, array, f"{name}.{wanted}")


class _Chain:
    """Operators one behind the other, put before ``node``; ``value`` is what the last one gives."""

    def __init__(self, graph: ir.Graph, node: ir.Node, value: ir.Value) -> None:
        self.value, self.stored, self._graph, self._node = value, list[tuple[ir.Value, str]](), graph, node

    def add(self, op_type: str, *operands: ir.Value, name: str | None = None, **attributes: Any) -> None:
        made = ir.node(op_type, [self.value, *operands], attributes, name=name)
        self._graph.insert_before(self._node, made)
        self.value = made.outputs[0]

    def transpose(self, letters: str, wanted: str) -> None:
        if letters != wanted:
            self.add("Transpose", perm=tuple(letters.index(c) for c in wanted))

    def reshape(self, kept: str, sizes: list[int], count: int) -> None:
        """Makes ``sizes`` of the ``count`` axes behind ``kept``: 0 stands for the size that an axis has."""
        if count == len(sizes) == 1:
            return
        shape: npt.NDArray[np.int64] = np.array([0] * len(kept) + sizes, np.int64)
        self.stored.append((initializer(shape), f"shape{len(self.stored)}"))
        self.add("Reshape", self.stored[-1][0])
