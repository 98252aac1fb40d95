"""Transpose, Reshape before or behind IntegerProduct  ->  the order and sizes of the axes that it reads and writes."""

from collections.abc import Sequence

import onnx_ir as ir

from qcompile.errors import ModelError
from qcompile.integer_product import INTEGER_PRODUCTS, MAX_PRODUCT_AXES, SHAPES, check_orders
from qcompile.ops import DOMAIN
from qcompile.passes._match import constant, is_standard, sole_reader

ORDERS = ("a_perm", "b_perm", "y_perm")
Perm = tuple[int, ...]


class FuseMoves(ir.passes.InPlacePass):
    """Leaves Transposes and Reshapes around products of activations to the products, as attention's of heads.

    Requires: integer operators with shapes. Ensures: the same numbers.
    Leaves alone: orders that tear neighbours in memory apart, a second Reshape and what is beyond it; moved products
    that somebody else reads.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fuses what is around each product."""
        modified = False
        for node in list(model.graph):
            if node.domain == DOMAIN and node.op_type in INTEGER_PRODUCTS:
                modified |= any([_fuse_before(node, 0), _fuse_before(node, 1), _fuse_behind(node)])
                modified |= any([_reshape_before(node, 0), _reshape_before(node, 1), _reshape_behind(node)])
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
    _take_place(node, behind)
    return True


def _reshape_before(node: ir.Node, index: int) -> bool:
    """Reads what is before the Reshape of an input."""
    source = _reshaped(node.inputs[index])
    if source is None or any(_order(node, SHAPES[index])):
        return False
    value, sizes = source
    node.replace_input_with(index, value)
    node.attributes[SHAPES[index]] = ir.AttrInt64s(SHAPES[index], sizes)
    return True


def _reshape_behind(node: ir.Node) -> bool:
    """Gives what the Reshape behind the product gives."""
    behind = sole_reader(node.outputs[0])
    source = None if behind is None else _reshaped(behind.outputs[0])
    if behind is None or source is None or source[0] is not node.outputs[0]:
        return False
    node.attributes["y_shape"] = ir.AttrInt64s("y_shape", source[1])
    _take_place(node, behind)
    return True


def _take_place(node: ir.Node, behind: ir.Node) -> None:
    """Gives all that read ``behind`` what ``node`` gives, under the name that they know."""
    old, own = behind.outputs[0], node.outputs[0]
    own.name, own.shape = old.name, old.shape
    old.replace_all_uses_with(own, replace_graph_outputs=True)
    assert behind.graph is not None
    behind.graph.remove(behind, safe=True)


def _reshaped(value: ir.Value | None) -> tuple[ir.Value, Perm] | None:
    """What a Reshape to sizes that are known makes ``value`` of, and the sizes; 0 is that of the input."""
    node = None if value is None else value.producer()
    if node is None or not is_standard(node, "Reshape") or node.inputs[0] is None:
        return None
    sizes = constant(node.inputs[1])
    if sizes is None or not 1 <= sizes.size <= MAX_PRODUCT_AXES:
        return None
    allows_zero = "allowzero" in node.attributes and node.attributes["allowzero"].as_int() != 0
    return None if allows_zero and 0 in sizes else (node.inputs[0], tuple(int(size) for size in sizes))


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
