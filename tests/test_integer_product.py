import numpy as np
import pytest

from qcompile import integer_product as products
from qcompile.errors import ModelError


def codes(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


PLAIN = (0, 1)
ORDERS = {"a_perm": PLAIN, "b_perm": PLAIN, "y_perm": PLAIN}
SUM = {"a_zero_point": 3, "b_zero_point": 200, **ORDERS}


def test_each_output_by_the_definition():
    a, b = codes(2, 3, 4, 5), codes(2, 3, 5, 6, seed=1)
    sums = products.sum_product(a, b, 3, 200, (0, 1, 2, 3), (0, 1, 2, 3))
    for place in np.ndindex(2, 3, 4, 6):
        h, g, i, j = place
        assert sums[place] == sum((int(a[h, g, i, t]) - 3) * (int(b[h, g, t, j]) - 200) for t in range(5))
    turned = products.sum_product(a, b.swapaxes(-1, -2), 3, 200, (0, 1, 2, 3), (0, 1, 3, 2))
    np.testing.assert_array_equal(turned, sums)


def test_orders_are_those_of_transposes():
    a, b = codes(2, 4, 3, 5), codes(6, 3, 5, 2, seed=1)
    a_perm, b_perm, y_perm = (0, 2, 1, 3), (3, 1, 0, 2), (2, 0, 1, 3)
    with pytest.raises(ModelError, match="no orders"):  # the last axis of b would be the first
        products.sum_product(a, b, 3, 200, a_perm, b_perm)
    b, b_perm = b.transpose(0, 3, 1, 2), (1, 2, 3, 0)
    with pytest.raises(ModelError, match="same leading axes"):
        products.sum_product(a, b.transpose(0, 1, 3, 2), 3, 200, a_perm, (1, 2, 3, 0))
    b = np.ascontiguousarray(b.transpose(1, 2, 0, 3))
    wanted = (a.transpose(a_perm).astype(int) - 3) @ (b.transpose(0, 1, 3, 2).astype(int) - 200)
    found = products.integer_product_float(
        a, b, a_zero_point=3, b_zero_point=200, a_perm=a_perm, b_perm=(0, 1, 3, 2), y_perm=y_perm, scale=1.0
    )
    np.testing.assert_array_equal(found, wanted.transpose(y_perm))


@pytest.mark.parametrize(
    ("a_perm", "b_perm", "y_perm"),
    [
        ((), (), ()),
        ((0,), (0,), (0,)),
        ((1, 0), (0, 1), (0, 1)),
        ((0, 1), (0, 1), (1, 0)),
        ((0, 1, 2), (2, 0, 1), (0, 1, 2)),
        ((0, 1), (0, 1, 2), (0, 1)),
        ((0, 1), (1, 1), (0, 1)),
        ((-1, 1), (0, 1), (0, 1)),
        (tuple(range(9)),) * 3,
    ],
)
def test_what_tears_neighbours_apart_is_no_order(a_perm, b_perm, y_perm):
    with pytest.raises(ModelError, match="no orders of the same axes"):
        products.check_orders(a_perm, b_perm, y_perm)


def test_scale_and_bias_are_rounded_one_by_one():
    # As in the test of IntegerAdd: 17 * 241 * 4097 / 4096 is rounded to 4098, and a tie goes to 0.
    a, b = np.full((1, 1), 17, np.uint8), np.full((1, 1), 241, np.uint8)
    limits = {"a_zero_point": 0, "b_zero_point": 0, **ORDERS, "y_min": 0, "y_max": 255}
    assert products.integer_product(a, b, scale=4097 / 4096, bias=-4097.5, **limits).tolist() == [[0]]


def test_the_float_form_is_the_scaled_sum():
    a, b = codes(4, 5), codes(5, 6, seed=1)
    found = products.integer_product_float(a, b, scale=0.1, **SUM)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(
        found, products.sum_product(a, b, 3, 200, PLAIN, PLAIN).astype(np.float32) * np.float32(0.1)
    )


def test_no_terms_give_the_bias():
    found = products.integer_product(codes(2, 0), codes(0, 3), scale=2.0, bias=7.0, y_min=0, y_max=255, **SUM)
    assert found.tolist() == [[7] * 3] * 2


@pytest.mark.parametrize(
    ("a", "b", "transposed"),
    [
        ((3,), (3, 3), 0),
        ((4, 3), (4, 3), 0),
        ((4, 3), (3, 4), 1),
        ((2, 4, 3), (3, 5), 0),
        ((2, 4, 3), (1, 3, 5), 0),
        ((1, 32769), (32769, 1), 0),
    ],
)
def test_shapes_that_do_not_fit_are_an_error(a, b, transposed):
    plain = tuple(range(max(2, len(a))))
    turned = (*plain[:-2], plain[-1], plain[-2]) if transposed else plain
    with pytest.raises(ModelError, match="same leading axes"):
        products.sum_product(codes(*a), codes(*b), 0, 0, plain, turned)


@pytest.mark.parametrize(("a_zero_point", "b_zero_point"), [(0, 128), (255, 0), (0, 0), (128, 255)])
def test_no_sum_is_larger_than_the_bound_or_overflows(a_zero_point, b_zero_point):
    bound = products.largest_product_sum(products.MAX_PRODUCT_TERMS, a_zero_point, b_zero_point)
    assert bound < 2**31
    ends = [np.full((1, 7), end, np.uint8) for end in (0, 255)]
    sums = [products.sum_product(a, b.T, a_zero_point, b_zero_point, PLAIN, PLAIN) for a in ends for b in ends]
    assert max(abs(int(s[0, 0])) for s in sums) == products.largest_product_sum(7, a_zero_point, b_zero_point)


def test_fewer_bits_have_smaller_sums():
    assert products.largest_product_sum(10, 0, 128, a_bits=4) == 10 * 15 * 128


def test_operands_and_results_are_reshaped():
    a, b = codes(2, 4, 15), codes(6, 15, seed=1)
    shapes = {"a_shape": (0, 0, 3, 5), "b_shape": (2, 3, -1, 5), "y_shape": (0, -1)}
    orders = {"a_perm": (0, 2, 1, 3), "b_perm": (0, 1, 3, 2), "y_perm": (0, 2, 1, 3)}
    found = products.integer_product_float(a, b, a_zero_point=3, b_zero_point=200, **orders, **shapes, scale=1.0)
    left = a.reshape(2, 4, 3, 5).transpose(0, 2, 1, 3).astype(int) - 3
    right = b.reshape(2, 3, 3, 5).transpose(0, 1, 3, 2).astype(int) - 200
    np.testing.assert_array_equal(found, (left @ right).transpose(0, 2, 1, 3).reshape(2, 36))


@pytest.mark.parametrize("shape", [(3, -1), (0, 0, 0), (5, 5)])
def test_sizes_that_do_not_fit_are_an_error(shape):
    with pytest.raises(ModelError, match=r"a tensor of \[4, 5\] cannot be shaped"):
        products.reshaped(codes(4, 5), shape)
