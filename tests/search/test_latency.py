import json

import pytest

from qcompile.bit_plan import LayerBits
from qcompile.errors import DataError
from qcompile.search.latency import LatencyTable, latency_ms, read_latencies, write_latencies

TABLE = LatencyTable(
    {"conv1": {LayerBits(2, 4): 0.125, LayerBits(8, 8): 0.5}, 'layer "a"': {LayerBits(3, 3): 1e-5}},
    other_ms=0.25,
    notes={"machine": "a board", "threads": 1},
)


def test_a_table_is_read_as_it_was_written():
    text = write_latencies(TABLE)
    assert read_latencies(text, "table.json") == TABLE
    assert json.loads(text)["notes"] == {"machine": "a board", "threads": 1}
    assert '      {"weight": 2, "activation": 4, "ms": 0.125},\n' in text


def test_a_plan_takes_the_time_of_its_layers_and_of_the_rest():
    assert latency_ms(TABLE, {"conv1": LayerBits(8, 8)}) == 0.75


def test_nothing_is_interpolated():
    with pytest.raises(
        DataError, match=r"layer conv1 has no time at weight 4, activation 4 bits; it has weight 2, act"
    ):
        latency_ms(TABLE, {"conv1": LayerBits(4, 4)})
    with pytest.raises(DataError, match=r"no times of layer conv2; it has conv1, layer"):
        latency_ms(TABLE, {"conv2": LayerBits(8, 8)})


def row(**changes):
    return {"weight": 2, "activation": 3, "ms": 1.5} | changes


def table(**changes):
    return json.dumps({"latency_table": 1, "layers": {"fc": [row()]}} | changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"table\.json: no JSON"),
        ("[]", r'"latency_table" is None, wanted 1'),
        (table(latency_table=2), r'"latency_table" is 2, wanted 1'),
        (table(latency_table=True), r'"latency_table" is True, wanted 1'),
        (table(layer={}), r"unknown keys layer"),
        (table(layers={}), r'"layers" is missing or empty'),
        (table(notes=3), r'"notes" is no object'),
        (table(other_ms=-1), r"other_ms: the time is -1, wanted milliseconds"),
        (table(layers={"fc": {}}), r"layers, fc: wanted a list of times"),
        (table(layers={"fc": [{"weight": 2}]}), r'layers, fc: \{"weight": 2\}, wanted'),
        (table(layers={"fc": [row(weight=9)]}), r"layers, fc: weight bits are 9, wanted"),
        (table(layers={"fc": [row(), row()]}), r"layers, fc: weight 2, activation 3 bits is given twice"),
        (table(layers={"fc": [row(ms=-1)]}), r"fc: weight 2, activation 3 bits: the time is -1, wanted milliseconds"),
        (table(layers={"fc": [row(ms="1")]}), r"the time is '1', wanted"),
        (table(layers={"fc": [row(ms=True)]}), r"the time is True, wanted"),
        (table(layers={"fc": [row(ms=float("nan"))]}), r"the time is nan, wanted"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(text, message):
    with pytest.raises(DataError, match=message):
        read_latencies(text, "table.json")
