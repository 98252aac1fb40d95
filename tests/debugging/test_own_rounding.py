import numpy as np

from qcompile.debugging.own_rounding import rounded_tensors
from tests.networks import NETWORKS
from tests.quantized_network import QuantizedNetwork


def test_a_pair_leads_from_a_tensor_to_what_is_computed_with():
    net = QuantizedNetwork((4,))
    fine, cut = net.pair("x", 0.5), net.pair("x", 0.25, kind="int8", cut=(-8, 7))
    net.gives(net.add("Add", [fine, cut]))
    assert rounded_tensors(net.proto()) == {("x", np.float32(0.5)): fine, ("x", np.float32(0.25)): cut}


def test_a_float_model_rounds_nothing():
    assert rounded_tensors(NETWORKS["plain"]().proto()) == {}
