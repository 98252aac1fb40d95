import numpy as np
import pytest
from onnx import TensorProto
from onnx.helper import make_node

from qcompile.codebooks import CodebookWeights, GridWeights
from qcompile.passes.round_tables import RoundTables, list_left_tables
from qcompile.passes.round_weights import round_to_grid

ROWS, WIDTH = 9, 20


def embedding(tools, table, *nodes, **attributes):
    """A model that looks rows of ``table`` up, by ids that are computed of x."""
    tensors = {"emb.weight": table}
    first = [make_node("Cast", ["x"], ["ids"], to=TensorProto.INT64)]
    gather = make_node("Gather", ["emb.weight", "ids"], ["y"], name="lookup", **attributes)
    result = nodes[-1].output[0] if nodes else "y"
    return tools.make_model([*first, gather, *nodes], tensors, ["m", 3], outputs=(result,))


def random(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("bits", range(1, 9))
def test_each_row_gets_its_own_step(tools, rng, bits):
    table = random(rng, ROWS, WIDTH) * np.arange(1, ROWS + 1, dtype=np.float32)[:, None]
    before = embedding(tools, table)
    after = tools.apply(RoundTables(GridWeights(bits)), before)
    assert tools.op_types(after) == ["Cast", "Gather", "Mul", "Gather"]
    arrays = tools.initializers(after)
    numbers, steps = round_to_grid(table, bits)
    np.testing.assert_array_equal(
        arrays["emb.weight.codebook"][arrays["emb.weight.indices"]], numbers.astype(np.float32)
    )
    np.testing.assert_array_equal(arrays["emb.weight.scale"], steps[:, None])
    x = {"x": np.array([[0, 8, -9]], np.float32)}
    wanted = (numbers * steps[:, None])[[[0, 8, -9]]]
    np.testing.assert_array_equal(tools.run_onnxruntime(after, x)[0], wanted.astype(np.float32))


def test_two_readers_of_a_table_get_the_same_codes(tools, rng):
    table, more = random(rng, ROWS, WIDTH), make_node("Gather", ["emb.weight", "ids"], ["z"])
    model = embedding(tools, table, more, make_node("Add", ["y", "z"], ["sum"]))
    arrays = tools.initializers(tools.apply(RoundTables(GridWeights(4)), model))
    np.testing.assert_array_equal(arrays["emb.weight.indices"], arrays["emb.weight.indices_1"])


def left_alone(rng):
    nothing = {}
    yield random(rng, ROWS, WIDTH), {"axis": 1}, "it looks up along axis 1 of its table, not along axis 0"
    yield random(rng, ROWS, 15), nothing, "its rows have 15 numbers: packing is for rows of 16 or more"
    yield random(rng, ROWS, 4, 16), nothing, "its table is float32 [9, 4, 16], not a float32 matrix"
    yield random(rng, ROWS, WIDTH).astype(np.float16), nothing, "its table is float16 [9, 20], not a float32 matrix"
    yield random(rng, 0, WIDTH), nothing, "its table is float32 [0, 20], not a float32 matrix"
    yield np.full((ROWS, WIDTH), np.inf, np.float32), nothing, "its table has a value that is not finite"


@pytest.mark.parametrize("case", range(6))
def test_leaves_alone_and_says_why(tools, rng, case):
    table, attributes, reason = list(left_alone(rng))[case]
    floats = make_node("Cast", ["y"], ["z"], to=TensorProto.FLOAT)
    after = tools.apply(RoundTables(GridWeights(4)), embedding(tools, table, floats, **attributes), modified=False)
    assert list_left_tables(after) == [("lookup", reason)]


def test_what_is_no_table_is_no_news(tools, rng):
    tensors = {"w": random(rng, ROWS, WIDTH), "rows": np.array([1, 2]), "sizes": np.array([[3, 4]])}
    nodes = [
        make_node("Cast", ["x"], ["ids"], to=TensorProto.INT64),
        make_node("Gather", ["w", "rows"], ["constant"]),
        make_node("Gather", ["sizes", "ids"], ["whole"]),
        make_node("Gather", ["x", "rows"], ["y"]),
    ]
    model = tools.make_model(nodes, tensors, [3, 4])
    assert list_left_tables(tools.apply(RoundTables(GridWeights(4)), model, modified=False)) == []


@pytest.mark.parametrize("bits", [2, 4])
def test_a_codebook_fits_better_than_the_grid(tools, bits):
    table = np.random.default_rng(3).normal(size=(60, 32)).astype(np.float32)
    errors = []
    for weights in (CodebookWeights(bits), GridWeights(bits)):
        after = tools.apply(RoundTables(weights), embedding(tools, table))
        arrays = tools.initializers(after)
        [codebook], [scale] = ([a for n, a in arrays.items() if n.endswith(e)] for e in (".codebook", ".scale"))
        [indices] = (array for name, array in arrays.items() if name.endswith(".indices"))
        assert codebook.shape == (2**bits,)
        errors.append(np.square(codebook[indices] * scale - table).sum())
    assert errors[0] < errors[1]
