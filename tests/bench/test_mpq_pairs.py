import math

import pytest
from mpq_pairs import Difference, image_difference, paired_difference


def test_images_that_both_have_right_or_wrong_cancel_out():
    found = image_difference(wrong=[1, 2, 3], wrong_before=[2, 3, 4, 5, 6], images=200)
    # 3 images gained, 1 lost: of the values +1, -1 and 0 of 200 images the mean and its error.
    values = [1.0] * 3 + [-1.0] + [0.0] * 196
    mean = sum(values) / 200
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / 200 / 200)
    assert found.mean == pytest.approx(100 * mean, rel=1e-12)
    assert found.error == pytest.approx(100 * error, rel=1e-12)  # a few roundings of double precision
    assert found.pairs == 200


def test_the_same_predictions_differ_by_nothing():
    assert image_difference([4, 7], [7, 4], 10) == Difference(0.0, 0.0, 10)


def test_seeds_are_paired_and_those_of_one_side_left_out():
    found = paired_difference({1: 92.0, 2: 93.0, 5: 10.0}, {1: 91.0, 2: 91.0, 3: 50.0})
    # Differences 1 and 2: standard deviation sqrt(1/2), error of the mean 1/2.
    assert found.mean == 1.5
    assert found.error == pytest.approx(0.5, rel=1e-12)
    assert found.pairs == 2


def test_one_seed_has_no_error_and_none_in_common_is_refused():
    assert paired_difference({1: 2.0}, {1: 1.0}) == Difference(1.0, None, 1)
    with pytest.raises(ValueError, match="no seed in common"):
        paired_difference({1: 2.0}, {2: 1.0})


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (Difference(0.3, None, 1), "one pair: no error is known"),
        (Difference(0.3, 0.3, 3), "within its standard error: no difference seen"),
        (Difference(-0.4, 0.1, 3), "within 4.3 standard errors: not shown"),
        (Difference(0.5, 0.1, 3), "higher"),
        (Difference(-0.5, 0.1, 3), "lower"),
        (Difference(0.19, 0.1, 10_000), "within 1.96 standard errors: not shown"),
        (Difference(0.2, 0.1, 10_000), "higher"),
    ],
)
def test_a_verdict_counts_errors_and_pairs(difference, said):
    assert difference.verdict() == said
