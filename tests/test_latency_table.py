"""The table of times: which node counts with which layer, and how plans become one table."""

from onnx import helper

from qcompile.bit_plan import LayerBits
from qcompile.latency_table import TimedPlan, make_table, owners_of, time_plan
from qcompile.ops import DOMAIN
from qcompile.random_inputs import random_inputs

A, B = LayerBits(2, 4), LayerBits(8, 8)


def graph(*nodes):
    """Each node is its operator, domain, name and inputs."""
    made = [
        helper.make_node(operator, inputs, [f"{name}.out"], name=name, domain=domain)
        for operator, domain, name, inputs in nodes
    ]
    return helper.make_model(helper.make_graph(made, "g", [], []))


def test_a_table_counts_with_the_layer_that_alone_reads_it():
    model = graph(
        ("IntegerConv", DOMAIN, "conv1", ["x"]),
        ("IntegerTable", DOMAIN, "narrowed", ["conv1.out"]),
        ("IntegerTable", DOMAIN, "shared", ["conv1.out"]),
        ("IntegerConv", DOMAIN, "conv2", ["narrowed.out"]),
        ("IntegerConv", DOMAIN, "conv3", ["shared.out"]),
        ("IntegerAdd", DOMAIN, "sum", ["shared.out", "conv2.out"]),
        ("Reshape", "", "shape", ["sum.out"]),
    )
    owners = owners_of(model, {"conv1", "conv2", "conv3"})
    assert owners == {"conv1": "conv1", "conv2": "conv2", "conv3": "conv3", "narrowed": "conv2"}


def test_bits_that_several_plans_have_get_the_mean():
    timed = [
        TimedPlan({"first": B, "conv": A}, {"first": 1.0, "conv": 2.0}, 0.5),
        TimedPlan({"first": B, "conv": B}, {"first": 3.0, "conv": 4.0}, 0.7),
        TimedPlan({"first": B, "conv": B}, {"first": 2.0, "conv": 5.0}, 9.0),
    ]
    table = make_table(timed, {"threads": 1})
    assert table.times_ms == {"first": {B: 2.0}, "conv": {A: 2.0, B: 4.5}}
    assert (table.other_ms, table.notes) == (0.7, {"threads": 1})


def test_each_layer_of_a_network_has_its_part_of_the_time(packed_model, packed_path):
    names = [node.name for node in packed_model.proto.graph.node if node.domain == DOMAIN]
    timed = time_plan(packed_path, dict.fromkeys(names, B), random_inputs(packed_model.proto), seconds=0.05)
    assert list(timed.layers_ms) == names
    assert all(part > 0 for part in timed.layers_ms.values())
    assert timed.other_ms >= 0


def test_a_layer_that_the_file_does_not_have_takes_no_time(packed_model, packed_path):
    timed = time_plan(packed_path, {"elsewhere": B}, random_inputs(packed_model.proto), seconds=0.05)
    assert timed.layers_ms == {"elsewhere": 0.0}
    assert timed.other_ms > 0
