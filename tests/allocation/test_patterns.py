import pytest

from qcompile.allocation import bits_by_pattern, read_patterns
from qcompile.errors import DataError

NAMES = ["conv1", "layer1.0.conv1", "layer1.0.conv2", "fc"]


def test_the_last_pattern_that_matches_counts():
    patterns = read_patterns(["layer1.*=3", "*conv1=8", "layer1.0.conv2=5"])
    assert bits_by_pattern(patterns, NAMES) == {"conv1": 8, "layer1.0.conv1": 8, "layer1.0.conv2": 5}


def test_a_pattern_that_matches_nothing_is_an_error_with_the_nearest_names():
    with pytest.raises(DataError, match=r"'layer1.0.cnv2' matches no layer .*; near it are layer1.0.conv2"):
        bits_by_pattern({"layer1.0.cnv2": 4}, NAMES)


@pytest.mark.parametrize("text", ["conv1", "conv1=", "conv1=0", "conv1=9", "conv1=3.5", "=4", "conv1=-1", "conv1=٣"])
def test_what_is_no_pattern_with_bits_is_an_error(text):
    with pytest.raises(DataError, match="wanted PATTERN=BITS"):
        read_patterns([text])


def test_a_pattern_given_twice_is_an_error():
    with pytest.raises(DataError, match="'fc' is given twice"):
        read_patterns(["fc=3", "fc=4"])


def test_a_name_may_hold_an_equals_sign():
    assert read_patterns(["a=b=4"]) == {"a=b": 4}
