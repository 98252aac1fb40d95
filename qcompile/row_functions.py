"""QuantizeLayerNormalization and QuantizeSoftmax as ONNX functions of standard operators (see integer_functions.py)."""

from qcompile import row_ops
from qcompile.ops import DOMAIN

_LIMITS = """
  lowest = Constant <value_int : int = @y_min> ()
  highest = Constant <value_int : int = @y_max> ()
  least = Cast <to = 1> (lowest)
  most = Cast <to = 1> (highest)
  last = Constant <value_ints = [-1]> ()
  zero = Constant <value_float = 0.0> ()
"""
_TO_CODES = """
  result = Where (odd, least, values)
  rounded = Round (result)
  cut = Clip (rounded, least, most)
  y = Cast <to = 2> (cut)
"""

# A difference to itself is 0, or NaN where a number is not finite; a maximum may miss a NaN.
_NUMBERS = f"""
  differences = Sub (x, x)
  either = ReduceSum (differences, last)
  odd = IsNaN (either)
  known = Where (odd, zero, x)
  sizes = Abs (known)
  size = ReduceMax (sizes, last)
  smallest = Constant <value_float = {row_ops.SMALLEST_ROW!r}> ()
  largest = Max (size, smallest)
  whole = Constant <value_float = {float(row_ops.NORMALIZATION_UNITS)}> ()
  units = Div (whole, largest)
  scaled = Mul (known, units)
  numbers = Round (scaled)
"""
_MOMENTS = """
  wide = Cast <to = 11> (numbers)
  shape = Shape <start = -1> (x)
  count = Cast <to = 11> (shape)
  total = ReduceSum (wide, last)
  mean = Div (total, count)
  squares = Mul (wide, wide)
  squares_total = ReduceSum (squares, last)
  square = Div (squares_total, count)
  mean_square = Mul (mean, mean)
  difference = Sub (square, mean_square)
  nothing = Constant <value_int = 0> ()
  none = Cast <to = 11> (nothing)
  variance = Max (difference, none)
  small = Constant <value_float : float = @epsilon> ()
  tiny = Cast <to = 11> (small)
  wide_units = Cast <to = 11> (units)
  area = Mul (wide_units, wide_units)
  added = Mul (tiny, area)
  spread = Add (variance, added)
  deviation = Sqrt (spread)
  unit = Constant <value_int = 1> ()
  one = Cast <to = 11> (unit)
  wide_gain = Div (one, deviation)
  gain = Cast <to = 1> (wide_gain)
  center = Cast <to = 1> (mean)
  centered = Sub (numbers, center)
  normal = Mul (centered, gain)
  stretched = Mul (normal, scale)
  values = Add (stretched, bias)
"""

# A maximum may miss a NaN.
_EXPONENTS = f"""
  nan = IsNaN (x)
  nans = Cast <to = 1> (nan)
  count = ReduceSum (nans, last)
  some = Greater (count, zero)
  largest = ReduceMax (x, last)
  infinite = IsInf (largest)
  undefined = IsNaN (largest)
  unknown = Or (infinite, undefined)
  odd = Or (some, unknown)
  known = Where (odd, zero, x)
  top = Where (odd, zero, largest)
  below = Sub (known, top)
  log2 = Constant <value_float = {row_ops.LOG2_E!r}> ()
  binary = Mul (below, log2)
  limit = Constant <value_float = {float(row_ops.LEAST_EXPONENT)}> ()
  exponents = Max (binary, limit)
  whole = Round (exponents)
  rest = Sub (exponents, whole)
"""
_UNITS = [float(row_ops.SOFTMAX_UNITS) * 2.0**-exponent for exponent in range(1 - row_ops.LEAST_EXPONENT)]


def _polynomial() -> str:
    """``power0``: 2 to the ``rest``, by Horner's rule."""
    factors = (1.0, *row_ops.POWER)
    lines = [f"power{len(factors) - 1} = Constant <value_float = {factors[-1]!r}> ()"]
    for number in reversed(range(len(factors) - 1)):
        lines += [
            f"factor{number} = Constant <value_float = {factors[number]!r}> ()",
            f"times{number} = Mul (power{number + 1}, rest)",
            f"power{number} = Add (times{number}, factor{number})",
        ]
    return "\n  ".join(lines)


_SOFTMAX = f"""
  {_polynomial()}
  steps = Neg (whole)
  index = Cast <to = 7> (steps)
  powers = Constant <value_floats = {_UNITS}> ()
  unit = Gather (powers, index)
  exact = Mul (power0, unit)
  units = Round (exact)
  wide = Cast <to = 11> (units)
  wide_total = ReduceSum (wide, last)
  total = Cast <to = 1> (wide_total)
  factor = Constant <value_float : float = @scale> ()
  offset = Constant <value_float : float = @bias> ()
  gain = Div (factor, total)
  product = Mul (units, gain)
  values = Add (product, offset)
"""


def _function(name: str, attributes: str, inputs: str, body: str) -> str:
    imports = f'<opset_import: ["" : OPSET], domain: "{DOMAIN}">'
    return f"{imports} {name} <{attributes}> ({inputs}) => (y) {{ {body} }}"


ROW_BODIES = {
    row_ops.QUANTIZE_LAYER_NORMALIZATION: _function(
        row_ops.QUANTIZE_LAYER_NORMALIZATION,
        "epsilon, y_min, y_max",
        "x, scale, bias",
        f"{_LIMITS} {_NUMBERS} {_MOMENTS} {_TO_CODES}",
    ),
    row_ops.QUANTIZE_SOFTMAX: _function(
        row_ops.QUANTIZE_SOFTMAX,
        "scale, bias, y_min, y_max",
        "x",
        f"{_LIMITS} {_EXPONENTS} {_SOFTMAX} {_TO_CODES}",
    ),
}
