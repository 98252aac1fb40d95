import tomllib
from dataclasses import dataclass, field
from typing import Literal

import pytest

from qcompile.errors import RecipeError
from qcompile.frontend.tables import read_table, write_table


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    kind: Literal["a", "b"] = "a"

    def __post_init__(self):
        if self.rate < 0:
            raise RecipeError(f"rate is {self.rate}, wanted 0 or more")


@dataclass(frozen=True)
class Outer:
    name: str
    count: int = 1
    flag: bool = False
    inner: Inner = field(default_factory=Inner)
    many: dict[str, Inner] = field(default_factory=dict)


FULL = Outer(
    'quote " back \\ new\nline é', -3, True, Inner(1e-05, "b"), {"fc*": Inner(2.0), "a.b": Inner(), "": Inner()}
)


def test_writing_and_reading_gives_the_same():
    assert read_table(Outer, tomllib.loads(write_table(FULL)), "file") == FULL


def test_defaults_fill_what_is_missing():
    assert read_table(Outer, {"name": "x"}, "file") == Outer("x")


def test_a_whole_number_serves_as_a_float():
    rate = read_table(Outer, {"name": "x", "inner": {"rate": 2}}, "file").inner.rate
    assert (rate, type(rate)) == (2.0, float)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"nmae": "x"}, 'file: unknown key "nmae"; did you mean "name"?'),
        ({"name": "x", "zzz": 1}, 'file: unknown key "zzz"; known keys are name, count, flag, inner, many'),
        ({}, "file: name is missing"),
        ({"name": 3}, "file: name is 3, wanted str"),
        ({"name": "x", "count": True}, "file: count is True, wanted int"),
        ({"name": "x", "count": 1.0}, "file: count is 1.0, wanted int"),
        ({"name": "x", "flag": 1}, "file: flag is 1, wanted bool"),
        ({"name": "x", "inner": 3}, "file: inner: found 3, wanted a table of rate, kind"),
        ({"name": "x", "inner": {"rate": "1"}}, "file: inner: rate is '1', wanted float"),
        ({"name": "x", "inner": {"rate": True}}, "file: inner: rate is True, wanted float"),
        ({"name": "x", "inner": {"kind": "c"}}, "file: inner: kind is 'c', wanted one of 'a', 'b'"),
        ({"name": "x", "inner": {"rate": -1.0}}, "file: inner: rate is -1.0, wanted 0 or more"),
        ({"name": "x", "many": {"fc*": {"rat": 1.0}}}, 'file: many.fc*: unknown key "rat"; did you mean "rate"?'),
        ({"name": "x", "many": 1}, "file: many is 1, wanted dict"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(table, message):
    with pytest.raises(RecipeError) as refusal:
        read_table(Outer, table, "file")
    assert str(refusal.value) == message
