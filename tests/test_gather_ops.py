"""CodebookGather in numpy, by the definition: the table decoded, then its rows."""

import numpy as np
import pytest

from qcompile.errors import ModelError
from qcompile.ops import decode_weight
from tests.tables import every_id, random_table


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("groups", [1, 3])
def test_gives_rows_of_the_decoded_table(bits, groups):
    table = random_table(np.random.default_rng(bits), (6, 5), bits, groups=groups, bias=True)
    arguments = table.arguments
    weight = decode_weight(arguments["indices"], arguments["codebook"], bits, (6, 5))
    wanted = weight * arguments["scale"][:, None] + arguments["bias"][:, None]
    np.testing.assert_array_equal(table.numpy(every_id(6)), np.stack([wanted, wanted]), strict=True)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 1, 3)])
def test_the_ids_shape_the_result(shape):
    table = random_table(np.random.default_rng(0), (4, 7), 3)
    assert table.numpy(np.zeros(shape, np.int32)).shape == (*shape, 7)


@pytest.mark.parametrize("wrong", [4, -5, 2**40])
def test_refuses_an_id_without_a_row(wrong):
    table = random_table(np.random.default_rng(0), (4, 7), 3)
    with pytest.raises(ModelError, match="wanted -4 to 3: the table has 4 rows"):
        table.numpy(np.array([0, wrong]))
