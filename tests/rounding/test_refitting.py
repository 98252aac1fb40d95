import numpy as np
import pytest

from qcompile.codebooks.levels import Levels
from qcompile.rounding.groups import Group
from qcompile.rounding.moments import Moments
from qcompile.rounding.refitting import best_codebook, best_scales
from qcompile.rounding.second_order import output_errors
from tests.rounding.test_second_order import layer


def group_of(rng, outputs=4, columns=15):
    target, moments = layer(rng, outputs, columns)
    mean = np.zeros(columns)
    return Group(target.astype(np.float32), Moments(mean, mean, moments, moments), target, moments)


def error(groups, levels, entries):
    target = np.concatenate([group.target for group in groups])
    parts = np.split(target - levels.values(entries), len(groups))
    return sum(output_errors(part, group.damped).sum() for part, group in zip(parts, groups, strict=True))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def case(rng, shared, groups=2):
    """Groups of 4 outputs, with levels and entries that have little to do with their weights."""
    made, outputs = [group_of(rng) for _ in range(groups)], 4 * groups
    codebook = np.sort(rng.standard_normal(3 if shared else (outputs, 3)), axis=-1)
    return made, Levels(codebook, rng.uniform(0.5, 1.5, outputs)), rng.integers(0, 3, (outputs, 15))


@pytest.mark.parametrize("shared", [True, False])
def test_no_codebook_near_the_best_one_has_less_error(rng, shared):
    groups, levels, entries = case(rng, shared)
    best = best_codebook(groups, levels, entries)
    assert best.shape == levels.codebook.shape
    least = error(groups, Levels(best, levels.scales), entries)
    assert least < error(groups, levels, entries)
    for _ in range(50):
        other = best + 1e-3 * rng.standard_normal(best.shape)
        assert error(groups, Levels(other, levels.scales), entries) > least


@pytest.mark.parametrize("shared", [True, False])
def test_no_scales_near_the_best_ones_have_less_error(rng, shared):
    groups, levels, _ = case(rng, shared)
    # Of both signs, and nearest ones: no scale then wants to be negative.
    levels = Levels(np.broadcast_to([-1.0, 0.2, 1.5], levels.codebook.shape), levels.scales)
    entries = np.stack([levels.nearest(column) for column in np.concatenate([g.target for g in groups]).T], axis=1)
    best = best_scales(groups, levels, entries)
    least = error(groups, Levels(levels.codebook, best), entries)
    assert least < error(groups, levels, entries)
    for factor in (0.999, 1.001):
        assert error(groups, Levels(levels.codebook, best * factor), entries) > least


def test_a_weight_that_a_codebook_can_be_gets_that_codebook(rng):
    group, entries = group_of(rng), rng.integers(0, 3, (4, 15))
    wanted = Levels(np.array([-1.5, 0.25, 3.0]), np.array([1.0, 2.0, 0.5, 1.0]))
    whole = Group(group.rows, group.moments, wanted.values(entries), group.damped)
    start = Levels(np.array([-1.0, 0.0, 1.0]), wanted.scales)
    # Sums of 900 products, a condition number below 1e4: 900 * 1e4 * 2^-53 = 1e-9.
    np.testing.assert_allclose(best_codebook([whole], start, entries), wanted.codebook, atol=1e-9)
    scales = best_scales([whole], Levels(wanted.codebook, np.ones(4)), entries)
    np.testing.assert_allclose(scales, wanted.scales, rtol=1e-9)


@pytest.mark.parametrize("shared", [True, False])
def test_an_entry_that_no_number_takes_stays(rng, shared):
    groups, levels, entries = case(rng, shared)
    best = best_codebook(groups, levels, np.minimum(entries, 1))
    np.testing.assert_array_equal(best[..., 2], levels.codebook[..., 2])
    assert (best[..., :2] != levels.codebook[..., :2]).all()


def test_a_scale_that_would_not_be_above_zero_stays(rng):
    group = group_of(rng, outputs=3)
    levels, entries = Levels(np.array([-1.0, 1.0]), np.array([1.0, 0.0, 2.0])), np.zeros((3, 15), np.intp)
    entries[0] = group.target[0] < 0  # each of the wrong sign
    entries[2] = group.target[2] > 0
    found = best_scales([group], levels, entries)
    assert found[:2].tolist() == [1.0, 0.0]
    assert found[2] > 0
    assert found[2] != 2.0


def test_many_outputs_are_summed_in_parts(rng):
    groups = [group_of(rng, outputs=40, columns=150)]
    levels, entries = Levels(np.linspace(-2, 2, 256), np.ones(40)), rng.integers(0, 256, (40, 150))
    best = best_codebook(groups, levels, entries)
    assert error(groups, Levels(best, levels.scales), entries) < error(groups, levels, entries)
