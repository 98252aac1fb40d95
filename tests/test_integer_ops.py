"""The reference itself, against sums written out and against answers worked out by hand."""

import itertools

import numpy as np
import pytest

from qcompile import integer_ops as ops
from qcompile.errors import ModelError
from qcompile.tiles import pack_tiles, tiled_size


def sums_by_loops(x, weight, zero_point, strides, pads, group):
    """docs/packed-format.md, section 6, written out for two spatial axes and no dilation."""
    batch, height, width = x.shape[:3]
    n, each, rows, columns = weight.shape
    out = [
        (height + pads[0] + pads[2] - rows) // strides[0] + 1,
        (width + pads[1] + pads[3] - columns) // strides[1] + 1,
    ]
    sums = np.zeros((batch, *out, n), np.int64)
    for b, i, j, o, c, r, s in itertools.product(*map(range, (batch, *out, n, each, rows, columns))):
        row, column = i * strides[0] - pads[0] + r, j * strides[1] - pads[1] + s
        if 0 <= row < height and 0 <= column < width:
            channel = o // (n // group) * each + c
            sums[b, i, j, o] += (int(x[b, row, column, channel]) - zero_point) * int(weight[o, c, r, s])
    return sums


@pytest.mark.parametrize(
    ("shape", "channels", "group"), [((4, 3, 3, 2), 3, 1), ((4, 2, 2, 2), 4, 2), ((6, 1, 3, 3), 3, 3)]
)
def test_sums_are_those_written_out(shape, channels, group):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (2, 5, 6, channels)).astype(np.uint8)
    weight = rng.integers(-128, 128, shape).astype(np.int8)
    strides, pads = (2, 1), (1, 0, 1, 2)
    found = ops.sum_conv(x, weight, 7, strides, pads, (1, 1), group)
    np.testing.assert_array_equal(found, sums_by_loops(x, weight, 7, strides, pads, group))


def test_the_longest_sum_is_exact():
    x = np.full((1, ops.MAX_TERMS), 255, np.uint8)
    weight = np.full((1, ops.MAX_TERMS), -128, np.int8)
    assert ops.sum_matmul(x, weight, 0).tolist() == [[-(2**16) * 255 * 128]]
    assert ops.largest_sums(weight, 0, 8).tolist() == [2**16 * 255 * 128]
    assert 2**16 * 255 * 128 < 2**31


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0.5, 0),
        (1.5, 2),
        (2.5, 2),
        (-0.5, 0),
        (9.4, 9),
        (300.0, 250),
        (-7.0, 0),
        (np.inf, 250),
        (-np.inf, 0),
        (np.nan, 0),
    ],
)
def test_values_round_half_to_even_and_are_cut(value, code):
    assert ops.to_codes(np.array([value], np.float32), 0, 250).tolist() == [code]


def test_a_sum_beyond_2_to_24_rounds_once():
    sums = np.array([[2**24 + 1, 2**24 + 3]])
    one, none = np.ones(2, np.float32), np.zeros(2, np.float32)
    assert ops.scale_sums(sums, one, none).tolist() == [[2.0**24, 2.0**24 + 4]]


def test_scale_and_bias_are_two_roundings():
    scale, bias = np.array([1 + 2**-12], np.float32), np.array([-1 - 2**-11], np.float32)
    sums = np.array([1])
    third = ops.scale_sums(sums * 4097, scale, bias)
    assert third.dtype == np.float32
    assert third[0] == np.float32(np.float32(4097) * scale[0]) + bias[0]


def test_absent_codebook_is_the_index_minus_half_the_range():
    indices = np.arange(16, dtype=np.uint8).reshape(1, 16)
    weight = ops.decode_integer_weight(pack_tiles(indices, 1, 4), np.zeros(0, np.int8), 4, (1, 16))
    assert weight.tolist() == [list(range(-8, 8))]


def test_largest_sums_bound_every_partial_sum():
    weight = np.array([[3, -2], [0, 5]], np.int8)
    assert ops.largest_sums(weight, 0, 8).tolist() == [5 * 255, 5 * 255]
    assert ops.largest_sums(weight, 200, 8).tolist() == [5 * 200, 5 * 200]
    assert ops.largest_sums(weight, 3, 2).tolist() == [15, 15]


def test_mean_is_divided_not_multiplied_by_a_reciprocal():
    x = np.zeros((1, 7, 7, 1), np.uint8)
    x[0, :6, :, 0] = 7  # the sum is 294, 6 exactly when divided by 49
    found = ops.integer_global_average_pool(x, scale=1.0, bias=0.5, y_min=0, y_max=255)
    assert found.tolist() == [[[[6]]]]


BAD = [
    ({"bits": 9}, "bits is 9"),
    ({"weight_shape": (8, 0)}, "is no weight's"),
    ({"group": 3}, "group 3"),
    ({"weight_shape": (8, ops.MAX_TERMS + 1)}, "65537 products"),
    ({"indices": np.zeros(3, np.uint8)}, r"found uint8 \[3\]"),
    ({"codebook": np.zeros((3, 16), np.int8)}, r"codebook is int8 \[3, 16\]"),
    ({"codebook": np.zeros((1, 8), np.int8)}, r"codebook is int8 \[1, 8\]"),
    ({"codebook": np.zeros((1, 16), np.uint8)}, r"codebook is uint8 \[1, 16\]"),
    ({"scale": np.ones(7, np.float32)}, r"scale is \[7\]"),
    ({"bias": np.full(8, np.nan, np.float32)}, "bias"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_refuses_operands_that_do_not_fit(change, message):
    weight = {
        "indices": np.zeros(tiled_size((8, 5), 1, 4), np.uint8),
        "codebook": np.zeros((2, 16), np.int8),
        "scale": np.ones(8, np.float32),
        "bias": np.zeros(8, np.float32),
        "bits": 4,
        "weight_shape": (8, 5),
    }
    ops.check_integer_weight("fc", **weight)
    with pytest.raises(ModelError, match=message):
        ops.check_integer_weight("fc", **weight | change)
