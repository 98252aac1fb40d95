"""The operators as ONNX functions of standard operators: what makes a packed file run without our library.

Each body is copied into every file that uses its operator, so names are shortened there. onnxruntime evaluates all
that depends on initializers alone when the session is created; MatMul or Conv, Mul and Add remain.
"""

from collections.abc import Collection

import onnx
import onnx.parser

from qcompile.decode_ops import DECODE_WEIGHT
from qcompile.gather_function import GATHER_BODIES
from qcompile.integer_decoding import INTEGER_WEIGHT
from qcompile.integer_functions import INTEGER_BODIES
from qcompile.integer_ops import INTEGER_LAYERS
from qcompile.ops import CODEBOOK_CONV, CODEBOOK_CONV_BFLOAT16, CODEBOOK_MATMUL, CODEBOOK_MATMUL_BFLOAT16, DOMAIN
from qcompile.row_functions import ROW_BODIES
from qcompile.sparse_ops import SPARSE_CONV, SPARSE_MATMUL

OLDEST_OPSET = 18  # BitwiseAnd and the axes of ReduceProd are from 18

# A byte is split into 8 floats 0 or 1; the stream of those is cut to length, then each row of `bits` of them is
# multiplied by the powers of two. Float is exact here: an index is at most 255.
_DECODE = """
  zero = Constant <value_ints = [0]> ()
  one = Constant <value_ints = [1]> ()
  rest = Constant <value_ints = [-1]> ()
  width = Constant <value_int : int = @bits> ()
  shape = Constant <value_ints : ints = @weight_shape> ()
  masks = Constant <value = uint8[8] {1, 2, 4, 8, 16, 32, 64, 128}> ()
  bytes = Unsqueeze (indices, one)
  masked = BitwiseAnd (bytes, masks)
  bit = Sign (masked)
  digit = Cast <to = 1> (bit)
  stream = Reshape (digit, rest)
  count = ReduceProd (shape)
  length = Mul (count, width)
  used = Slice (stream, zero, length)
  last = Reshape (width, one)
  rows = Concat <axis = 0> (rest, last)
  digits = Reshape (used, rows)
  power = Cast <to = 1> (masks)
  powers = Slice (power, zero, last)
  number = MatMul (digits, powers)
  index = Cast <to = 7> (number)
  books = Shape <end = 1> (codebook)
  split = Concat <axis = 0> (books, rest)
  choice = Reshape (index, split)
  flat = GatherElements <axis = 1> (codebook, choice)
  weight = Reshape (flat, shape)
"""

# An absent operand has no elements: one neutral element is appended, and max(size, 1) elements are kept.
_EPILOGUE = """
  unit = Constant <value_floats = [1.0]> ()
  units = Concat <axis = 0> (scale, unit)
  sizes = Shape (scale)
  keeps = Max (sizes, one)
  factor = Slice (units, zero, keeps)
  none = Constant <value_floats = [0.0]> ()
  nones = Concat <axis = 0> (bias, none)
  sizeb = Shape (bias)
  keepb = Max (sizeb, one)
  offset = Slice (nones, zero, keepb)
"""

# x rounded to bfloat16, as floats.
_ROUNDING = """
  half = Cast <to = 16> (x)
  near = Cast <to = 1> (half)
"""

_MATMUL = f"""
<opset_import: ["" : OPSET], domain: "{DOMAIN}">
{CODEBOOK_MATMUL} <bits, weight_shape> (x, indices, codebook, scale, bias) => (y) {{
  {_DECODE}
  columns = Transpose (weight)
  product = MatMul (x, columns)
  {_EPILOGUE}
  scaled = Mul (product, factor)
  y = Add (scaled, offset)
}}
"""

# x is the shape of the result.
_DECODE_WEIGHT = f"""
<opset_import: ["" : OPSET], domain: "{DOMAIN}">
{DECODE_WEIGHT} <bits, weight_shape> (x, indices, codebook, scale, bias) => (y) {{
  {_DECODE}
  {_EPILOGUE}
  column = Constant <value_ints = [-1, 1]> ()
  factors = Reshape (factor, column)
  offsets = Reshape (offset, column)
  scaled = Mul (weight, factors)
  shifted = Add (scaled, offsets)
  y = Reshape (shifted, x)
}}
"""

