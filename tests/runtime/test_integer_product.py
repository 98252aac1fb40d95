"""IntegerProduct and IntegerProductFloat within onnxruntime: bit for bit what numpy gives, and an error that names the
node for every broken one."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper

from qcompile import ops, runtime
from qcompile.errors import QCompileError
from qcompile.integer_product import integer_product, integer_product_float

Array = npt.NDArray[Any]
CODES = {"bias": 131.5, "y_min": 3, "y_max": 250}


def orders(rank: int, b_transposed: bool = False) -> dict[str, tuple[int, ...]]:
    """Orders that leave all axes as they are, but perhaps the last two of b."""
    same = tuple(range(rank))
    return {"a_perm": same, "b_perm": (*same[:-2], rank - 1, rank - 2) if b_transposed else same, "y_perm": same}


@pytest.fixture(params=runtime.runtime_info().isas)
def isa(request, monkeypatch):
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", request.param)
    return request.param


def model(op_type: str, **attributes: Any) -> bytes:
    """A node named ``layer``; an attribute that is None is left out."""
    present = {name: value for name, value in attributes.items() if value is not None}
    node = helper.make_node(op_type, ["a", "b"], ["y"], name="layer", domain=ops.DOMAIN, **present)
    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None) for name in "ab"]
    kind = onnx.TensorProto.FLOAT if op_type.endswith("Float") else onnx.TensorProto.UINT8
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", kind, None)])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(ops.DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def assert_equal(feeds: dict[str, Array], **attributes: Any) -> None:
    """Both operators, with one thread and with several, give what numpy gives; codes are spread over their range."""
    for op_type, meaning, own in (
        ("IntegerProduct", integer_product, CODES),
        ("IntegerProductFloat", integer_product_float, {}),
    ):
        wanted = meaning(*feeds.values(), **attributes, **own)
        packed = model(op_type, **attributes, **own)
        for threads in (1, 3):
            [found] = runtime.session(packed, threads=threads).run(None, feeds)
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted)


def codes(random: np.random.Generator, *shape: int) -> Array:
    return random.integers(0, 256, shape).astype(np.uint8)


SIZES = [  # leading axes, m, n, k
    ((1, 6), 128, 128, 64),
    ((2, 3), 17, 33, 65),
    ((), 1, 1, 1),
    ((), 5, 7, 0),
    ((3,), 0, 5, 4),
    ((3,), 5, 0, 4),
    ((0, 2), 5, 3, 4),
    ((4,), 1, 130, 3),
    ((1, 1, 2), 9, 64, 129),
    ((2,), 7, 65, 16),
    ((), 1100, 20, 62),
    ((5,), 40, 15, 2),
]


@pytest.mark.parametrize("b_transposed", [0, 1])
@pytest.mark.parametrize(("leading", "m", "n", "k"), SIZES)
@pytest.mark.parametrize(("a_zero_point", "b_zero_point"), [(0, 128), (131, 120)])
def test_equals_numpy(isa, b_transposed, leading, m, n, k, a_zero_point, b_zero_point):
    random = np.random.default_rng([m, n, k])
    b_shape = (*leading, n, k) if b_transposed else (*leading, k, n)
    feeds = {"a": codes(random, *leading, m, k), "b": codes(random, *b_shape)}
    scale = 60 / (75 * 75 * max(1, k) ** 0.5)
    zero_points = {"a_zero_point": a_zero_point, "b_zero_point": b_zero_point}
    assert_equal(feeds, **zero_points, **orders(len(b_shape), bool(b_transposed)), scale=scale)


@pytest.mark.parametrize("b_perm", [(0, 2, 1, 3), (0, 2, 3, 1), (1, 0, 2, 3), (2, 1, 3, 0)])
@pytest.mark.parametrize("y_perm", [(0, 2, 1, 3), (1, 2, 0, 3), (0, 1, 2, 3)])
@pytest.mark.parametrize("k", [16, 9])
def test_any_order_of_heads_and_positions(isa, b_perm, y_perm, k):
    random = np.random.default_rng([*b_perm, *y_perm, k])
    leading, m, n, a_perm = (2, 3), 21, 70, (0, 2, 1, 3)
    a, b = codes(random, *leading, m, k), codes(random, *leading, k, n)
    feeds = {
        "a": np.ascontiguousarray(a.transpose(np.argsort(a_perm))),
        "b": np.ascontiguousarray(b.transpose(np.argsort(b_perm))),
    }
    perms = {"a_perm": a_perm, "b_perm": b_perm, "y_perm": y_perm}
    assert_equal(feeds, a_zero_point=7, b_zero_point=100, **perms, scale=0.003)
    # The same of one long row each, and as one.
    flat = {name: array.reshape(2, -1) for name, array in feeds.items()}
    shapes = {"a_shape": (0, *feeds["a"].shape[1:]), "b_shape": (-1, *feeds["b"].shape[1:]), "y_shape": (-1,)}
    assert_equal(flat, a_zero_point=7, b_zero_point=100, **perms, **shapes, scale=0.003)


@pytest.mark.parametrize("b_transposed", [0, 1])
@pytest.mark.parametrize("a_zero_point", [0, 255])
@pytest.mark.parametrize("b_zero_point", [0, 128, 255])
def test_the_largest_sums_are_exact(isa, b_transposed, a_zero_point, b_zero_point):
    """The most terms that the format allows, all of them as large as they can be."""
    for left in (0, 255):
        for right in (0, 255):
            a, b = np.full((3, 32768), left, np.uint8), np.full((32768, 18), right, np.uint8)
            feeds = {"a": a, "b": np.ascontiguousarray(b.T) if b_transposed else b}
            zero_points = {"a_zero_point": a_zero_point, "b_zero_point": b_zero_point}
            packed = model("IntegerProductFloat", **zero_points, **orders(2, bool(b_transposed)), scale=1.0)
            [found] = runtime.session(packed).run(None, feeds)
            assert (found == np.float32((left - a_zero_point) * (right - b_zero_point) * 32768)).all()


@pytest.mark.parametrize(
    ("scale", "bias"), [(3e38, 0.0), (-1e34, 5.0), (0.0, 300.0), (1e-45, 2.5), (3e38, -3e38), (-0.5, 0.5)]
)
def test_awkward_scales(isa, scale, bias):
    random = np.random.default_rng(0)
    attributes = {"a_zero_point": 100, "b_zero_point": 90, **orders(2), "scale": scale}
    own = {"bias": bias, "y_min": 2, "y_max": 254}
    for a, b in ((codes(random, 20, 12), codes(random, 12, 37)), (np.full((2, 3), 100, np.uint8), codes(random, 3, 5))):
        with np.errstate(over="ignore", invalid="ignore"):
            wanted = [integer_product(a, b, **attributes, **own), integer_product_float(a, b, **attributes)]
        packed = [model("IntegerProduct", **attributes, **own), model("IntegerProductFloat", **attributes)]
        for each, expected in zip(packed, wanted, strict=True):
            [found] = runtime.session(each).run(None, {"a": a, "b": b})
            assert found.tobytes() == expected.tobytes()  # also the sign of zero


PRODUCT = {"a_zero_point": 1, "b_zero_point": 2, **orders(2), "scale": 0.5, **CODES}
BROKEN = [
    *(({key: None}, f"attribute {key} is missing") for key in PRODUCT if "perm" not in key),
    *(({key: None}, f"{key} absent") for key in orders(2)),
    ({"a_zero_point": -1}, "a_zero_point is -1, wanted an int from 0 to 255"),
    ({"b_zero_point": 256}, "b_zero_point is 256"),
    ({"b_zero_point": 2**32}, "b_zero_point is 4294967296"),
    ({"a_perm": (1, 0)}, r"a_perm .1, 0., b_perm .0, 1. and y_perm .0, 1. are no orders of the same axes, 2 to 8"),
    ({"b_perm": (0, 0)}, "are no orders"),
    ({"b_perm": (0, 2**40)}, "are no orders"),
    ({"y_perm": (0,)}, "are no orders"),
    ({key: tuple(range(9)) for key in orders(2)}, "are no orders"),
    ({"a_shape": (0,)}, r"a_shape is .0., wanted a size of each axis, 2 to 2"),
    ({"b_shape": (0, -2)}, r"b_shape is .0, -2."),
    ({"y_shape": (-1, -1)}, r"y_shape is .-1, -1.. wanted a size of each axis, 1 to 8"),
    ({"a_bits": 0}, "a_bits is 0, wanted an int from 1 to 8"),
    ({"a_bits": 9}, "a_bits is 9"),
    ({"scale": float("nan")}, "attribute scale is not finite"),
    ({"bias": float("inf")}, "attribute bias is not finite"),
    ({"y_max": 256}, "y_max 256, wanted"),
    ({"y_min": 9, "y_max": 8}, "y_min is 9 and y_max 8"),
]


@pytest.mark.parametrize(("changes", "message"), BROKEN, ids=str)
def test_broken_node_is_an_error_that_names_it(changes, message):
    with pytest.raises(QCompileError, match=f"layer: .*{message}"):
        runtime.session(model("IntegerProduct", **{**PRODUCT, **changes}))


def test_the_unbroken_nodes_load():
    runtime.session(model("IntegerProduct", **PRODUCT))
    runtime.session(model("IntegerProduct", **PRODUCT, a_bits=8, k=7))
    runtime.session(model("IntegerProductFloat", **{key: PRODUCT[key] for key in list(PRODUCT)[:6]}))


REFUSED = [
    ((3,), (3, 3), 0, r"a is uint8 .3., wanted uint8 of 2 axes"),
    ((2, 3), (3,), 0, r"b is uint8 .3., wanted uint8 of 2 axes"),
    ((2, 3), (4, 3), 0, r"b is uint8 .4, 3., wanted axes that are .4, 3. in their order to be"),
    ((2, 3), (3, 4), 1, r"in their order to be .\.\.\., k, n. for a .\.\.\., m, k., which is .2, 3.: the same"),
    ((2, 2, 3), (1, 3, 4), 0, "the same leading axes"),
    ((2, 2, 3), (3, 2, 4), 0, "the same leading axes"),
    ((1, 2, 3), (3, 4), 0, "b is uint8"),
    ((1, 32769), (32769, 1), 0, "a last axis of at most 32768: sums must fit int32"),
]


@pytest.mark.parametrize(("a", "b", "b_transposed", "message"), REFUSED)
def test_operands_that_do_not_fit_are_refused(a, b, b_transposed, message):
    rank = max(len(a), 2)
    session = runtime.session(model("IntegerProduct", **{**PRODUCT, **orders(rank, bool(b_transposed))}))
    with pytest.raises(Exception, match=f"layer: .*{message}"):
        session.run(None, {"a": np.zeros(a, np.uint8), "b": np.zeros(b, np.uint8)})
