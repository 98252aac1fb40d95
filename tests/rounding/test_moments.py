import numpy as np

from qcompile.rounding.moments import MomentSums

EXACT = 1e-12  # relative: sums of some hundred products in float64, 300 * 2^-53, of numbers near one


def test_moments_are_means_and_covariances_of_all_batches():
    rng = np.random.default_rng(0)
    before, after = rng.standard_normal((2, 3, 300, 4)) + 1
    sums = MomentSums()
    for part in (slice(0, 1), slice(1, 100), slice(100, 100), slice(100, 300)):
        sums.add(before[:, part], after[:, part])
    found = sums.moments()
    np.testing.assert_allclose(found.mean_before, before.mean(axis=1), rtol=EXACT)
    np.testing.assert_allclose(found.mean, after.mean(axis=1), rtol=EXACT)
    for group in range(3):
        both = np.cov(before[group].T, after[group].T, bias=True)
        np.testing.assert_allclose(found.shared[group], both[:4, 4:], atol=EXACT)
        np.testing.assert_allclose(found.covariance[group], both[4:, 4:], atol=EXACT)


def test_one_array_is_both():
    x = np.random.default_rng(0).standard_normal((2, 50, 3))
    once, twice = MomentSums(), MomentSums()
    once.add(x, x)
    twice.add(x, x.copy())
    for name in ("mean_before", "mean", "shared", "covariance"):
        np.testing.assert_array_equal(getattr(once.moments(), name), getattr(twice.moments(), name))
    np.testing.assert_array_equal(once.moments().shared, once.moments().covariance)


def test_a_column_that_does_not_vary_has_no_variance_however_large():
    x = np.random.default_rng(0).standard_normal((1, 64, 2))
    x[:, :, 1] = 1e6
    sums = MomentSums()
    for part in np.split(x, 4, axis=1):
        sums.add(part, part)
    assert not sums.moments().covariance[0, 1].any()


def test_nothing_has_no_moments():
    sums = MomentSums()
    sums.add(np.zeros((1, 0, 3)), np.zeros((1, 0, 3)))
    assert sums.moments() is None
