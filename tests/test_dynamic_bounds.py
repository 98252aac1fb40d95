"""Whatever lies within the error of the rows that come in gives something within the error of what comes out."""

import numpy as np
import pytest

from qcompile.bounded import Bounded, exact
from qcompile.integer_bounds import apply_bounded
from qcompile.integer_ops import INTEGER_MATMUL_DYNAMIC
from qcompile.integer_reference import apply_integer
from qcompile.tiles import pack_tiles
from tests.dynamic import random_layer, random_rows


def bounded(layer, x):
    return apply_bounded(INTEGER_MATMUL_DYNAMIC, [x, *map(exact, layer.arguments.values())], layer.attributes)


@pytest.mark.parametrize("bits", [1, 3, 8])
@pytest.mark.parametrize("size", [1e-7, 1e-4, 0.02, 0.5])
def test_nothing_within_the_error_leaves_the_bound(bits, size):
    random = np.random.default_rng(bits)
    layer = random_layer(random, (9, 20), 4, x_bits=bits)
    x = random.standard_normal((12, 20))
    x[0], x[1], x[2] = np.abs(x[0]), -np.abs(x[1]), x[2] * 1e-30
    error = random.choice([0, 0, 1], x.shape) * random.uniform(0, size, x.shape) * np.abs(x).max(axis=1, keepdims=True)
    x = x.astype(np.float32).astype(np.float64)
    wanted = bounded(layer, Bounded(x, error))
    assert np.isfinite(wanted.error[3:]).all()
    moved = 0
    for _ in range(100):
        given = (x + np.clip(random.uniform(-2, 2, x.shape), -1, 1) * error).astype(np.float32)
        given = np.where(np.abs(given - x) <= error, given, x).astype(np.float32)
        found = layer.numpy(given).astype(np.float64)
        assert (np.abs(found - wanted.value) <= wanted.error).all()
        moved += int((found != wanted.value).sum())
    assert moved > 0


def test_exact_rows_are_certain_whatever_they_are():
    random = np.random.default_rng(0)
    layer, x = random_layer(random, (9, 20), 4), random_rows(random, 30, 20)
    wanted = bounded(layer, exact(x))
    np.testing.assert_array_equal(wanted.value, layer.numpy(x))
    assert not wanted.error.any()


def test_a_row_with_an_error_does_not_touch_the_others():
    random = np.random.default_rng(0)
    layer, x = random_layer(random, (9, 20), 4), random.standard_normal((5, 20)).astype(np.float32)
    error = np.zeros(x.shape)
    error[2, 7] = 1e-3
    assert bounded(layer, Bounded(x.astype(np.float64), error)).error.any(axis=1).tolist() == [
        *(False, False, True, False, False)
    ]


@pytest.mark.parametrize(("value", "error"), [(0.0, 1e-3), (1e-44, 1e-44), (3e38, 3e38), (1.0, np.inf)])
def test_a_row_whose_step_may_be_no_number_has_no_bound(value, error):
    layer = random_layer(np.random.default_rng(0), (4, 6), 4)
    wanted = bounded(layer, Bounded(np.full((1, 6), value), np.full((1, 6), error)))
    assert np.isinf(wanted.error).all()


def test_a_small_error_has_a_small_bound():
    random = np.random.default_rng(0)
    layer, x = random_layer(random, (50, 200), 4), random.standard_normal((40, 200)).astype(np.float32)
    wanted = bounded(layer, Bounded(x.astype(np.float64), np.abs(x) * 1e-7))
    step = (x.max(axis=1) - x.min(axis=1)) / 255
    one_code = (step[:, None] * 8 * np.abs(layer.arguments["scale"])).astype(np.float64)
    assert np.median(wanted.error / one_code) < 1


def test_sums_beyond_2_to_24_are_not_certain():
    """Sums in float32 in another order differ; the bound holds for them."""
    layer = random_layer(np.random.default_rng(0), (3, 4000), 8)
    layer.arguments["indices"] = pack_tiles(np.full((3, 4000), 255, np.uint8), 1, 8)
    x = np.random.default_rng(1).uniform(0.8, 1, (2, 4000)).astype(np.float32)
    wanted = bounded(layer, exact(x))
    assert wanted.error.all()
    steps = x.max(axis=1, keepdims=True) / np.float32(255)
    sums = np.zeros((2, 3), np.float32)
    for column in np.rint(x / steps).T:
        sums += np.float32(127) * column[:, None]
    found = sums * (steps * layer.arguments["scale"]) + layer.arguments["bias"]
    assert (np.abs(found - wanted.value) <= wanted.error).all()
    assert (found != wanted.value).any()
    assert wanted.value.dtype == np.float64
    np.testing.assert_array_equal(
        wanted.value, apply_integer(INTEGER_MATMUL_DYNAMIC, layer.operands(x), layer.attributes)
    )
