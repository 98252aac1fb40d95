"""Keys that torch's exporter turns by three operators."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from qcompile.passes.rewrite_turned_keys import RewriteTurnedKeys
from tests.network import Network


def turned(axes=(4, 5, 6), *, perm=(0, 2, 1), cuts=None, also_read=False, known=True):
    """x [batch, *axes] as torch turns it; ``cuts`` are the first and last axis of each part of the shape."""
    network = Network(axes)
    rank = len(axes) + 1
    shape = network.add("Shape", ["x"])
    cuts = cuts or [(0, rank - 2), (rank - 2, rank - 1), (rank - 1, rank)]
    parts = [network.add("Slice", [shape, network.sizes(first), network.sizes(last)]) for first, last in cuts]
    fold = network.add("Concat", [network.sizes(-1), parts[1], network.sizes(axes[-1])], axis=0)
    folded = network.add("Reshape", ["x", fold])
    other = network.add("Transpose", [folded], perm=list(perm))
    back = network.add("Concat", [parts[0], parts[2], parts[1]], axis=0)
    network.gives(network.add("Reshape", [other, back], "y"), *([folded] if also_read else []))
    model = ir.from_proto(network.proto())
    if not known:
        model.graph.inputs[0].shape = None
    return network, model


@pytest.mark.parametrize("axes", [(4, 5), (4, 5, 6), (2, 3, 4, 5)])
def test_three_operators_become_one_that_gives_the_same(axes):
    network, model = turned(axes)
    assert RewriteTurnedKeys()(model).modified
    assert [node.op_type for node in model.graph] == ["Transpose"]
    assert not RewriteTurnedKeys()(model).modified
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto)
    feeds = network.samples(3)
    [found] = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, feeds)
    np.testing.assert_array_equal(found, feeds["x"].swapaxes(-1, -2))


@pytest.mark.parametrize(
    "other",
    [
        {"perm": (0, 1, 2)},
        {"perm": (1, 0, 2)},
        {"cuts": [(0, 1), (2, 3), (3, 4)]},
        {"also_read": True},
        {"known": False},
    ],
)
def test_anything_else_stays(other):
    _, model = turned((5, 5, 5), **other)
    before = [node.op_type for node in model.graph]
    assert not RewriteTurnedKeys()(model).modified
    assert [node.op_type for node in model.graph] == before
