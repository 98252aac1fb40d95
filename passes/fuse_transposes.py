"""Transpose before or behind IntegerProduct  ->  the order of axes in which the product reads and writes."""

from collections.abc import Sequence

import onnx_ir as ir

from qcompile.errors import ModelError
from qcompile.integer_product import INTEGER_PRODUCTS, check_orders
from qcompile.ops import DOMAIN
from qcompile.passes._match import is_standard, sole_reader

ORDERS = ("a_perm", "b_perm", "y_perm")
Perm = tuple[int, ...]


class FuseTransposes(ir.passes.InPlacePass):
    """Leaves Transposes around products of activations to the products, as attention's of heads and positions.

    Requires: integer operators. Ensures: the same numbers.
    Leaves alone: orders that tear neighbours in memory apart; transposed products that somebody else reads.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fuses what is around each product."""
        modified = False
        for node in list(model.graph):
            if node.domain == DOMAIN and node.op_type in INTEGER_PRODUCTS:
                modified |= any([_fuse_before(node, 0), _fuse_before(node, 1), _fuse_behind(node)])
        return ir.passes.PassResult(model, modified)


def _fuse_before(node: ir.Node, index: int) -> bool:
    """Reads what is before the Transposes of an input."""
    fused = False
    while (source := _transposed(node.inputs[index])) is not None:
        value, perm = source
        if not _set_order(node, ORDERS[index], _after(perm, _order(node, ORDERS[index]))):
            break
        node.replace_input_with(index, value)
        fused = True
    return fused


def _fuse_behind(node: ir.Node) -> bool:
    """Gives what the Transpose behind the product gives."""
    behind = sole_reader(node.outputs[0])
    if behind is None:
        return False
    source = _transposed(behind.outputs[0])
    if source is None or not _set_order(node, "y_perm", _after(_order(node, "y_perm"), source[1])):
        return False
    old, own = behind.outputs[0], node.outputs[0]
    own.name, own.shape = old.name, old.shape
    old.replace_all_uses_with(own, replace_graph_outputs=True)
    assert behind.graph is not None
    behind.graph.remove(behind, safe=True)
    return True


def _transposed(value: ir.Value | None) -> tuple[ir.Value, Perm] | None:
    """What a Transpose makes ``value`` of, and in which order."""
    node = None if value is None else value.producer()
    if node is None or not is_standard(node, "Transpose") or node.inputs[0] is None:
        return None
    shape = node.outputs[0].shape
    perm = tuple(node.attributes.get_ints("perm", () if shape is None else tuple(reversed(range(len(shape.dims))))))
    return (node.inputs[0], perm) if perm else None


def _order(node: ir.Node, name: str) -> Perm:
    return tuple(node.attributes[name].as_ints())


def _after(first: Sequence[int], second: Sequence[int]) -> Perm:
    """The order that both make, one after the other."""
    return tuple(first[axis] for axis in second)


def _set_order(node: ir.Node, name: str, perm: Perm) -> bool:
    """Whether the operator can have this order; then it has."""
    orders = {each: _order(node, each) for each in ORDERS} | {name: perm}
    try:
        check_orders(*(orders[each] for each in ORDERS))
    except ModelError:
        return False
    node.attributes[name] = ir.AttrInt64s(name, perm)
    return True
