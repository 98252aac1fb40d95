import json

import pytest

from qcompile.bit_plan import LayerBits, nearest_width, read_plan, write_plan
from qcompile.errors import DataError

PLAN = {"conv1": LayerBits(8, 8), 'layer "a".conv': LayerBits(2, 3)}


def test_a_plan_is_read_as_it_was_written():
    text = write_plan(PLAN, {"packed_bytes": 80_000, "search": {"evaluations": 7}})
    assert read_plan(text, "plan.json") == PLAN
    assert list(read_plan(text, "plan.json")) == list(PLAN)
    assert json.loads(text)["notes"] == {"packed_bytes": 80_000, "search": {"evaluations": 7}}


def test_a_layer_is_a_line_so_that_a_person_can_edit_it():
    assert '    "conv1": {"weight": 8, "activation": 8},\n' in write_plan(PLAN, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"plan\.json: no JSON"),
        ("[]", r'"bit_plan" is None, wanted 1'),
        ('{"bit_plan": 2, "layers": {}}', r'"bit_plan" is 2, wanted 1'),
        ('{"bit_plan": 1, "layers": {}}', r'"layers" is missing or empty'),
        ('{"bit_plan": 1, "layers": {"fc": 3}}', r"layers, fc: 3, wanted"),
        ('{"bit_plan": 1, "layers": {"fc": {"weight": 3}}}', r"layers, fc: .*wanted"),
        ('{"bit_plan": 1, "layers": {"fc": {"weight": 3, "activation": 9}}}', r"fc: activation bits are 9, wanted"),
        ('{"bit_plan": 1, "layers": {"fc": {"weight": 0, "activation": 8}}}', r"fc: weight bits are 0, wanted"),
        ('{"bit_plan": 1, "layers": {"fc": {"weight": 2.5, "activation": 8}}}', r"fc: weight bits are 2.5, wanted"),
        ('{"bit_plan": 1, "layers": {"fc": {"weight": true, "activation": 8}}}', r"fc: weight bits are True, wanted"),
    ],
)
def test_what_is_no_plan_is_refused_with_its_place(text, message):
    with pytest.raises(DataError, match=message):
        read_plan(text, "plan.json")


def test_the_nearest_width_is_not_above_what_is_wanted_if_any_is_not():
    assert [nearest_width((3, 4, 8), bits) for bits in (2, 3, 7, 8, 9)] == [3, 3, 4, 8, 8]
