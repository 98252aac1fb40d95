"""The function that makes a float weight of tiled indices (docs/packed-format.md, section 7).

All bodies of integer operators call it. Everything here depends on initializers alone: onnxruntime computes it once,
when the session is created.
"""

from qcompile.ops import DOMAIN

INTEGER_WEIGHT = "IntegerWeight"  # of bodies only: no model calls it

# A plane of `wide` bits: where it begins among the bytes of a tile (where it is absent, at zeros that were appended),
# and its codes, 8 / wide to a byte.
_PLANE = """
  begin{w} = Constant <value_ints = [{wide}]> ()
  times{w} = Div (width, begin{w})
  has{w} = Mod (times{w}, two)
  lacks{w} = Sub (one, has{w})
  away{w} = Mul (lacks{w}, bytes)
  at{w} = Max (away{w}, before{w})
  long{w} = Constant <value_ints = [{size}]> ()
  to{w} = Add (at{w}, long{w})
  plane{w} = Slice (extended, at{w}, to{w}, one)
  deep{w} = Unsqueeze (plane{w}, one)
  shifts{w} = Constant <value = uint8[{count}, 1] {{{shifts}}}> ()
  down{w} = BitShift <direction = "RIGHT"> (deep{w}, shifts{w})
  mask{w} = Constant <value = uint8[1] {{{mask}}}> ()
  part{w} = BitwiseAnd (down{w}, mask{w})
  flat{w} = Reshape (part{w}, rest)
  shift{w} = Cast <to = 2> (low{w})
  code{w} = BitShift <direction = "LEFT"> (flat{w}, shift{w})
"""


def _plane(wide: int) -> str:
    shifts = ", ".join(str(shift) for shift in range(0, 8, wide))
    return _PLANE.format(w=wide, wide=wide, size=32 * wide, count=8 // wide, shifts=shifts, mask=2**wide - 1)


# The bytes of a plane are 32 for each of its bits, so what comes before it in a tile is 32 times its lowest bit.
_CODES = f"""
  zero = Constant <value_ints = [0]> ()
  one = Constant <value_ints = [1]> ()
  two = Constant <value_ints = [2]> ()
  four = Constant <value_ints = [4]> ()
  lanes = Constant <value_ints = [16]> ()
  unit = Constant <value_ints = [64]> ()
  rest = Constant <value_ints = [-1]> ()
  plane = Constant <value_ints = [32]> ()
  bit = Constant <value_int : int = @bits> ()
  width = Reshape (bit, one)
  shape = Constant <value_ints : ints = @weight_shape> ()
  bytes = Mul (width, plane)
  row = Concat <axis = 0> (rest, bytes)
  tiles = Reshape (indices, row)
  tall = Shape <end = 1> (tiles)
  tile = Constant <value_ints = [256]> ()
  border = Concat <axis = 0> (tall, tile)
  margin = ConstantOfShape <value = uint8[1] {{0}}> (border)
  extended = Concat <axis = 1> (tiles, margin)
  low8 = Identity (zero)
  before8 = Identity (zero)
  {_plane(8)}
  low4 = Identity (zero)
  before4 = Identity (zero)
  {_plane(4)}
  low2 = Mul (has4, four)
  before2 = Mul (low2, plane)
  {_plane(2)}
  bits2 = Mul (has2, two)
  low1 = Add (low2, bits2)
  before1 = Mul (low1, plane)
  {_plane(1)}
  code12 = BitwiseOr (code1, code2)
  code48 = BitwiseOr (code4, code8)
  codes = BitwiseOr (code12, code48)
"""

# Code (output, j) of the weight is code outer[output] + inner[j] of the stream, j counting through [*kernel, channels].
_DENSE = """
  outputs = Slice (shape, zero, one)
  inputs = Slice (shape, one, two)
  sizes = Slice (shape, one, last)
  terms = ReduceProd (sizes)
  up = Constant <value_ints = [15]> ()
  filled = Add (terms, up)
  columns = Div (filled, lanes)
  none = Constant <value_int = 0> ()
  by = Constant <value_int = 1> ()
  n = Squeeze (outputs)
  k = Squeeze (terms)
  output = Range (none, n, by)
  j = Range (none, k, by)
  each = Div (outputs, groups)
  set = Div (output, each)
  inside = Mod (output, each)
  over = Add (each, up)
  blocks = Div (over, lanes)
  sets = Mul (set, blocks)
  block = Div (inside, lanes)
  blocked = Add (sets, block)
  tiled = Mul (blocked, columns)
  start = Mul (tiled, tile)
  lane = Mod (inside, lanes)
  apart = Mul (lane, four)
  outer = Add (start, apart)
  quad = Div (j, four)
  quads = Mul (quad, unit)
  within = Mod (j, four)
  inner = Add (quads, within)
"""

_DEPTHWISE_OR_DENSE = """
  depth = Equal (inputs, one)
  many = Greater (groups, one)
  slim = And (depth, many)
  steps = Mul (j, outputs)
  outer_at = Where (slim, output, outer)
  inner_at = Where (slim, steps, inner)
"""

# An absent codebook is the indices minus half of their range: those entries follow what is given, and as many are kept.
_WEIGHT = """
  outer_col = Unsqueeze (outer_at, one)
  place = Add (outer_col, inner_at)
  chosen = Gather (codes, place)
  index = Cast <to = 7> (chosen)
  base = Constant <value_float = 2.0> ()
  power = Cast <to = 1> (width)
  entries = Pow (base, power)
  count = Cast <to = 7> (entries)
  top = Squeeze (count)
  uniform = Range (none, top, by)
  half = Div (count, two)
  signed = Sub (uniform, half)
  ramp = Cast <to = 1> (signed)
  given = Cast <to = 1> (codebook)
  listed = Reshape (given, rest)
  either = Concat <axis = 0> (listed, ramp)
  size = Size (listed)
  sized = Reshape (size, one)
  keep = Max (sized, count)
  kept = Slice (either, zero, keep)
  book = Concat <axis = 0> (rest, count)
  books = Reshape (kept, book)
  number = Shape <end = 1> (books)
  split = Concat <axis = 0> (number, rest)
  choice = Reshape (index, split)
  looked = GatherElements <axis = 1> (books, choice)
  back_last = Concat <axis = 0> (outputs, rest, inputs)
  by_tap = Reshape (looked, back_last)
  turned_w = Transpose <perm = [0, 2, 1]> (by_tap)
  weight = Reshape (turned_w, shape)
"""

INTEGER_WEIGHT_BODY = f"""
<opset_import: ["" : OPSET], domain: "{DOMAIN}">
{INTEGER_WEIGHT} <bits, weight_shape, group> (indices, codebook) => (weight) {{
  last = Constant <value_ints = [2147483647]> ()
  {_CODES}
  group_number = Constant <value_int : int = @group> ()
  groups = Reshape (group_number, one)
  {_DENSE}
  {_DEPTHWISE_OR_DENSE}
  {_WEIGHT}
}}
"""
