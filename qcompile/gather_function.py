"""CodebookGather as an ONNX function of standard operators (qcompile/functions.py says more).

Nothing of the table is decoded when the session is created, only the rows that are asked for, at each run: a table
has more numbers than all else in many models, and few of its rows are read.
"""

from qcompile.gather_ops import CODEBOOK_GATHER
from qcompile.ops import DOMAIN

# The first lookup gives each id the place of its row, and the error that Gather gives for an id that has none.
_BITS = """
  axis = Constant <value_ints = [-1]> ()
  nothing = Constant <value_int = 0> ()
  step = Constant <value_int = 1> ()
  eight = Constant <value_int = 8> ()
  width = Constant <value_int : int = @bits> ()
  shape = Constant <value_ints : ints = @weight_shape> ()
  count = Gather (shape, nothing)
  columns = Gather (shape, step)
  places = Range (nothing, count, step)
  row = Gather (places, x)
  rows = Unsqueeze (row, axis)
  line = Mul (columns, width)
  starts = Mul (rows, line)
  offset = Range (nothing, line, width)
  bit = Add (starts, offset)
"""
# An index spans at most two bytes. Behind the last byte the last one is read again: its bits are cut off.
_INDEX = """
  place = Div (bit, eight)
  shift = Mod (bit, eight)
  least = Gather (indices, place)
  low = Cast <to = 7> (least)
  size = Size (indices)
  last = Sub (size, step)
  behind = Add (place, step)
  next = Min (behind, last)
  most = Gather (indices, next)
  high = Cast <to = 7> (most)
  full = Constant <value_int = 256> ()
  upper = Mul (high, full)
  word = Add (low, upper)
  powers = Constant <value_ints = [1, 2, 4, 8, 16, 32, 64, 128]> ()
  power = Gather (powers, shift)
  shifted = Div (word, power)
  entries = Shape <start = 1> (codebook)
  index = Mod (shifted, entries)
"""
_LOOKUP = """
  books = Shape <end = 1> (codebook)
  shared = Div (count, books)
  group = Div (rows, shared)
  firsts = Mul (group, entries)
  entry = Add (firsts, index)
  flat = Reshape (codebook, axis)
  weight = Gather (flat, entry)
"""
# An absent operand has no elements: a neutral one is appended, and spread over the rows.
_SCALE = """
  zero = Constant <value_ints = [0]> ()
  one = Constant <value_ints = [1]> ()
  counts = Slice (shape, zero, one)
  unit = Constant <value_floats = [1.0]> ()
  units = Concat <axis = 0> (scale, unit)
  sizes = Shape (scale)
  keeps = Max (sizes, one)
  factor = Slice (units, zero, keeps)
  factors = Expand (factor, counts)
  factorr = Gather (factors, row)
  factorc = Unsqueeze (factorr, axis)
  none = Constant <value_floats = [0.0]> ()
  nones = Concat <axis = 0> (bias, none)
  sizeb = Shape (bias)
  keepb = Max (sizeb, one)
  offsetb = Slice (nones, zero, keepb)
  offsets = Expand (offsetb, counts)
  offsetr = Gather (offsets, row)
  offsetc = Unsqueeze (offsetr, axis)
  scaled = Mul (weight, factorc)
  y = Add (scaled, offsetc)
"""

GATHER_BODIES = {
    CODEBOOK_GATHER: f"""
<opset_import: ["" : OPSET], domain: "{DOMAIN}">
{CODEBOOK_GATHER} <bits, weight_shape> (x, indices, codebook, scale, bias) => (y) {{
  {_BITS}{_INDEX}{_LOOKUP}{_SCALE}
}}
"""
}
