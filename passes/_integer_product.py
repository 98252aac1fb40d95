"""Makes IntegerProduct and IntegerProductFloat."""

import onnx_ir as ir

from qcompile.integer_product import INTEGER_PRODUCT, INTEGER_PRODUCT_FLOAT, SHAPES
from qcompile.ops import DOMAIN
from qcompile.passes._codes import Builder, Codes
from qcompile.passes._integer_nodes import Attribute, Tail
from qcompile.passes._products import terms_of


def add_product(builder: Builder, product: ir.Node, a: Codes, b: Codes, factor: float, tail: Tail | None) -> Codes:
    """Adds the operator for the MatMul ``product`` of ``a`` and ``b``, times ``factor``.

    It gives codes with ``tail``, else floats, whose scale is 1. The attributes are those of docs/packed-format.md,
    section 6.
    """
    left, right, shape = builder.as_in_model(a), builder.as_in_model(b), product.outputs[0].shape
    assert shape is not None  # or it would be no product for integers
    name = builder.take_name(product)  # which is dead from now on
    attributes: dict[str, Attribute] = {"a_zero_point": a.zero_point, "b_zero_point": b.zero_point}
    rank = len(shape.dims)
    attributes |= {name: tuple(range(rank)) for name in ("a_perm", "b_perm", "y_perm")}
    attributes |= dict.fromkeys(SHAPES, (0,) * rank)  # as they are
    attributes["scale"] = a.scale * b.scale * factor
    if a.bits < 8:
        attributes["a_bits"] = a.bits
    if (terms := terms_of(product)) is not None:
        attributes["k"] = terms
    inputs = [left.value, right.value]
    if tail is None:
        node = ir.node(INTEGER_PRODUCT_FLOAT, inputs, attributes, domain=DOMAIN, name=name)
        return Codes(builder.add(node, f"{name}.product", ir.DataType.FLOAT, shape), 1.0, 0)
    to = tail.target
    attributes |= {"scale": a.scale * b.scale * factor / to.scale, "bias": float(to.zero_point), **tail.bounds()}
    node = ir.node(INTEGER_PRODUCT, inputs, attributes, domain=DOMAIN, name=name)
    return Codes(builder.add(node, f"{name}.codes", ir.DataType.UINT8, shape), to.scale, to.zero_point)
