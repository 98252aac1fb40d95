import numpy as np
import onnx_ir as ir
import pytest

from qcompile.calibration.collecting import observer
from qcompile.calibration.staged import StagedNetwork, has_subgraphs
from qcompile.passes.infer_shapes import InferShapes
from qcompile.passes.round_weights import has_float_weight
from tests.networks import NETWORKS
from tests.quantizing import samples_of

# Operators of two stages are computed apart, joined ones in float32 with the same rounding but for a few of them:
# 64 roundings of 2^-24, of the largest number.
NEAR = 64 * 2.0**-24


def loaded(made):
    model = ir.from_proto(made.proto())
    InferShapes()(model)
    return model


def layers(model):
    return [node for node in model.graph if has_float_weight(node)]


def assert_near(found, wanted):
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=0, atol=NEAR * max(1.0, np.abs(wanted).max()))


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("most_held", [1 << 28, 0])
def test_every_stage_gives_what_the_whole_network_gives(name, most_held):
    model = loaded(NETWORKS[name]())
    if has_subgraphs(model):
        pytest.skip("it is run whole")
    batches = [samples_of(NETWORKS[name]()), {key: -array for key, array in samples_of(NETWORKS[name]()).items()}]
    network = StagedNetwork(model, batches, most_held)
    for node in layers(model):
        read = str(node.inputs[0].name)
        whole = observer(ir.serde.serialize_model(model), [read])
        for found, batch in zip(network.seen([read]), batches, strict=True):
            assert_near(found[read], whole(batch)[read])
