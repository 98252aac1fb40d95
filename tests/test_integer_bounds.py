"""Whatever lies within the error of what comes in gives something within the error of what comes out."""

import numpy as np
import pytest

from qcompile import integer_ops as ops
from qcompile.bounded import Bounded, dequantize, exact, quantize
from qcompile.integer_bounds import apply_bounded
from qcompile.integer_reference import apply_integer
from qcompile.tiles import pack_tiles

GEOMETRY = {"strides": (2, 1), "pads": (1, 0, 1, 2), "dilations": (1, 1), "group": 1}
BOUNDS = {"y_min": 3, "y_max": 250}


def weighted(op_type, shape, x_shape, *, bits=4, spread=40.0, seed=0, **attributes):
    """Operands without a bound, and attributes; codes that come out are spread over the whole range."""
    rng = np.random.default_rng(seed)
    group = attributes.get("group", 1)
    k = np.prod(shape[1:])
    operands = [
        rng.integers(0, 256, x_shape).astype(np.uint8),
        pack_tiles(rng.integers(0, 2**bits, shape).astype(np.uint8), group, bits),
        np.zeros(0, np.int8),
        (rng.uniform(-1, 1, shape[0]) * spread / (100 * 2 ** (bits - 2) * np.sqrt(k))).astype(np.float32),
        rng.uniform(60, 180, shape[0]).astype(np.float32),
    ]
    attributes |= {"bits": bits, "weight_shape": shape, "x_zero_point": 100}
    if not op_type.endswith("Float"):
        attributes |= BOUNDS
    if op_type.endswith("Table"):
        operands.append(np.sort(rng.integers(0, 256, 256)).astype(np.uint8))
    if op_type in ops.ADDING:
        attributes["residual_scale"] = -0.25
        plain = apply_integer(op_type.replace("Add", ""), operands, attributes)
        operands.append(rng.integers(0, 256, plain.shape).astype(np.uint8))
    return op_type, operands, attributes


