"""The integer operators as ONNX functions of standard operators (qcompile/functions.py says how these are used).

Sums are taken in float32, exactly up to 2^24, and every float operation is one operator, so that the codes are those of
the kernels. A Reshape or a Cast stands between a sum and its scale: onnxruntime would fold the scale into the weights,
and no sum would be exact.
"""

from qcompile import integer_ops
from qcompile.dynamic_function import DYNAMIC_BODY
from qcompile.integer_decoding import INTEGER_WEIGHT, INTEGER_WEIGHT_BODY
from qcompile.integer_product import INTEGER_PRODUCT, INTEGER_PRODUCT_FLOAT
from qcompile.integer_product_functions import PRODUCT_SUMS
from qcompile.ops import DOMAIN

_SHIFTED = """
  origin = Constant <value_int : int = @x_zero_point> ()
  zero_point = Cast <to = 1> (origin)
  numbers = Cast <to = 1> (x)
  shifted = Sub (numbers, zero_point)
"""

# [batch, *spatial, channels] to [batch, channels, *spatial] for any number of axes, and back.
_CHANNELS_FIRST = """
  {p}full = Shape ({x})
  {p}batch = Slice ({p}full, zero, one)
  {p}spatial = Slice ({p}full, one, rest)
  {p}depth = Slice ({p}full, rest, last)
  {p}area = ReduceProd ({p}spatial)
  {p}plain = Concat <axis = 0> ({p}batch, {p}area, {p}depth)
  {p}flat = Reshape <allowzero = 1> ({x}, {p}plain)
  {p}turned = Transpose <perm = [0, 2, 1]> ({p}flat)
  {p}first = Concat <axis = 0> ({p}batch, {p}depth, {p}spatial)
  {y} = Reshape <allowzero = 1> ({p}turned, {p}first)
"""
_CHANNELS_LAST = """
  {p}full = Shape ({x})
  {p}batch = Slice ({p}full, zero, one)
  {p}depth = Slice ({p}full, one, two)
  {p}spatial = Slice ({p}full, two, last)
  {p}area = ReduceProd ({p}spatial)
  {p}plain = Concat <axis = 0> ({p}batch, {p}depth, {p}area)
  {p}flat = Reshape <allowzero = 1> ({x}, {p}plain)
  {p}turned = Transpose <perm = [0, 2, 1]> ({p}flat)
  {p}back = Concat <axis = 0> ({p}batch, {p}spatial, {p}depth)
  {y} = Reshape <allowzero = 1> ({p}turned, {p}back)
"""
_AXES = """
  zero = Constant <value_ints = [0]> ()
  one = Constant <value_ints = [1]> ()
  two = Constant <value_ints = [2]> ()
  rest = Constant <value_ints = [-1]> ()
"""
_LAST = """
  last = Constant <value_ints = [2147483647]> ()
"""

_CONV_SUMS = f"""
  {_LAST}
  {_AXES}
  weight = {DOMAIN}.{INTEGER_WEIGHT} <bits : int = @bits, weight_shape : ints = @weight_shape, group : int = @group>
           (indices, codebook)
  {_SHIFTED}
  {_CHANNELS_FIRST.format(p="i", x="shifted", y="image")}
  product = Conv <strides : ints = @strides, pads : ints = @pads, dilations : ints = @dilations,
                  group : int = @group> (image, weight)
  {_CHANNELS_LAST.format(p="o", x="product", y="sums")}
"""

_MATMUL_SUMS = f"""
  weight = {DOMAIN}.{INTEGER_WEIGHT} <bits : int = @bits, weight_shape : ints = @weight_shape, group = 1>
           (indices, codebook)
  {_SHIFTED}
  transposed = Transpose (weight)
  product = MatMul (shifted, transposed)
  whole = Cast <to = 6> (product)
  sums = Cast <to = 1> (whole)
"""

_SCALED = """
  scaled = Mul (sums, scale)
"""
_RESIDUAL = """
  values = Add (scaled, bias)
  gain = Constant <value_float : float = @residual_scale> ()
  extra = Cast <to = 1> (residual)
  added = Mul (extra, gain)
  {y} = Add (values, added)
"""
_CODE = """
  lowest = Constant <value_int : int = @y_min> ()
  highest = Constant <value_int : int = @y_max> ()
  least = Cast <to = 1> (lowest)
  most = Cast <to = 1> (highest)
  rounded = Round (result)
  cut = Clip (rounded, least, most)
  {y} = Cast <to = 2> (cut)
"""
_TO_CODES = _CODE.format(y="y")

_LOOKUP = """
  index = Cast <to = 6> (code)
  y = Gather (table, index)
"""

_INPUTS = "x, indices, codebook, scale, bias"
_WEIGHTED = "bits, weight_shape, x_zero_point"
_GEOMETRY = "strides, pads, dilations, group"


def _function(name: str, attributes: str, inputs: str, body: str) -> str:
    imports = f'<opset_import: ["" : OPSET, "{DOMAIN}" : 1], domain: "{DOMAIN}">'
    return f"{imports} {name} <{attributes}> ({inputs}) => (y) {{ {body} }}"


