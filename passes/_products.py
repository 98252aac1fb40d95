"""Products of two activations, MatMul of two computed tensors, and what integers can do of them.

Mul and Div by single constants, as attention divides by the root of a width, become part of the product's scale.
"""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from qcompile.integer_product import MAX_PRODUCT_AXES, MAX_PRODUCT_TERMS
from qcompile.passes._chosen import stays_float
from qcompile.passes._match import LeftAloneError, constant, is_standard, sole_reader


def is_product(node: ir.Node | None) -> bool:
    """Whether ``node`` is a product of two activations that integers can do, and may."""
    if node is None or stays_float(node) or not is_product_of_activations(node):
        return False
    try:
        check_product(node)
    except LeftAloneError:
        return False
    return True


def is_product_of_activations(node: ir.Node) -> bool:
    """Whether ``node`` is a MatMul of two tensors that depend on an input of the graph."""
    return is_standard(node, "MatMul") and all(_is_activation(value) for value in node.inputs)


def _is_activation(value: ir.Value | None) -> bool:
    """Whether ``value`` depends on an input of the graph."""
    open_values, seen = [value], set[ir.Value]()
    while open_values:
        found = open_values.pop()
        if found is None or found in seen or found.const_value is not None or constant(found) is not None:
            continue  # stored: a constant, or what stands for an input that is not given
        if found.is_graph_input():
            return True
        seen.add(found)
        node = found.producer()
        open_values += [] if node is None else node.inputs
    return False


def check_product(node: ir.Node) -> None:
    """Raises LeftAloneError, with the reason, where integers cannot do a product of activations."""
    a, b = (value.shape if value is not None else None for value in node.inputs)
    if a is None or b is None:
        raise LeftAloneError("the shapes of what it multiplies are not known")
    if any(value is None or value.dtype != ir.DataType.FLOAT for value in node.inputs):
        raise LeftAloneError("it multiplies no float32")
    if len(a.dims) < 2 or len(a.dims) != len(b.dims) or not _are_alike(a.dims[:-2], b.dims[:-2]):
        raise LeftAloneError(
            f"it multiplies {a} by {b}: only matrices of the same leading axes are multiplied as integers"
        )
    if len(a.dims) > MAX_PRODUCT_AXES:
        raise LeftAloneError(f"it multiplies tensors of {len(a.dims)} axes, integers have at most {MAX_PRODUCT_AXES}")
    terms = a.dims[-1]
    if isinstance(terms, int) and terms > MAX_PRODUCT_TERMS:
        raise LeftAloneError(f"{terms} products in a sum, at most {MAX_PRODUCT_TERMS} fit int32")


def _are_alike(a: Sequence[int | ir.SymbolicDim], b: Sequence[int | ir.SymbolicDim]) -> bool:
    """Whether sizes are surely the same: two without a name may differ."""
    return list(a) == list(b) and ir.SymbolicDim(None) not in a


def terms_of(product: ir.Node) -> int | None:
    """How many products a sum has; None where only the run knows."""
    a, b = product.inputs
    assert a is not None
    assert b is not None
    found = [a.shape.dims[-1] if a.shape else None, b.shape.dims[-2] if b.shape else None]
    return next((size for size in found if isinstance(size, int)), None)


def unscaled(value: ir.Value) -> ir.Value:
    """What ``value`` is single constants times: what a product reads instead, whoever else reads ``value``."""
    while (source := _scaled(value)) is not None:
        value = source
    return value


def before_factors(value: ir.Value) -> ir.Value:
    """What ``value`` was before it was multiplied or divided by single constants, where nothing else reads it."""
    while (source := _scaled(value)) is not None and sole_reader(source) is value.producer():
        value = source
    return value


def after_factors(value: ir.Value) -> ir.Value:
    """What ``value`` is when it was multiplied or divided by single constants: ``before_factors``, forward."""
    while (reader := sole_reader(value)) is not None and _scaled(reader.outputs[0]) is value:
        value = reader.outputs[0]
    return value


def factor_between(source: ir.Value, value: ir.Value) -> float:
    """By which number ``source``, which only such constants part from ``value``, was multiplied to give ``value``."""
    factor = 1.0
    while value is not source:
        node = value.producer()
        assert node is not None
        [number] = [found for v in node.inputs if (found := constant(v)) is not None]
        single = float(number.reshape(()))
        factor = factor / single if node.op_type == "Div" else factor * single
        before = _scaled(value)
        assert before is not None
        value = before
    return factor


def _scaled(value: ir.Value) -> ir.Value | None:
    """What ``value`` is a single finite constant times; None where it is not, or where that adds axes."""
    node = value.producer()
    if node is None or not is_standard(node, "Mul", "Div"):
        return None
    numbers = [constant(v) for v in node.inputs]
    computed = [v for v, number in zip(node.inputs, numbers, strict=True) if number is None]
    if len(computed) != 1 or (node.op_type == "Div" and numbers[0] is not None):
        return None
    [number] = [found for found in numbers if found is not None]
    if number.size != 1 or number.dtype != np.float32 or not np.isfinite(number).all() or not number.all():
        return None
    before = computed[0]
    same = before is not None and before.shape is not None and before.shape == value.shape
    return before if same else None


def list_left_products(model: ir.Model) -> list[tuple[str, str]]:
    """The products of activations that integers cannot do, and why, in the order of the graph."""
    found = []
    for node in model.graph:
        if is_product_of_activations(node) and not stays_float(node):
            try:
                check_product(node)
            except LeftAloneError as reason:
                found.append((node.name or node.outputs[0].name or node.op_type, str(reason)))
    return found
