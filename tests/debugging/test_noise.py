import math

import numpy as np
import pytest

from qcompile.debugging.noise import NoiseSum, ShareSum


def test_batches_add_up_to_the_whole():
    random = np.random.default_rng(0)
    wanted = random.standard_normal((12, 5)).astype(np.float32)
    found = wanted + random.normal(0, 0.1, wanted.shape).astype(np.float32)
    total = NoiseSum()
    for start in range(0, 12, 5):
        total.add(wanted[start : start + 5], found[start : start + 5])
    exact = wanted.astype(np.float64)
    # Sums of 60 float64 numbers in another order: 60 * 2^-53 of them, 10 / ln 10 times that in dB.
    assert total.sqnr_db == pytest.approx(10 * np.log10((exact**2).sum() / ((exact - found) ** 2).sum()), abs=1e-12)


@pytest.mark.parametrize(
    ("wanted", "found", "decibels"),
    [([1.0], [1.0], math.inf), ([0.0], [0.0], math.inf), ([0.0], [1.0], -math.inf), ([1.0], [math.nan], -math.inf)],
)
def test_ends(wanted, found, decibels):
    total = NoiseSum()
    total.add(np.array(wanted), np.array(found))
    assert total.sqnr_db == decibels


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\[3, 1\] wanted, \[3\] found"):
        NoiseSum().add(np.zeros((3, 1)), np.zeros(3))


def test_a_share_is_that_of_all_batches():
    share = ShareSum()
    assert share.share == 0
    share.add(np.array([True, False]))
    share.add(np.array([False, False]))
    assert share.share == 0.25
