"""Makes IntegerProduct and IntegerProductFloat.

A Transpose of ``b`` that makes its last axis the last but one is left to the operator, which reads ``b`` either way:
what is left of the Transpose moves whole rows, or nothing.
"""

from dataclasses import replace

import onnx_ir as ir

from qcompile.integer_product import INTEGER_PRODUCT, INTEGER_PRODUCT_FLOAT
from qcompile.ops import DOMAIN
from qcompile.passes._codes import Builder, Codes
from qcompile.passes._integer_nodes import Attribute, Tail
from qcompile.passes._match import is_standard
from qcompile.passes._products import terms_of


def add_product(builder: Builder, product: ir.Node, a: Codes, b: Codes, factor: float, tail: Tail | None) -> Codes:
    """Adds the operator for the MatMul ``product`` of ``a`` and ``b``, times ``factor``.

    It gives codes with ``tail``, else floats, whose scale is 1. The attributes are those of docs/packed-format.md,
    section 6.
    """
    left, (right, is_transposed) = builder.as_in_model(a), _before_swap(builder, builder.as_in_model(b))
    name = builder.take_name(product)  # which is dead from now on
    attributes: dict[str, Attribute] = {"a_zero_point": a.zero_point, "b_zero_point": b.zero_point}
    attributes |= {"b_transposed": int(is_transposed), "scale": a.scale * b.scale * factor}
    if a.bits < 8:
        attributes["a_bits"] = a.bits
    if (terms := terms_of(product)) is not None:
        attributes["k"] = terms
    inputs, shape = [left.value, right.value], product.outputs[0].shape
    if tail is None:
        node = ir.node(INTEGER_PRODUCT_FLOAT, inputs, attributes, domain=DOMAIN, name=name)
        return Codes(builder.add(node, f"{name}.product", ir.DataType.FLOAT, shape), 1.0, 0)
    to = tail.target
    attributes |= {"scale": a.scale * b.scale * factor / to.scale, "bias": float(to.zero_point), **tail.bounds()}
    node = ir.node(INTEGER_PRODUCT, inputs, attributes, domain=DOMAIN, name=name)
    return Codes(builder.add(node, f"{name}.codes", ir.DataType.UINT8, shape), to.scale, to.zero_point)


def _before_swap(builder: Builder, b: Codes) -> tuple[Codes, bool]:
    """``b`` with its last two axes as they were before they were swapped, and whether they were."""
    node = b.value.producer()
    if node is None or not is_standard(node, "Transpose") or b.value.shape is None or node.inputs[0] is None:
        return b, False
    dims = b.value.shape.dims
    axes = tuple(node.attributes.get_ints("perm", tuple(reversed(range(len(dims))))))
    if len(axes) < 2 or axes[-2] != len(axes) - 1:
        return b, False
    axes = (*axes[:-2], axes[-1], axes[-2])
    if axes == tuple(range(len(axes))):
        return replace(b, value=node.inputs[0]), True
    shape = ir.Shape([*dims[:-2], dims[-1], dims[-2]])
    turned = ir.node("Transpose", [node.inputs[0]], {"perm": axes}, name=node.name)
    return replace(b, value=builder.add(turned, f"{b.value.name}.rows", ir.DataType.UINT8, shape)), True
