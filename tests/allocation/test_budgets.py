import pytest

from qcompile.allocation import Drop, read_target
from qcompile.errors import DataError
from qcompile.search import Budget


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("drop=0.5%", Drop(0.005)),
        ("drop = .5 %", Drop(0.005)),
        ("drop=0%", Drop(0.0)),
        ("bytes=80k", Budget(packed_bytes=80_000)),
        ("bits=3,latency=5ms", Budget(average_bits=3, latency_ms=5)),
    ],
)
def test_targets_are_read(text, wanted):
    assert read_target(text) == wanted
    assert read_target(wanted.as_text()) == wanted


@pytest.mark.parametrize("text", ["drop=0.5", "drop=", "drop=-1%", "drop=1%,bits=3", "drop=100%", "byte=3", ""])
def test_what_is_no_target_is_an_error(text):
    with pytest.raises(DataError):
        read_target(text)