def _weighted(name: str, sums: str, geometry: str) -> dict[str, str]:
    """The four operators on the sums of a MatMul or Conv."""
    inputs = _INPUTS
    plain, to_float = f"{sums} {_SCALED} result = Add (scaled, bias)", f"{sums} {_SCALED} y = Add (scaled, bias)"
    with_residual = f"{sums} {_SCALED} {_RESIDUAL.format(y='result')}"
    common = f"{_WEIGHTED}{geometry}"
    return {
        name: _function(name, f"{common}, y_min, y_max", inputs, f"{plain} {_TO_CODES}"),
        f"{name}Add": _function(
            f"{name}Add",
            f"{common}, y_min, y_max, residual_scale",
            f"{inputs}, residual",
            f"{with_residual} {_TO_CODES}",
        ),
        f"{name}Table": _function(
            f"{name}Table", f"{common}, y_min, y_max", f"{inputs}, table", f"{plain} {_CODE.format(y='code')} {_LOOKUP}"
        ),
        f"{name}Float": _function(f"{name}Float", common, inputs, to_float),
    }


_ADD = f"""
  a_gain = Constant <value_float : float = @a_scale> ()
  b_gain = Constant <value_float : float = @b_scale> ()
  offset = Constant <value_float : float = @bias> ()
  a_number = Cast <to = 1> (a)
  b_number = Cast <to = 1> (b)
  a_scaled = Mul (a_number, a_gain)
  b_scaled = Mul (b_number, b_gain)
  both = Add (a_scaled, b_scaled)
  result = Add (both, offset)
  {_TO_CODES}
"""

_MAX_POOL = f"""
  {_LAST}
  {_AXES}
  {_CHANNELS_FIRST.format(p="i", x="x", y="image")}
  pooled = MaxPool <kernel_shape : ints = @kernel_shape, strides : ints = @strides, pads : ints = @pads> (image)
  {_CHANNELS_LAST.format(p="o", x="pooled", y="y")}
"""

_SCALE_AND_BIAS = """
  factor = Constant <value_float : float = @scale> ()
  offset = Constant <value_float : float = @bias> ()
"""
_GLOBAL_AVERAGE_POOL = f"""
  first = Constant <value_int = 1> ()
  spatial = Shape <start = 1, end = -1> (x)
  count = Size (spatial)
  end = Add (count, first)
  axes = Range (first, end, first)
  numbers = Cast <to = 1> (x)
  totals = ReduceSum <keepdims : int = @keepdims> (numbers, axes)
  positions = ReduceProd <keepdims = 0> (spatial)
  area = Cast <to = 1> (positions)
  means = Div (totals, area)
  {_SCALE_AND_BIAS}
  scaled = Mul (means, factor)
  result = Add (scaled, offset)
  {_TO_CODES}
"""

_PRODUCT = f"""
  {PRODUCT_SUMS}
  offset = Constant <value_float : float = @bias> ()
  scaled = Mul (sums, factor)
  result = Add (scaled, offset)
  {_TO_CODES}
"""
_PRODUCT_ATTRIBUTES = "a_zero_point, b_zero_point, a_shape, b_shape, y_shape, a_perm, b_perm, y_perm, scale"

# A value that is not a number becomes the lowest code.
_QUANTIZE = f"""
  {_LAST}
  {_AXES}
  {_CHANNELS_LAST.format(p="o", x="x", y="pixels")}
  scaled = Mul (pixels, scale)
  moved = Add (scaled, bias)
  undefined = IsNaN (moved)
  bottom = Constant <value_int : int = @y_min> ()
  floor = Cast <to = 1> (bottom)
  result = Where (undefined, floor, moved)
  {_TO_CODES}
"""

INTEGER_BODIES = {
    INTEGER_WEIGHT: INTEGER_WEIGHT_BODY,
    **_weighted(integer_ops.INTEGER_MATMUL, _MATMUL_SUMS, ""),
    integer_ops.INTEGER_MATMUL_ADD_FLOAT: _function(
        integer_ops.INTEGER_MATMUL_ADD_FLOAT,
        f"{_WEIGHTED}, residual_scale",
        f"{_INPUTS}, residual",
        f"{_MATMUL_SUMS} {_SCALED} {_RESIDUAL.format(y='y')}",
    ),
    **_weighted(integer_ops.INTEGER_CONV, _CONV_SUMS, f", {_GEOMETRY}"),
    integer_ops.INTEGER_MATMUL_DYNAMIC: DYNAMIC_BODY,
    integer_ops.INTEGER_ADD: _function("IntegerAdd", "a_scale, b_scale, bias, y_min, y_max", "a, b", _ADD),
    integer_ops.INTEGER_MAX_POOL: _function("IntegerMaxPool", "kernel_shape, strides, pads", "x", _MAX_POOL),
    integer_ops.INTEGER_GLOBAL_AVERAGE_POOL: _function(
        "IntegerGlobalAveragePool", "scale, bias, y_min, y_max, keepdims", "x", _GLOBAL_AVERAGE_POOL
    ),
    INTEGER_PRODUCT: _function(INTEGER_PRODUCT, f"{_PRODUCT_ATTRIBUTES}, bias, y_min, y_max", "a, b", _PRODUCT),
    INTEGER_PRODUCT_FLOAT: _function(
        INTEGER_PRODUCT_FLOAT, _PRODUCT_ATTRIBUTES, "a, b", f"{PRODUCT_SUMS} y = Mul (sums, factor)"
    ),
    integer_ops.INTEGER_TABLE: _function("IntegerTable", "", "code, table", _LOOKUP).replace("<>", ""),
    integer_ops.QUANTIZE_INPUT: _function("QuantizeInput", "y_min, y_max", "x, scale, bias", _QUANTIZE),
}
