import numpy as np
import onnx_ir as ir
import pytest

from qcompile.passes.infer_shapes import InferShapes
from qcompile.passes.round_weights import has_float_weight
from qcompile.rounding import RoundToOutputs, SecondOrder, network
from qcompile.rounding.candidates import find_candidates
from qcompile.rounding.runs import runs_of
from tests.network import Network
from tests.networks import NETWORKS
from tests.quantizing import samples_of


def deep_with_shortcuts(width=12, layers=5):
    """Fully connected layers, each added to what it reads: what is needed later crosses every stage."""
    made, value = Network((width,)), "x"
    for number in range(layers):
        value = made.add("Add", [made.gemm(made.add("Relu", [value]), (width, width), f"l{number}"), value])
    return made.gives(value)


def rounded(made, batches, runs):
    model = ir.from_proto(made.proto())
    InferShapes()(model)
    rounding = RoundToOutputs(3, batches, SecondOrder(runs=runs))
    rounding(model)
    return model, rounding.rounded


@pytest.fixture
def staged(monkeypatch):
    """Every network is run a stage at a time."""
    monkeypatch.setattr(network, "runs_of", lambda model, batches: runs_of(model, batches, 0))


@pytest.mark.parametrize("runs", [1, 2, 32])
def test_stages_and_the_whole_network_give_the_same_rounding(monkeypatch, runs):
    random = np.random.default_rng(1)
    batches = [{"x": random.standard_normal((rows, 12)).astype(np.float32)} for rows in (40, 7)]
    made = deep_with_shortcuts()
    whole, told = rounded(made, batches, runs)
    monkeypatch.setattr(network, "runs_of", lambda model, batches: runs_of(model, batches, 0))
    found, told_of_stages = rounded(made, batches, runs)
    # Products, sums and rectifiers are the same whether they are joined or not, so all bits are.
    assert told_of_stages == told
    assert ir.serde.serialize_model(found) == ir.serde.serialize_model(whole)


@pytest.mark.usefixtures("staged")
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_networks_of_all_kinds_are_rounded_a_stage_at_a_time(name):
    made = NETWORKS[name]()
    model, told = rounded(made, [samples_of(made)], 32)
    assert not any(has_float_weight(node) for node in model.graph)
    before = ir.from_proto(made.proto())
    InferShapes()(before)
    assert [layer.name for layer in told] == [each.name for each in find_candidates(before)]
