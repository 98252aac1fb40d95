"""What plans cost: against a file that the compiler packed, and against sums by hand."""

import numpy as np
import pytest

from qcompile.bit_plan import LayerBits
from qcompile.calibration import ArrayReader, MinMax
from qcompile.compiler import Integers, compile_model
from qcompile.errors import DataError
from qcompile.packed_model import packed_layers
from qcompile.search.costs import LayerCost, average_bits, bit_operations, costs_of_plan, packed_bytes
from qcompile.search.latency import LatencyTable
from tests.network import Network

WIDTHS = (1, 2, 3, 4, 5, 6, 8)


def grid(bits):
    """The whole numbers that weights of so many bits may be."""
    return np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1))


def network(plan):
    """Plain, depthwise and grouped convolutions and a fully connected layer, learned at the bits of ``plan``."""
    net = Network((3, 9, 8))

    def conv(x, shape, name, **attributes):
        weight = net.lookup(shape, name, grid(plan[name].weight))
        return net.add("Relu", [net.add("Conv", [x, weight, net.random(f"{name}.bias", shape[0])], **attributes)])

    a = conv("x", (20, 3, 3, 3), "a", pads=[1] * 4)
    b = conv(a, (20, 1, 3, 3), "b", group=20, strides=[2, 2], pads=[1] * 4)
    c = conv(b, (36, 10, 1, 1), "c", group=2)
    flat = net.add("Flatten", [c])
    weight = net.lookup((7, 720), "d", grid(plan["d"].weight))
    return net.gives(net.add("Gemm", [flat, weight, net.random("d.bias", 7)], transB=1))


def layers():
    def layer(name, shape, groups, positions):
        return LayerCost(name, shape, groups, positions, WIDTHS, WIDTHS)

    return (
        layer("a", (20, 3, 3, 3), 1, 72),
        layer("b", (20, 1, 3, 3), 20, 20),
        layer("c", (36, 10, 1, 1), 2, 20),
        layer("d", (7, 720), 1, 1),
    )


@pytest.mark.parametrize("widths", [(8, 4, 3, 2), (2, 3, 5, 6), (1, 2, 1, 3), (5, 8, 8, 8), (6, 1, 4, 1)])
def test_packed_bytes_are_those_of_the_operands_in_a_packed_file(widths):
    plan = {name: LayerBits(bits, 8) for name, bits in zip("abcd", widths, strict=True)}
    net = network(plan)
    samples = net.samples(4)
    model = compile_model(net.proto(), integers=Integers(ArrayReader(samples, 4), method=MinMax()))
    stored = dict(zip(plan, packed_layers(model), strict=True))
    assert {name: layer.bits for name, layer in stored.items()} == {name: bits.weight for name, bits in plan.items()}
    for layer in layers():
        operands = stored[layer.name].operands()
        assert sum(array.nbytes for _, array in operands.values()) == packed_bytes(
            [layer], {layer.name: plan[layer.name]}
        )
    wanted = sum(array.nbytes for layer in stored.values() for _, array in layer.operands().values())
    assert packed_bytes(layers(), plan) == wanted


def test_bit_operations_are_multiply_adds_times_both_widths():
    plan = {"a": LayerBits(8, 8), "b": LayerBits(3, 4), "c": LayerBits(2, 6), "d": LayerBits(1, 8)}
    by_hand = 20 * 27 * 72 * 64 + 20 * 9 * 20 * 12 + 36 * 10 * 20 * 12 + 7 * 720 * 8
    assert bit_operations(layers(), plan) == by_hand


def test_average_bits_are_by_weight_and_not_by_layer():
    plan = {"a": LayerBits(8, 8), "b": LayerBits(2, 8), "c": LayerBits(2, 8), "d": LayerBits(2, 8)}
    assert average_bits(layers(), plan) == (8 * 540 + 2 * (180 + 360 + 5040)) / 6120


def test_time_is_that_of_all_layers_and_of_the_rest():
    plan = {layer.name: LayerBits(2, 3) for layer in layers()}
    table = LatencyTable({name: {LayerBits(2, 3): 0.25} for name in plan}, other_ms=0.5)
    assert costs_of_plan(layers(), plan, table).latency_ms == 1.5
    assert costs_of_plan(layers(), plan).latency_ms is None


def test_costs_add_up_and_come_apart():
    table = LatencyTable({name: {LayerBits(2, 3): 0.1, LayerBits(4, 4): 0.3} for name in "abcd"})
    two = costs_of_plan(layers()[:2], {"a": LayerBits(2, 3), "b": LayerBits(4, 4)}, table)
    one = costs_of_plan(layers()[:1], {"a": LayerBits(2, 3)}, table)
    other = costs_of_plan(layers()[1:2], {"b": LayerBits(4, 4)}, table)
    assert one + other == two
    assert two - one == other


def test_a_plan_of_other_layers_is_refused():
    plan = {name: LayerBits(2, 2) for name in ("a", "b", "c", "e")}
    with pytest.raises(DataError, match="the plan lacks d and adds e; wanted bits for a, b, c, d"):
        packed_bytes(layers(), plan)


@pytest.mark.parametrize("widths", [(), (3, 2), (2, 2), (0, 2), (8, 9)])
def test_candidates_that_are_not_ascending_widths_are_refused(widths):
    with pytest.raises(DataError):
        LayerCost("a", (2, 2), 1, 1, widths, (8,))
    with pytest.raises(DataError):
        LayerCost("a", (2, 2), 1, 1, (8,), widths)