# Channels are axis 1 of a convolution: factor and offset become [n, 1] or [n, 1, 1], a 1 for each stride.
_CONV = f"""
<opset_import: ["" : OPSET], domain: "{DOMAIN}">
{CODEBOOK_CONV} <bits, weight_shape, strides, pads, dilations, group>
(x, indices, codebook, scale, bias) => (y) {{
  {_DECODE}
  product = Conv <strides : ints = @strides, pads : ints = @pads, dilations : ints = @dilations,
                  group : int = @group> (x, weight)
  {_EPILOGUE}
  steps = Constant <value_ints : ints = @strides> ()
  ones = Sign (steps)
  column = Concat <axis = 0> (rest, ones)
  factors = Reshape (factor, column)
  offsets = Reshape (offset, column)
  scaled = Mul (product, factors)
  y = Add (scaled, offsets)
}}
"""

# The same of x rounded: only where it is multiplied may it say so.
_MATMUL_BFLOAT16 = (
    _MATMUL.replace(f"{CODEBOOK_MATMUL} ", f"{CODEBOOK_MATMUL_BFLOAT16} ")
    .replace("=> (y) {", f"=> (y) {{{_ROUNDING}")
    .replace("MatMul (x,", "MatMul (near,")
)
_CONV_BFLOAT16 = (
    _CONV.replace(f"{CODEBOOK_CONV} ", f"{CODEBOOK_CONV_BFLOAT16} ")
    .replace("=> (y) {", f"=> (y) {{{_ROUNDING}")
    .replace("(x, weight)", "(near, weight)")
)

# Corrections as a weight of zeros elsewhere: a gap and one are the step from a correction to the next.
_SCATTER = """
  zero = Constant <value_int = 0> ()
  one = Constant <value_ints = [1]> ()
  shape = Constant <value_ints : ints = @weight_shape> ()
  gap = Cast <to = 7> (gaps)
  step = Add (gap, one)
  count = CumSum (step, zero)
  place = Sub (count, one)
  size = ReduceProd (shape)
  zeros = ConstantOfShape (size)
  flat = ScatterElements <axis = 0> (zeros, place, values)
  weight = Reshape (flat, shape)
"""

_SPARSE_MATMUL = f"""
<opset_import: ["" : OPSET], domain: "{DOMAIN}">
{SPARSE_MATMUL} <weight_shape> (x, base, gaps, values) => (y) {{
  {_SCATTER}
  columns = Transpose (weight)
  product = MatMul (x, columns)
  y = Add (base, product)
}}
"""

_SPARSE_CONV = f"""
<opset_import: ["" : OPSET], domain: "{DOMAIN}">
{SPARSE_CONV} <weight_shape, strides, pads, dilations, group> (x, base, gaps, values) => (y) {{
  {_SCATTER}
  product = Conv <strides : ints = @strides, pads : ints = @pads, dilations : ints = @dilations,
                  group : int = @group> (x, weight)
  y = Add (base, product)
}}
"""
_BODIES = {
    CODEBOOK_MATMUL: _MATMUL,
    CODEBOOK_CONV: _CONV,
    CODEBOOK_MATMUL_BFLOAT16: _MATMUL_BFLOAT16,
    CODEBOOK_CONV_BFLOAT16: _CONV_BFLOAT16,
    SPARSE_MATMUL: _SPARSE_MATMUL,
    SPARSE_CONV: _SPARSE_CONV,
    DECODE_WEIGHT: _DECODE_WEIGHT,
    **GATHER_BODIES,
    **INTEGER_BODIES,
    **ROW_BODIES,
}


OPERATORS_WITH_BODIES = frozenset(_BODIES)


def function_bodies(operators: Collection[str], opset: int) -> list[onnx.FunctionProto]:
    """The bodies of ``operators`` of ours, and what these call, in standard operators of ``opset``, 18 or later."""
    called = {INTEGER_WEIGHT} if INTEGER_LAYERS.intersection(operators) else set()
    return [_parse(name, opset) for name in sorted({*operators, *called})]


def _parse(operator: str, opset: int) -> onnx.FunctionProto:
    """The body of one operator, what it computes on the way under names that take few bytes."""
    function = onnx.parser.parse_function(_BODIES[operator].replace("OPSET", str(opset)))
    kept = {*function.input, *function.output}
    names = dict.fromkeys(name for node in function.node for name in node.output if name not in kept)
    short = {name: f"_{number:x}" for number, name in enumerate(names)}
    for node in function.node:
        node.input[:] = [short.get(name, name) for name in node.input]
        node.output[:] = [short.get(name, name) for name in node.output]
    return function
