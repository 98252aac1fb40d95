import numpy as np
import onnx_ir as ir
import pytest

from qcompile.calibration import Range
from qcompile.errors import ModelError
from qcompile.passes.insert_qdq import InsertQdq
from tests.network import Network
from tests.networks import NETWORKS
from tests.quantizing import find_ranges, fused, samples_of


def ranges_of(network, bits=8):
    return find_ranges(fused(network), samples_of(network), bits)


def pairs(model):
    """By the name of what is quantized: scale, zero point and the nodes."""
    found = {}
    for node in model.graph:
        if node.op_type == "QuantizeLinear":
            scale, zero_point = (value.const_value.numpy() for value in node.inputs[1:])
            found[node.inputs[0].name] = (float(scale), int(zero_point), node)
    return found


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_reader_reads_through_the_pair(tools, name):
    network = NETWORKS[name]()
    before, ranges = fused(network), ranges_of(network)
    after = tools.apply(InsertQdq(ranges), before)
    found = pairs(after)
    assert set(found) == set(ranges)
    for scale, zero_point, node in found.values():
        assert (scale > 0, 0 <= zero_point <= 255) == (True, True)
        assert len(node.inputs[0].uses()) == 1
        [pair] = [use.node for use in node.outputs[0].uses()]
        assert pair.op_type == "DequantizeLinear"
        assert [value.name for value in pair.inputs[1:]] == [value.name for value in node.inputs[1:]]


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_outputs_are_near_what_they_were(tools, name):
    """Eight bits over the whole range that was seen: a tenth of the largest output is far away."""
    network = NETWORKS[name]()
    before, feeds = fused(network), samples_of(network)
    after = tools.apply(InsertQdq(ranges_of(network)), before)
    for wanted, found in zip(tools.run_onnxruntime(before, feeds), tools.run_onnxruntime(after, feeds), strict=True):
        assert np.abs(found - wanted).max() <= 0.1 * np.abs(wanted).max() + 1e-6


@pytest.mark.parametrize("bits", range(1, 8))
def test_fewer_bits_are_cut_to_their_codes(tools, bits):
    network = NETWORKS["plain"]()
    after = tools.apply(InsertQdq(ranges_of(network, bits)), fused(network))
    feeds = {name: 100 * array for name, array in samples_of(network).items()}
    codes = [node.outputs[0] for _, _, node in pairs(after).values()]
    after.graph.outputs.extend(codes)
    for found in tools.run_onnxruntime(after, feeds)[-len(codes) :]:
        assert found.dtype == np.uint8
        assert found.max() == 2**bits - 1


def test_what_only_moves_codes_shares_a_range_that_holds_all(tools):
    network = NETWORKS["concatenated"]()
    ranges = ranges_of(network)
    found = pairs(tools.apply(InsertQdq(ranges), fused(network)))
    moved = [name for name in found if name != "x"]
    assert len(moved) == 4
    assert len({found[name][:2] for name in moved}) == 1
    whole = Range(min(ranges[n].low for n in moved), max(ranges[n].high for n in moved), 8)
    assert found[moved[0]][:2] == (whole.scale, whole.zero_point)


def test_what_shares_codes_has_one_width(tools):
    network = NETWORKS["concatenated"]()
    ranges = ranges_of(network)
    name = next(name for name in ranges if name.startswith("concat"))
    ranges[name] = Range(ranges[name].low, ranges[name].high, 4)
    with pytest.raises(ModelError, match="share their codes have 4 and 8 bits; give one"):
        InsertQdq(ranges)(fused(network))


def test_an_output_of_the_graph_stays_float(tools):
    network = NETWORKS["outputs_on_the_way"]()
    before = fused(network)
    after = tools.apply(InsertQdq(ranges_of(network)), before)
    assert [value.name for value in after.graph.outputs] == [value.name for value in before.graph.outputs]
    assert not any(value.producer().op_type == "DequantizeLinear" for value in after.graph.outputs)


def test_an_input_that_is_an_output_stays_itself(tools):
    network = NETWORKS["input_is_output"]()
    after = tools.apply(InsertQdq(ranges_of(network)), fused(network))
    assert after.graph.outputs[0] is after.graph.inputs[0]


def test_names_that_are_taken_stay_apart(tools):
    network = NETWORKS["hostile_names"]()
    after = tools.apply(InsertQdq(ranges_of(network)), fused(network))
    names = [value.name for node in after.graph for value in node.outputs] + list(after.graph.initializers)
    assert len(names) == len(set(names))
    assert "a.codes_1" in names


def test_requires_a_range_for_every_tensor(tools):
    network = NETWORKS["plain"]()
    ranges = ranges_of(network)
    del ranges["x"]
    with pytest.raises(ir.passes.PreconditionError, match="no range for x"):
        InsertQdq(ranges)(fused(network))


def test_leaves_a_model_without_layers_alone(tools):
    network = Network((4, 5))
    tools.apply(InsertQdq({}), fused(network.gives(network.add("Relu", ["x"]))), modified=False)
