"""IntegerMatMulDynamic as an ONNX function of standard operators (qcompile/integer_functions.py says more)."""

from qcompile.integer_decoding import INTEGER_WEIGHT
from qcompile.integer_ops import INTEGER_MATMUL_DYNAMIC
from qcompile.ops import DOMAIN

# 2^x_bits is the size of a cube of that many sides, all of its eight where the attribute is absent.
_LEVELS = """
  sizes = Constant <value_ints = [2, 2, 2, 2, 2, 2, 2, 2]> ()
  cube = ConstantOfShape (sizes)
  sides = Shape <end : int = @x_bits> (cube)
  count = ReduceProd <keepdims = 0> (sides)
  codes = Cast <to = 1> (count)
  unit = Constant <value_float = 1.0> ()
  most = Sub (codes, unit)
"""
# A difference to itself is 0, or NaN where a number is not finite; minimum and maximum may miss a NaN.
# onnxruntime reduces no rows [0, k] to [0, k]: one column is cut out.
_STEP = """
  zero = Constant <value_float = 0.0> ()
  last = Constant <value_ints = [-1]> ()
  least = ReduceMin (x, last)
  low = Min (least, zero)
  largest = ReduceMax (x, last)
  high = Max (largest, zero)
  reach = Sub (high, low)
  width = Div (reach, most)
  same = Sub (width, width)
  finite = Add (width, same)
  odd = Sub (x, x)
  odds = ReduceSum (odd, last)
  either = Add (finite, odds)
  begin = Constant <value_ints = [0]> ()
  end = Constant <value_ints = [1]> ()
  step = Slice (either, begin, end, last)
"""
# Where the step is zero or NaN the numbers are zero.
_NUMBERS = """
  coded = Greater (step, zero)
  divisor = Where (coded, step, unit)
  known = Where (coded, x, zero)
  bottom = Where (coded, low, zero)
  below = Neg (bottom)
  steps_below = Div (below, divisor)
  origin = Round (steps_below)
  zero_point = Clip (origin, zero, most)
  steps = Div (known, divisor)
  rounded = Round (steps)
  moved = Add (rounded, zero_point)
  code = Clip (moved, zero, most)
  number = Sub (code, zero_point)
"""
# The casts keep onnxruntime from folding a scale into the weights, as in the other bodies.
_PRODUCT = f"""
  weight = {DOMAIN}.{INTEGER_WEIGHT} <bits : int = @bits, weight_shape : ints = @weight_shape, group = 1>
           (indices, codebook)
  transposed = Transpose (weight)
  product = MatMul (number, transposed)
  whole = Cast <to = 6> (product)
  sums = Cast <to = 1> (whole)
  factor = Mul (step, scale)
  scaled = Mul (sums, factor)
  y = Add (scaled, bias)
"""

DYNAMIC_BODY = f"""
<opset_import: ["" : OPSET, "{DOMAIN}" : 1], domain: "{DOMAIN}">
{INTEGER_MATMUL_DYNAMIC} <bits, weight_shape, x_bits> (x, indices, codebook, scale, bias) => (y) {{
  {_LEVELS} {_STEP} {_NUMBERS} {_PRODUCT}
}}
"""
