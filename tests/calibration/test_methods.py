"""What a method loses, against brute force on the values themselves."""

import numpy as np
import pytest

from qcompile.calibration import MeanSquareError, MinMax, Percentile, Range
from qcompile.calibration.histogram import OCTAVES, RELATIVE_HALF_WIDTH, histogram_of
from qcompile.calibration.mean_square import STEPS_PER_OCTAVE
from qcompile.calibration.ranges import range_of_codes


def rectified(random):
    return np.maximum(random.standard_normal(400), 0)


def signed(random):
    return random.standard_normal(400) * np.where(random.random(400) < 0.5, 1, 0.3) + 0.2


def heavy_tail(random):
    return random.standard_t(2, 400)


def outlier(random):
    return np.append(np.abs(random.standard_normal(400)), 60.0)


def negative(random):
    return -random.exponential(1, 400)


def few_values(random):
    return random.integers(-2, 9, 400) / 7


def far_from_zero(random):
    return random.uniform(5, 6, 400)


MAKERS = [rectified, signed, heavy_tail, outlier, negative, few_values, far_from_zero]


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.__name__)
def values(request):
    return request.param(np.random.default_rng(11)).astype(np.float32)


def least_error(values, bits, rms_error):
    """The best of all cut-offs: each zero point, with 2,000 steps an octave down to a fortieth of the full range."""
    widest = Range(values.min(), values.max(), bits)
    scales = widest.scale * np.geomspace(1, 1 / 40, round(2000 * np.log2(40)) // (1 if bits < 4 else 4))
    zero_points = range(2**bits) if values.min() < 0 < values.max() else [widest.zero_point]
    values = values.astype(np.float64)
    least = np.inf
    for zero_point in zero_points:
        for chunk in np.array_split(scales, 20):
            column = chunk[:, None]
            codes = np.clip(np.rint(values / column), -zero_point, 2**bits - 1 - zero_point)
            least = min(least, float(np.sqrt(((codes * column - values) ** 2).mean(axis=1)).min()))
    return least


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_the_best_range_is_the_best_of_all_cut_offs(values, bits, rms_error):
    """The distance to the nearest code changes no faster than the value, and than the codes.

    So a value taken for the middle of its bin, or for 0, errs by as much; twice, as both the best range and the found
    one are judged so. Codes of a step that is off by a factor f are off by (f - 1) times themselves, and the code that
    a value has is at most twice the value; the nearest step that is tried is half of one away.
    """
    rms = float(np.sqrt(np.mean(values.astype(np.float64) ** 2)))
    swallowed = float(np.abs(values).max()) * 2.0 ** (1 - OCTAVES)
    between_steps = 2 * (2 ** (0.5 / STEPS_PER_OCTAVE) - 1) * rms
    bound = 2 * (RELATIVE_HALF_WIDTH * rms + swallowed) + between_steps
    if bits == 8 and values.min() < 0 < values.max():
        values = values[:60]  # 256 zero points take their time
    found = MeanSquareError().range_of(histogram_of(values), bits)
    assert rms_error(found, values) <= least_error(values, bits, rms_error) + bound


@pytest.mark.parametrize("bits", range(1, 9))
def test_the_best_range_is_no_worse_than_the_full_one(values, bits, rms_error):
    histogram = histogram_of(values)
    full, best = MinMax().range_of(histogram, bits), MeanSquareError().range_of(histogram, bits)
    slack = 2 * RELATIVE_HALF_WIDTH * np.sqrt(np.mean(values**2)) + 2.0 ** (2 - OCTAVES) * np.abs(values).max()
    assert rms_error(best, values) <= rms_error(full, values) + slack


def test_it_beats_the_full_range_on_heavy_tails(rms_error):
    values = np.random.default_rng(1).standard_t(4, 100_000).astype(np.float32)
    histogram = histogram_of(values)
    for bits in (2, 3, 4, 5):
        full, best = MinMax().range_of(histogram, bits), MeanSquareError().range_of(histogram, bits)
        assert rms_error(best, values) < rms_error(full, values) / 1.5


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_it_finds_the_optimum_of_the_normal_distribution(bits):
    """From 400,000 samples: what the range costs the distribution itself, integrated, is within 1% of the least."""
    values = np.random.default_rng(2).standard_normal(400_000).astype(np.float32)
    found = MeanSquareError().range_of(histogram_of(values), bits)
    points, width = np.linspace(-8, 8, 16_001, retstep=True)
    density = np.exp(-(points**2) / 2) / np.sqrt(2 * np.pi) * width

    def expected(scale, zero_point):
        codes = np.clip(np.rint(points / scale), -zero_point, 2**bits - 1 - zero_point)
        return float(density @ (codes * scale - points) ** 2)

    scales = np.geomspace(0.1, 2, 300)
    least = min(expected(scale, zero_point) for scale in scales for zero_point in range(2 ** (bits - 1)))
    assert expected(found.scale, found.zero_point) <= 1.01 * least


def test_values_that_are_codes_lose_nothing(rms_error):
    pixels = (np.arange(256) / np.float32(255)).astype(np.float32)
    best = MeanSquareError().range_of(histogram_of(pixels), 8)
    assert (best.scale, best.zero_point) == (float(np.float32(1 / 255)), 0)
    assert rms_error(best, pixels) <= 255 * best.scale * 2.0**-24  # the scale's and the pixels' own rounding


@pytest.mark.parametrize("method", [MinMax(), Percentile(), MeanSquareError()])
@pytest.mark.parametrize("bits", [2, 8])
def test_constant_tensors_are_kept(method, bits, rms_error):
    for constant in (0.0, 2.5, -0.3, 1e-30, -1e30):
        values = np.full(50, constant, np.float32)
        found = method.range_of(histogram_of(values), bits)
        if constant == 0:
            assert (found.scale, found.zero_point) == (1.0, 0)
        assert rms_error(found, values) <= abs(float(values[0])) * 2.0**-22
        assert found.zero_point == (0 if constant >= 0 else 2**bits - 1)


@pytest.mark.parametrize("method", [MinMax(), Percentile(), MeanSquareError()])
def test_extreme_floats_give_usable_ranges(method):
    largest = float(np.finfo(np.float32).max)
    for values in ([largest, -largest], [largest, 1e-44], [1e-44, -1e-45], [-largest, 0.5]):
        for bits in range(1, 9):
            found = method.range_of(histogram_of(np.array(values, np.float32)), bits)
            assert np.finfo(np.float32).tiny <= found.scale <= largest


@pytest.mark.parametrize("bits", range(2, 9))
def test_rectified_tensors_have_zero_point_0(bits):
    values = rectified(np.random.default_rng(3)).astype(np.float32)
    for method in (MinMax(), Percentile(99), MeanSquareError()):
        assert method.range_of(histogram_of(values), bits).zero_point == 0


def test_percentiles_cut_both_ends():
    values = np.random.default_rng(4).standard_normal(10_000).astype(np.float32)
    found = Percentile(99).range_of(histogram_of(values), 8)
    low, high = np.percentile(values, [1, 99])
    assert found.low == pytest.approx(low, rel=RELATIVE_HALF_WIDTH)
    assert found.high == pytest.approx(high, rel=RELATIVE_HALF_WIDTH)
    assert Percentile(100).range_of(histogram_of(values), 8) == MinMax().range_of(histogram_of(values), 8)


def test_a_tensor_that_is_nearly_always_zero_keeps_its_values():
    values = np.zeros(100_000, np.float32)
    values[7] = 3
    assert Percentile(99.9).range_of(histogram_of(values), 8) == Range(0, 3, 8)


@pytest.mark.parametrize("share", [0, 50, 100.1, float("nan")])
def test_a_percentile_is_over_50_and_at_most_100(share):
    with pytest.raises(ValueError, match="wanted more than 50"):
        Percentile(share)


def test_a_range_of_codes_has_these_codes():
    random = np.random.default_rng(6)
    for bits in range(1, 9):
        for scale in random.lognormal(0, 10, 50).astype(np.float32).tolist():
            zero_point = int(random.integers(2**bits))
            found = range_of_codes(scale, zero_point, bits)
            assert (found.scale, found.zero_point) == (scale, zero_point)


def test_methods_are_values():
    assert MeanSquareError() == MeanSquareError()
    assert len({MinMax(), MinMax(), Percentile(99), Percentile(99), Percentile()}) == 3
