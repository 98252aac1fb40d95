"""IntegerProduct and IntegerProductFloat as ONNX functions of standard operators, parts of their bodies.

``b`` is transposed or not by an attribute, which no standard operator of any rank can be told: both orders of its codes
are made, and one is chosen.
"""

# b [..., k, n], whichever way it came; both are one shape in a flat list.
ORDERED_B = """
  zero = Constant <value_ints = [0]> ()
  one = Constant <value_ints = [1]> ()
  before_last = Constant <value_ints = [-2]> ()
  at_last = Constant <value_ints = [-1]> ()
  end = Constant <value_ints = [2147483647]> ()
  says = Constant <value_int : int = @b_transposed> ()
  is_transposed = Cast <to = 9> (says)
  full = Shape (b)
  leading = Slice (full, zero, before_last)
  rows = Slice (full, before_last, at_last)
  columns = Slice (full, at_last, end)
  never_empty = Concat <axis = 0> (one, leading)
  count = ReduceProd (never_empty)
  tall = Concat <axis = 0> (count, rows, columns)
  apart = Reshape <allowzero = 1> (b, tall)
  turned = Transpose <perm = [0, 2, 1]> (apart)
  as_it_is = Reshape (b, at_last)
  turned_list = Reshape (turned, at_last)
  chosen = Where (is_transposed, turned_list, as_it_is)
  inner = Where (is_transposed, columns, rows)
  outer = Where (is_transposed, rows, columns)
  ordered_shape = Concat <axis = 0> (leading, inner, outer)
  ordered = Reshape <allowzero = 1> (chosen, ordered_shape)
"""

PRODUCT_SUMS = f"""
  a_origin = Constant <value_int : int = @a_zero_point> ()
  b_origin = Constant <value_int : int = @b_zero_point> ()
  a_zero = Cast <to = 1> (a_origin)
  b_zero = Cast <to = 1> (b_origin)
  {ORDERED_B}
  a_number = Cast <to = 1> (a)
  b_number = Cast <to = 1> (ordered)
  a_shifted = Sub (a_number, a_zero)
  b_shifted = Sub (b_number, b_zero)
  product = MatMul (a_shifted, b_shifted)
  whole = Cast <to = 6> (product)
  sums = Cast <to = 1> (whole)
  factor = Constant <value_float : float = @scale> ()
"""
