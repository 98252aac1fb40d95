"""CodebookGather within onnxruntime: the very floats of numpy, and an error for every broken node and id."""

import numpy as np
import pytest

from qcompile import runtime
from qcompile.errors import QCompileError
from tests.tables import every_id, random_table

TABLE = random_table(np.random.default_rng(0), (6, 10), 3, groups=2, bias=True)


def session(table, *, threads=1, **changes):
    return runtime.session(table.model(**changes).SerializeToString(), threads=threads)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(("shape", "groups"), [((6, 5), 1), ((9, 16), 3), ((40, 33), 40), ((1, 1), 1)])
def test_equals_numpy(bits, shape, groups):
    random = np.random.default_rng(bits)
    table = random_table(random, shape, bits, groups=groups, scale=bits % 3 != 0, bias=bits % 2 == 0)
    ids = every_id(shape[0])
    np.testing.assert_array_equal(session(table).run(None, {"x": ids})[0], table.numpy(ids), strict=True)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 1, 3)])
def test_ids_of_each_type_and_shape(shape, kind):
    ids = np.full(shape, -2, kind)
    found = session(TABLE, kind=kind).run(None, {"x": ids})[0]
    np.testing.assert_array_equal(found, TABLE.numpy(ids), strict=True)


def test_threads_do_not_change_a_bit():
    random = np.random.default_rng(1)
    table, ids = random_table(random, (300, 257), 5), random.integers(-300, 300, (7, 90))
    np.testing.assert_array_equal(session(table, threads=4).run(None, {"x": ids})[0], table.numpy(ids), strict=True)


@pytest.mark.parametrize("wrong", [6, -7, 2**40, -(2**63)])
def test_an_id_without_a_row_is_an_error(wrong):
    with pytest.raises(Exception, match=rf"layer: id {wrong} is outside a table of 6 rows, wanted -6 to 5"):
        session(TABLE).run(None, {"x": np.array([0, wrong])})


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_ids_of_another_type_are_an_error(kind):
    with pytest.raises(Exception, match=r"layer: the ids are .* \[2\], wanted int64 or int32"):
        session(TABLE, kind=kind).run(None, {"x": np.zeros(2, kind)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bits": 4}, "4-bit indices of weight .6, 10. are uint8"),
        ({"bits": None}, "attribute bits is missing"),
        ({"weight_shape": [6, 10, 1]}, "weight_shape is .6, 10, 1., wanted .rows, width."),
        ({"weight_shape": [60]}, "weight_shape is"),
        ({"weight_shape": [2**31 - 1, 2**31 - 1]}, "indices of weight|overflows"),
        ({"format_version": 2}, "format_version is 2"),
        ({"inputs": ["indices"]}, "indices. must be an initializer"),
    ],
)
def test_a_broken_node_is_an_error(changes, message):
    with pytest.raises(QCompileError, match=f"layer: .*{message}"):
        session(TABLE, **changes)
