import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompile.errors import QCompileError
from qcompile.tiles import TILE, pack_tiles, tiled_size, unpack_tiles

WEIGHTS = [  # shape as ONNX has it, group
    ((16, 16), 1),
    ((1, 1), 1),
    ((17, 33), 1),
    ((16, 4, 3, 3), 1),
    ((20, 3, 5, 5), 1),
    ((6, 3, 3, 3), 2),
    ((40, 1, 3, 3), 40),
    ((12, 1, 5), 6),
    ((5, 1, 3, 3), 1),
]


def random_indices(shape, bits, seed=0):
    return np.random.default_rng(seed).integers(0, 2**bits, shape).astype(np.uint8)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(("shape", "group"), WEIGHTS)
def test_unpacking_undoes_packing(shape, group, bits):
    indices = random_indices(shape, bits)
    packed = pack_tiles(indices, group, bits)
    assert packed.shape == (tiled_size(shape, group, bits),)
    np.testing.assert_array_equal(unpack_tiles(packed, shape, group, bits), indices)


@given(st.integers(1, 8), st.integers(0, 255), st.integers(1, 3))
def test_a_code_lies_where_the_format_says(bits, code_in_tile, blocks):
    """docs/packed-format.md, section 7, read bit by bit: one code of all ones in a weight of 16 * blocks by 16."""
    output, k = divmod(code_in_tile % 64, 4)[0], code_in_tile // 64 * 4 + code_in_tile % 4
    indices = np.zeros((16 * blocks, 16), np.uint8)
    indices[16 * (blocks - 1) + output, k] = 2**bits - 1
    packed = pack_tiles(indices, 1, bits)
    wanted = np.zeros(32 * bits, np.uint8)
    first = 0
    for width in (8, 4, 2, 1):
        if bits & width:
            byte, shift = code_in_tile % (32 * width), width * (code_in_tile // (32 * width))
            wanted[first + byte] = (2**width - 1) << shift
            first += 32 * width
    np.testing.assert_array_equal(packed[-32 * bits :], wanted)
    assert not packed[: -32 * bits].any()


def test_the_widest_plane_holds_the_lowest_bits():
    packed = pack_tiles(np.full((16, 16), 0b100, np.uint8), 1, 3)
    assert not packed[:64].any()
    assert (packed[64:] == 255).all()


def test_dense_order_is_blocks_of_16_outputs_then_4_of_k():
    shape = (32, 4, 1, 5)  # k = 20, padded to 32
    indices = np.zeros(shape, np.uint8)
    indices[18, 3, 0, 2] = 1  # output 2 of block 1; k = 2 * 4 + 3
    codes = pack_tiles(indices, 1, 8)
    assert np.flatnonzero(codes).tolist() == [1 * 16 * 32 + 2 * 64 + 2 * 4 + 3]


def test_depthwise_order_is_the_kernel_then_channels():
    indices = np.zeros((40, 1, 3, 3), np.uint8)
    indices[7, 0, 1, 2] = 1
    codes = pack_tiles(indices, 40, 8)
    assert codes.size == 2 * TILE
    assert np.flatnonzero(codes).tolist() == [5 * 40 + 7]


@pytest.mark.parametrize(("shape", "group"), WEIGHTS)
def test_padding_is_less_than_16_in_each_direction(shape, group):
    if group > 1 and shape[1] == 1:
        assert tiled_size(shape, group, 8) < math.prod(shape) + TILE
    else:
        outputs, k = shape[0] // group, math.prod(shape[1:])
        assert tiled_size(shape, group, 8) < group * (outputs + 16) * (k + 16)


def test_refuses_what_does_not_fit():
    with pytest.raises(QCompileError, match="4 does not fit 2 bits"):
        pack_tiles(np.full((1, 1), 4, np.uint8), 1, 2)
    with pytest.raises(QCompileError, match=r"take uint8 \[64\]"):
        unpack_tiles(np.zeros(63, np.uint8), (16, 16), 1, 2)
