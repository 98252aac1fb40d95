"""IntegerProduct and IntegerProductFloat as ONNX functions of standard operators: the part that their bodies share."""

PRODUCT_SUMS = """
  a_origin = Constant <value_int : int = @a_zero_point> ()
  b_origin = Constant <value_int : int = @b_zero_point> ()
  a_zero = Cast <to = 1> (a_origin)
  b_zero = Cast <to = 1> (b_origin)
  a_ordered = Transpose <perm : ints = @a_perm> (a)
  b_ordered = Transpose <perm : ints = @b_perm> (b)
  a_number = Cast <to = 1> (a_ordered)
  b_number = Cast <to = 1> (b_ordered)
  a_shifted = Sub (a_number, a_zero)
  b_shifted = Sub (b_number, b_zero)
  product = MatMul (a_shifted, b_shifted)
  ordered = Transpose <perm : ints = @y_perm> (product)
  whole = Cast <to = 6> (ordered)
  sums = Cast <to = 1> (whole)
  factor = Constant <value_float : float = @scale> ()
"""
