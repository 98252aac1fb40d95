import math

import pytest

from qcompile.errors import RecipeError
from qcompile.frontend.ranges import check_range


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_a_value_in_range_ends_included_is_accepted(value):
    check_range("share", value, 0.0, 1.0)


@pytest.mark.parametrize("value", [-1e-9, 1.1, math.inf, math.nan])
def test_a_value_out_of_range_or_no_number_is_refused(value):
    with pytest.raises(RecipeError, match=rf"share is {value}, wanted 0\.0 to 1\.0"):
        check_range("share", value, 0.0, 1.0)
