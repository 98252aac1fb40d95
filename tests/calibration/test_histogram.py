import numpy as np
import pytest

from qcompile.calibration.histogram import BINS, CHUNK, EMPTY, OCTAVES, RELATIVE_HALF_WIDTH, histogram_of


def floats(values):
    return np.asarray(values, np.float32)


def samples():
    random = np.random.default_rng(0)
    return {
        "normal": floats(random.standard_normal(5000)),
        "rectified": floats(np.maximum(random.standard_normal(5000), 0)),
        "negative": floats(-random.exponential(3, 5000) - 1),
        "heavy tail": floats(random.standard_t(1.2, 5000)),
        "any float": floats(np.ldexp(random.uniform(-1, 1, 5000), random.integers(-148, 128, 5000))),
        "one value": floats([3.7]),
        "largest": floats([np.finfo(np.float32).max, -np.finfo(np.float32).max, 1]),
        "denormal": floats([1e-44, -2e-40, 3e-39]),
        "zeros": floats([0.0, -0.0, 0.0]),
    }


@pytest.fixture(params=samples())
def values(request):
    return samples()[request.param]


def assert_same(a, b):
    assert (a.low, a.high, a.zeros, a.first) == (b.low, b.high, b.zeros, b.first)
    np.testing.assert_array_equal(a.counts, b.counts)


def test_every_value_lies_by_the_middle_of_its_bin(values):
    middles, counts = histogram_of(values).values()
    assert (np.diff(middles) >= 0).all()
    assert counts.sum() == values.size
    represented = np.repeat(middles, counts)
    wanted = np.sort(values).astype(np.float64)
    smallest = np.abs(wanted).max() * 2.0 ** (1 - OCTAVES)  # below it values are taken for 0
    bound = np.maximum(np.abs(wanted) * RELATIVE_HALF_WIDTH, np.where(np.abs(wanted) < smallest, np.abs(wanted), 0))
    bound = np.maximum(bound, 2.0**-136)  # 1e-41: below the first bin of all, among denormals
    assert (np.abs(represented - wanted) <= bound).all()


def test_merging_is_counting_at_once(values):
    other = floats(np.random.default_rng(1).standard_normal(300) * 40)
    for a, b in ((values, other), (other, values), (values, values)):
        assert_same(histogram_of(a).merged(histogram_of(b)), histogram_of(np.concatenate([a, b])))


def test_order_and_grouping_of_batches_do_not_matter():
    random = np.random.default_rng(2)
    batches = [floats(random.standard_normal(100) * 2.0**power) for power in (-30, 3, -20, 30, 0, -5, 14)]
    whole = histogram_of(np.concatenate(batches))
    for order in (batches, batches[::-1], batches[3:] + batches[:3]):
        merged = EMPTY
        for batch in order:
            merged = merged.merged(histogram_of(batch))
        assert_same(merged, whole)


def test_a_first_batch_of_zeros_costs_no_resolution():
    zeros, later = np.zeros(1000, np.float32), floats(np.random.default_rng(3).standard_normal(1000))
    assert_same(histogram_of(zeros).merged(histogram_of(later)), histogram_of(np.concatenate([zeros, later])))
    assert histogram_of(zeros).zeros == 1000
    assert histogram_of(zeros).counts.sum() == 0


def test_an_outlier_leaves_the_bulk_its_resolution():
    values = floats([*np.random.default_rng(4).standard_normal(10_000), 1000])
    histogram = histogram_of(values)
    # 2048 bins of one width up to 1024 would be half a unit wide: the quartile would be off by a third.
    assert histogram.percentile(75) == pytest.approx(np.percentile(values, 75), rel=RELATIVE_HALF_WIDTH)
    assert histogram.total == 10_001


def test_percentiles_are_numpys_to_half_a_bin(values):
    histogram = histogram_of(values)
    fallen_to_zero = np.abs(values).max() * 2.0 ** (1 - OCTAVES)
    for share in (0, 0.01, 1, 37.3, 50, 99, 99.99, 100):
        wanted = np.percentile(values.astype(np.float64), share)
        place = (values.size - 1) * share / 100
        reach = np.abs(np.sort(values)[[int(place), min(int(place) + 1, values.size - 1)]]).astype(np.float64).max()
        # Each of the two neighbours is off by half a bin or what zero swallows; the last term is numpy's rounding.
        bound = reach * RELATIVE_HALF_WIDTH + fallen_to_zero + reach * 2.0**-40
        assert abs(histogram.percentile(share) - wanted) <= bound


def test_the_ends_are_exact(values):
    histogram = histogram_of(values)
    assert histogram.low == values.min()
    assert histogram.high == values.max()
    middles, _ = histogram.values()
    assert histogram.low <= middles.min()
    assert middles.max() <= histogram.high


def test_no_values_are_the_empty_histogram():
    assert histogram_of(floats([])) is EMPTY
    some = histogram_of(floats([1, -2]))
    assert_same(EMPTY.merged(some), some)
    assert_same(some.merged(EMPTY), some)


def test_many_values_and_any_layout_are_counted():
    values = floats(np.random.default_rng(5).standard_normal((3, CHUNK // 2 + 1, 2)))
    assert histogram_of(values).total == values.size
    assert_same(histogram_of(values.transpose(2, 0, 1)[:, :, ::3]), histogram_of(values[:, ::3].copy()))
    assert histogram_of(values).counts.shape == (2, BINS)