def codes(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def cases():
    yield weighted(ops.INTEGER_MATMUL_ADD_FLOAT, (9, 20), (3, 20))
    for kind in ("", "Add", "Table", "Float"):
        yield weighted(f"IntegerMatMul{kind}", (9, 20), (3, 20))
        yield weighted(f"IntegerConv{kind}", (6, 4, 3, 2), (2, 6, 5, 4), **GEOMETRY)
        yield weighted(f"IntegerConv{kind}", (6, 1, 3, 2), (2, 6, 5, 6), **(GEOMETRY | {"group": 6}))
    yield (
        ops.INTEGER_ADD,
        [codes(4, 50), codes(4, 50, seed=1)],
        {"a_scale": 0.7, "b_scale": -0.4, "bias": 60.5} | BOUNDS,
    )
    pool = {"kernel_shape": (3, 2), "strides": (2, 1), "pads": (1, 0, 1, 1)}
    yield ops.INTEGER_MAX_POOL, [codes(2, 7, 6, 3)], pool
    for keepdims in (0, 1):
        mean = {"scale": 1.7, "bias": -20.5, "keepdims": keepdims} | BOUNDS
        yield ops.INTEGER_GLOBAL_AVERAGE_POOL, [codes(2, 5, 6, 8)], mean
    yield ops.INTEGER_TABLE, [codes(6, 40), codes(256, seed=2)], {}
    product = {"a_zero_point": 3, "b_zero_point": 120, "scale": 0.002}
    a, b = codes(2, 5, 9), codes(2, 6, 9, seed=1)
    plain, turned = (0, 1, 2), {"a_perm": (0, 1, 2), "b_perm": (0, 2, 1), "y_perm": (1, 0, 2)}
    yield "IntegerProduct", [a, b], product | turned | {"bias": 128.25} | BOUNDS
    shapes = {"a_shape": (2, 5, 9), "b_shape": (0, -1, 9), "y_shape": (30, 2)}
    yield "IntegerProduct", [a.reshape(10, 9), b], product | turned | shapes | {"bias": 128.25} | BOUNDS
    yield "IntegerProductFloat", [a, b.swapaxes(1, 2)], product | {"a_perm": plain, "b_perm": plain, "y_perm": plain}
    x = np.random.default_rng(3).standard_normal((2, 3, 5, 6)).astype(np.float32)
    scale, bias = np.array([30.5, -40, 90], np.float32), np.array([128, 100.25, 90], np.float32)
    yield ops.QUANTIZE_INPUT, [x, scale, bias], BOUNDS
    rng = np.random.default_rng(4)
    x = rng.standard_normal((3, 4, 20)).astype(np.float32)
    stretch = [rng.uniform(-40, 40, 20).astype(np.float32), rng.uniform(100, 150, 20).astype(np.float32)]
    yield "QuantizeLayerNormalization", [x, *stretch], {"epsilon": 1e-5} | BOUNDS
    yield "QuantizeSoftmax", [x * 3], {"scale": 300.5, "bias": 2.0} | BOUNDS


CASES = list(cases())
IDS = [f"{op_type}-{number}" for number, (op_type, _, _) in enumerate(CASES)]


def perturbed(operand, rng):
    """What is computed, with a bound: codes off by up to 3 at some places, floats by up to 0.02."""
    if operand.dtype == np.uint8:
        error = rng.choice([0, 0, 1, 3], operand.shape).astype(np.float64)
        return Bounded(operand, error)
    return Bounded(operand.astype(np.float64), rng.uniform(0, 0.02, operand.shape))


def within(bounded, rng):
    """Something that the bound allows; often at its ends."""
    step = np.clip(rng.uniform(-2, 2, bounded.value.shape), -1, 1) * bounded.error
    if bounded.value.dtype == np.uint8:
        return np.clip(np.rint(bounded.value + np.rint(step)), 0, 255).astype(np.uint8)
    moved = (bounded.value + step).astype(np.float32)
    return np.where(np.abs(moved - bounded.value) <= bounded.error, moved, bounded.value).astype(np.float32)


def computed(op_type):
    """The positions of what a node computed before gives."""
    return (
        {0, 5}
        if op_type in ops.ADDING
        else {0, 1}
        if op_type in {ops.INTEGER_ADD, "IntegerProduct", "IntegerProductFloat"}
        else {0}
    )


@pytest.mark.parametrize(("op_type", "operands", "attributes"), CASES, ids=IDS)
def test_nothing_within_the_error_leaves_the_bound(op_type, operands, attributes):
    rng = np.random.default_rng(5)
    bounded = [perturbed(o, rng) if i in computed(op_type) else exact(o) for i, o in enumerate(operands)]
    wanted = apply_bounded(op_type, bounded, attributes)
    assert np.isfinite(wanted.error).all()
    assert wanted.value.shape == wanted.error.shape
    moved = 0
    for _ in range(60):
        given = [within(b, rng) if i in computed(op_type) else o for (i, b), o in
                 zip(enumerate(bounded), operands, strict=True)]  # fmt: skip
        found = apply_integer(op_type, given, attributes).astype(np.float64)
        assert (np.abs(found - wanted.value) <= wanted.error).all()
        moved += int((found != wanted.value).sum())
    assert moved > 0


@pytest.mark.parametrize(("op_type", "operands", "attributes"), CASES, ids=IDS)
def test_the_bound_is_reached_somewhere_and_not_wide(op_type, operands, attributes):
    """One code off by one at a time: what comes out is off by as much as the bound, give or take one rounding."""
    if operands[0].dtype != np.uint8 or op_type == ops.INTEGER_TABLE:
        return
    error = np.zeros(operands[0].shape)
    error.reshape(-1)[::7] = 1
    bounded = [Bounded(operands[0], error), *(exact(o) for o in operands[1:])]
    wanted = apply_bounded(op_type, bounded, attributes)
    up, down = (np.clip(operands[0] + sign * error, 0, 255).astype(np.uint8) for sign in (1, -1))
    reached = np.zeros(wanted.value.shape)
    for given in (up, down):
        found = apply_integer(op_type, [given, *operands[1:]], attributes)
        reached = np.maximum(reached, np.abs(found - wanted.value.astype(np.float64)))
    assert reached.max() > 0
    assert (wanted.error[wanted.error > 0] < 60).all()


@pytest.mark.parametrize(("op_type", "operands", "attributes"), CASES, ids=IDS)
def test_certain_codes_give_certain_codes(op_type, operands, attributes):
    found = apply_bounded(op_type, [exact(o) for o in operands], attributes)
    np.testing.assert_array_equal(found.value, apply_integer(op_type, operands, attributes))
    assert not found.error.any()


def test_sums_beyond_2_to_24_are_not_certain():
    """Sums in float32 in another order differ; the bound holds for them."""
    op_type, operands, attributes = weighted(ops.INTEGER_MATMUL_FLOAT, (3, 4000), (2, 4000), bits=8)
    operands[0][:] = np.random.default_rng(0).integers(200, 256, operands[0].shape)
    operands[1] = pack_tiles(np.full((3, 4000), 255, np.uint8), 1, 8)
    wanted = apply_bounded(op_type, [exact(o) for o in operands], attributes | {"x_zero_point": 0})
    assert wanted.error.all()
    sums = np.zeros((2, 3), np.float32)
    for column in operands[0].T.astype(np.float32):
        sums += np.float32(127) * column[:, None]
    found = sums * operands[3] + operands[4]
    assert (np.abs(found - wanted.value) <= wanted.error).all()
    assert (found != wanted.value).any()


def test_a_product_of_sums_beyond_2_to_24_is_not_certain():
    a, b = np.full((2, 1000), 251, np.uint8), np.full((1000, 3), 255, np.uint8)
    a[:, ::3], b[::7] = 255, 3
    attributes = {"a_zero_point": 0, "b_zero_point": 0, "scale": 0.3}
    attributes |= {"a_perm": (0, 1), "b_perm": (0, 1), "y_perm": (0, 1)}
    wanted = apply_bounded("IntegerProductFloat", [exact(a), exact(b)], attributes)
    assert wanted.error.all()
    sums = np.zeros((2, 3), np.float32)
    for left, right in zip(a.T.astype(np.float32), b.astype(np.float32), strict=True):
        sums += left[:, None] * right
    found = sums * np.float32(0.3)
    assert (np.abs(found - wanted.value) <= wanted.error).all()
    assert (found != wanted.value).any()
    certain = apply_bounded("IntegerProductFloat", [exact(a[:, :250]), exact(b[:250])], attributes)
    assert not certain.error.any()


def test_a_mean_of_very_many_codes_is_not_certain():
    x = np.full((1, 300, 300, 1), 255, np.uint8)
    x[0, ::3] = 254
    attributes = {"scale": 1.0, "bias": 0.16666, "y_min": 0, "y_max": 255}  # near the middle between two codes
    wanted = apply_bounded(ops.INTEGER_GLOBAL_AVERAGE_POOL, [exact(x)], attributes)
    assert wanted.error.any()
    small = apply_bounded(ops.INTEGER_GLOBAL_AVERAGE_POOL, [exact(x[:, :200, :200])], attributes)
    assert not small.error.any()


def test_what_cancels_is_bounded_by_its_parts():
    """A sum and a residual that cancel: the rounding of each is larger than what is left."""
    _, operands, attributes = weighted(ops.INTEGER_MATMUL_ADD, (4, 8), (50, 8))
    operands[3][:], operands[4][:] = 1000.1, 0.5
    attributes |= {"residual_scale": 1000.1, "y_min": 0, "y_max": 255}
    error = np.zeros(operands[0].shape)
    error[0, 0] = 1  # so that a bound is computed at all
    wanted = apply_bounded(ops.INTEGER_MATMUL_ADD, [Bounded(operands[0], error), *map(exact, operands[1:])], attributes)
    found = apply_integer(ops.INTEGER_MATMUL_ADD, operands, attributes)
    assert (np.abs(found - wanted.value.astype(float)) <= wanted.error).all()


@pytest.mark.parametrize("zero_point", [0, 7, 255])
def test_quantizing_what_is_not_exact(zero_point):
    rng = np.random.default_rng(0)
    scale, origin = exact(np.array(0.03, np.float32)), exact(np.array(zero_point, np.uint8))
    x = Bounded(rng.uniform(-8, 8, 4000), rng.choice([0, 1e-4, 0.1], 4000))
    x = Bounded(x.value.astype(np.float32).astype(np.float64), x.error)
    wanted = quantize(x, scale, origin)
    assert wanted.value.dtype == np.uint8
    assert not wanted.error[x.error == 0].any()
    step = np.float32(0.03)
    for _ in range(50):
        given = within(x, rng)
        found = np.clip(np.rint(given / step) + zero_point, 0, 255)
        assert (np.abs(found - wanted.value.astype(float)) <= wanted.error).all()


def test_dequantizing_rounds_once():
    rng = np.random.default_rng(0)
    scale, origin = exact(np.array(0.0371, np.float32)), exact(np.array(9, np.uint8))
    x = Bounded(codes(4000), rng.choice([0.0, 2.0], 4000))
    wanted = dequantize(x, scale, origin)
    for _ in range(20):
        found = (within(x, rng).astype(np.float32) - np.float32(9)) * np.float32(0.0371)
        assert (np.abs(found - wanted.value) <= wanted.error).all()
    assert (wanted.error[x.error == 0] <= np.abs(wanted.value[x.error == 0]) * 2**-23).all()
