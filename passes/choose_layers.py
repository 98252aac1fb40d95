"""model  ->  the same model, in which the layers that a user wants to stay float are marked.

Passes that round weights, and those that make integers of products of activations, leave alone what is marked.
"""

import fnmatch
from collections.abc import Sequence

import onnx_ir as ir

from qcompile.errors import DataError
from qcompile.layer_choice import LayerChoice
from qcompile.passes._chosen import keep_float
from qcompile.passes._layer_names import layer_name, layer_names, near
from qcompile.passes._match import constant, is_standard
from qcompile.passes._products import is_product_of_activations
from qcompile.passes.round_stored import STORED
from qcompile.passes.round_tables import reads_table
from qcompile.passes.round_weights import has_float_weight

OPERATORS = tuple(sorted({*STORED, "Gather"}))

Names = dict[ir.Node, tuple[str, ...]]  # what a pattern may match: first what is told


class ChooseLayers(ir.passes.InPlacePass):
    """Marks the layers that ``choice`` leaves float: with a float weight, a float table, or products of activations.

    Requires: a model whose float weights are constants that layers read.
    Ensures: the graph is not changed.
    Leaves alone: layers whose weight is looked up or quantized; subgraphs.
    Raises DataError for a pattern that matches no layer, or an operator that none is.
    """

    def __init__(self, choice: LayerChoice) -> None:
        super().__init__()
        self._choice = choice

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Marks each by the first rule that leaves it float."""
        names = _names(model)
        excluded = _matched("exclude", self._choice.exclude, names)
        included = _matched("quantize", self._choice.include, names)
        _check_operators(self._choice.operators)
        for node, (name, *_) in names.items():
            if node in excluded:
                keep_float(node, name, "excluded")
            elif self._choice.include and node not in included:
                keep_float(node, name, "excluded: not among the layers to quantize")
            elif self._choice.operators and node.op_type not in self._choice.operators:
                keep_float(node, name, f"excluded: {node.op_type} is not among the operators to quantize")
        return ir.passes.PassResult(model, modified=False)


def _names(model: ir.Model) -> Names:
    """What the layers of ``model`` that can be chosen are called, in the order of the graph."""
    layers = [node for node in model.graph if has_float_weight(node)]
    numbered = dict(zip(layers, layer_names(layers), strict=True))
    found = {}
    for node in model.graph:
        if node in numbered:
            found[node] = _both(numbered[node], node)
        elif reads_table(node):
            found[node] = _both(layer_name(node, 0), node)
        elif _is_weighted(node) or is_product_of_activations(node):
            found[node] = _both(layer_name(node), node)
    return found


def _both(name: str, node: ir.Node) -> tuple[str, ...]:
    return (name, node.name) if node.name else (name,)


def _is_weighted(node: ir.Node) -> bool:
    """Whether ``node`` is a layer with a constant float weight, also one that passes leave alone."""
    if not is_standard(node, *STORED):
        return False
    weights = [constant(node.inputs[place]) for place in STORED[node.op_type] if place < len(node.inputs)]
    return any(weight is not None and weight.dtype.kind == "f" and weight.ndim > 1 for weight in weights)


def _matched(verb: str, patterns: Sequence[str], names: Names) -> set[ir.Node]:
    """The nodes of which a pattern matches a name. Raises DataError for one that matches none."""
    found = set[ir.Node]()
    for pattern in patterns:
        matched = {node for node, called in names.items() if any(_fits(name, pattern) for name in called)}
        if not matched:
            known = list(dict.fromkeys(name for called in names.values() for name in called))
            raise DataError(
                f"layers to {verb}: {pattern!r} matches no layer with a float weight and no product of activations; "
                f"{near(pattern, known)}"
            )
        found |= matched
    return found


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatch.fnmatchcase(name, pattern)  # a name may have brackets, which are a pattern


def _check_operators(operators: Sequence[str]) -> None:
    for operator in operators:
        if operator not in OPERATORS:
            raise DataError(
                f"operators to quantize: {operator!r} is none that has weights; wanted some of {', '.join(OPERATORS)}. "
                "What is between layers becomes integers with them"
            )
