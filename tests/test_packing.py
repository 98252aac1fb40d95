import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcompile.errors import QCompileError
from qcompile.packing import pack_bits, packed_size, unpack_bits


@given(st.integers(1, 8), st.data())
def test_unpacking_undoes_packing(bits, data):
    values = np.array(data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=70)), dtype=np.uint8)
    packed = pack_bits(values, bits)
    assert packed.shape == (packed_size(values.size, bits),)
    np.testing.assert_array_equal(unpack_bits(packed, bits, values.size), values)


@given(st.integers(1, 8), st.lists(st.integers(0, 255), max_size=40))
def test_the_stream_is_the_sum_of_its_values_shifted(bits, values):
    """docs/packed-format.md, section 2, as one large integer: value i starts at bit i * bits, lowest bit first."""
    values = [value % 2**bits for value in values]
    stream = sum(value << (i * bits) for i, value in enumerate(values))
    packed = pack_bits(np.array(values, dtype=np.uint8), bits)
    assert packed.tobytes() == stream.to_bytes(packed_size(len(values), bits), "little")


@pytest.mark.parametrize(
    ("values", "bits", "wanted"),
    [
        ([1, 0, 1, 1], 1, [0b1101]),
        ([1, 2, 3, 0, 2], 2, [0b00111001, 0b10]),
        ([5, 3, 7], 3, [0b11011101, 0b1]),  # the third index crosses the byte
        ([255, 1], 8, [255, 1]),
        ([], 3, []),
    ],
)
def test_known_streams(values, bits, wanted):
    assert pack_bits(np.array(values, dtype=np.uint8), bits).tolist() == wanted


def test_values_of_any_shape_are_read_row_by_row():
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(pack_bits(values, 4), pack_bits(values.reshape(-1), 4))
    np.testing.assert_array_equal(pack_bits(values.T, 4), pack_bits(values.T.copy(), 4))


@pytest.mark.parametrize("bits", [0, 9, -1])
def test_refuses_other_widths(bits):
    with pytest.raises(QCompileError, match=f"bits is {bits}, wanted 1 to 8"):
        pack_bits(np.zeros(3, np.uint8), bits)
    with pytest.raises(QCompileError, match=f"bits is {bits}"):
        unpack_bits(np.zeros(3, np.uint8), bits, 1)


def test_refuses_a_value_that_does_not_fit():
    with pytest.raises(QCompileError, match="4 does not fit 2 bits"):
        pack_bits(np.array([1, 4], np.uint8), 2)


def test_refuses_other_types():
    with pytest.raises(QCompileError, match="values are int64, wanted uint8"):
        pack_bits(np.array([1, 2]), 2)


@pytest.mark.parametrize("packed", [np.zeros(1, np.uint8), np.zeros(3, np.uint8), np.zeros(2, np.int8)])
def test_refuses_a_stream_of_another_length(packed):
    with pytest.raises(QCompileError, match=r"5 values of 3 bits take uint8 \[2\]"):
        unpack_bits(packed, 3, 5)
