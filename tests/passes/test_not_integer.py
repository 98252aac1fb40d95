"""What a compiled model that was quantized still computes in floats, and why."""

import onnx_ir as ir
import pytest

from qcompile.passes import quantized_passes
from qcompile.passes.not_integer import list_not_integer
from tests.quantized_network import QuantizedNetwork


def told(net):
    model = ir.from_proto(net.proto())
    for rewrite in quantized_passes():
        rewrite(model)
    return list_not_integer(model)


def rounded(net, x):
    return net.pair(x, 1 / 32, kind="int8")


def test_nothing_where_all_are_integers():
    net = QuantizedNetwork((4, 6, 6))
    a = rounded(net, net.quantized_conv(rounded(net, "x"), (4, 4, 1, 1), "a"))
    assert told(net.gives(net.add("Add", [net.quantized_conv(a, (4, 4, 1, 1), "b"), a]))) == []


def test_a_layer_that_reads_floats_names_them():
    net = QuantizedNetwork((4, 6, 6))
    a = net.quantized_conv(rounded(net, "x"), (4, 4, 1, 1), "a")
    [(name, reason)] = told(net.gives(net.quantized_conv(a, (4, 4, 1, 1), "b")))
    assert name == "b"
    assert reason.startswith(f"it multiplies floats: {a} has no pair of QuantizeLinear and DequantizeLinear")


def test_a_layer_with_a_float_weight():
    net = QuantizedNetwork((4, 6, 6))
    a = rounded(net, net.quantized_conv(rounded(net, "x"), (4, 4, 1, 1), "a"))
    [(_, reason)] = told(net.gives(net.conv(a, (4, 4, 1, 1), "b")))
    assert reason == "its weight is not quantized"


@pytest.mark.parametrize("cut", [False, True])
def test_an_addition_of_floats_whose_sum_is_rounded(cut):
    net = QuantizedNetwork((4, 6, 6))
    x = rounded(net, "x")
    a, b = (net.add("Elu", [net.quantized_conv(x, (4, 4, 1, 1), name)]) for name in "ab")
    total = net.add("Add", [a, b])
    name = net.nodes[-1].name
    c = net.quantized_conv(rounded(net, net.add("Relu", [total]) if cut else total), (4, 4, 1, 1), "c")
    assert [(found, f"{a}, {b}" in reason) for found, reason in told(net.gives(c))] == [(name, True)]


def test_an_operator_without_an_integer_one():
    net = QuantizedNetwork((4, 6, 6))
    a = rounded(net, net.quantized_conv(rounded(net, "x"), (4, 4, 1, 1), "a"))
    b = net.add("Mul", [a, rounded(net, net.add("Sigmoid", [a]))])
    name = net.nodes[-1].name
    c = net.quantized_conv(rounded(net, b), (4, 4, 1, 1), "c")
    assert told(net.gives(c)) == [(name, "it computes in floats: there is no integer operator that does the same")]
