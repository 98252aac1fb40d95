import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompile.errors import ModelError
from qcompile.ops import convolve
from qcompile.sparse_ops import (
    check_corrections,
    decode_corrections,
    decode_positions,
    encode_corrections,
    sparse_conv,
    sparse_matmul,
)


def sparse_weight(shape, count, seed=0):
    rng = np.random.default_rng(seed)
    weight = np.zeros(math.prod(shape), np.float32)
    weight[rng.permutation(weight.size)[:count]] = rng.standard_normal(count)
    return weight.reshape(shape)


@given(st.integers(1, 20), st.integers(1, 20), st.floats(0, 1), st.integers(0, 99))
def test_decoding_undoes_encoding(rows, columns, share, seed):
    weight = sparse_weight((rows, columns), round(share * rows * columns), seed)
    gaps, values = encode_corrections(weight)
    check_corrections("fc", gaps, values, weight.shape)
    assert (gaps.dtype, values.dtype) == (np.uint16, np.float32)
    assert len(values) == np.count_nonzero(weight)
    np.testing.assert_array_equal(decode_corrections(gaps, values, weight.shape), weight)


@given(st.lists(st.integers(0, 400_000), max_size=6, unique=True))
def test_wide_gaps_are_split_by_as_few_zeros_as_there_can_be(places):
    weight = np.zeros((1, 400_001), np.float32)
    weight[0, places] = 1
    gaps, values = encode_corrections(weight)
    np.testing.assert_array_equal(decode_corrections(gaps, values, weight.shape), weight)
    steps = np.diff([-1, *sorted(places)])
    assert len(gaps) == sum(-(-step // 2**16) for step in steps)


def test_gaps_count_the_weights_between_corrections():
    gaps, values = encode_corrections(np.array([[0, 5, 6, 0], [0, 0, 7, 0]], np.float32))
    assert gaps.tolist() == [1, 0, 3]
    assert values.tolist() == [5, 6, 7]
    assert decode_positions(gaps).tolist() == [1, 2, 6]


@pytest.mark.parametrize("x_shape", [(7,), (3, 7), (2, 3, 7), (0, 7)])
def test_sparse_matmul_adds_the_product_to_base(x_shape):
    rng = np.random.default_rng(1)
    weight = sparse_weight((5, 7), 6)
    x, base = (rng.standard_normal(shape).astype(np.float32) for shape in (x_shape, (*x_shape[:-1], 5)))
    found = sparse_matmul(x, base, *encode_corrections(weight), weight_shape=weight.shape)
    wanted = base.astype(np.float64) + x.astype(np.float64) @ weight.T.astype(np.float64)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, wanted.astype(np.float32))


def test_sparse_conv_adds_the_convolution_to_base():
    rng = np.random.default_rng(2)
    weight = sparse_weight((6, 2, 3, 2), 9)
    geometry = {"strides": [2, 1], "pads": [1, 0, 0, 1], "dilations": [1, 2], "group": 2}
    x = rng.standard_normal((2, 4, 6, 7)).astype(np.float32)
    product = convolve(x.astype(np.float64), weight.astype(np.float64), **geometry)
    base = rng.standard_normal(product.shape).astype(np.float32)
    found = sparse_conv(x, base, *encode_corrections(weight), weight_shape=weight.shape, **geometry)
    np.testing.assert_array_equal(found, (base + product).astype(np.float32))


GAPS, VALUES = np.array([1, 0, 3], np.uint16), np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("gaps", "values", "shape", "message"),
    [
        (GAPS, VALUES, (2, 3), "the last correction is at 6 of 6 weights"),
        (GAPS, VALUES[:2], (2, 4), r"values are float32 \[2\], wanted float32 \[3\]"),
        (GAPS[None], VALUES[None], (2, 4), r"gaps are uint16 \[1, 3\]"),
        (GAPS.astype(np.int32), VALUES, (2, 4), "gaps are int32"),
        (GAPS, VALUES.astype(np.float64), (2, 4), "values are float64"),
        (GAPS, np.array([1, np.inf, 0], np.float32), (2, 4), "not finite"),
        (GAPS, VALUES, (8,), "weight_shape is"),
        (GAPS, VALUES, (0, 8), "weight_shape is"),
        (np.full(3, 65535, np.uint16), VALUES, (2, 65536), "at 196607 of 131072"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_the_node(gaps, values, shape, message):
    with pytest.raises(ModelError, match=f"fc: .*{message}"):
        check_corrections("fc", gaps, values, shape)
