"""Whole networks of integer operators on the kernels of every ISA: the codes of the reference."""

import numpy as np
import pytest

from qcompile import runtime
from qcompile.reference import evaluate
from tests.networks import NETWORKS
from tests.quantizing import lowered_network, runnable_proto, samples_of


@pytest.mark.parametrize("isa", runtime.runtime_info().isas)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_kernels_give_the_codes_of_the_reference(monkeypatch, name, isa):
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", isa)
    model, feeds = runnable_proto(lowered_network(name)), samples_of(NETWORKS[name](), seed=2)
    found = runtime.session(model.SerializeToString(), library=True).run(None, feeds)
    wanted = evaluate(model, feeds)
    for output, array in zip(model.graph.output, found, strict=True):
        bounded = wanted[output.name]
        assert array.shape == bounded.value.shape
        assert (np.abs(array.astype(np.float64) - bounded.value) <= bounded.error).all(), output.name


@pytest.mark.parametrize("isa", runtime.runtime_info().isas)
@pytest.mark.parametrize("name", ["attention", "attention_of_scaled_inputs", "products_with_other_readers"])
def test_kernels_give_what_the_bodies_give_behind_floats_too(monkeypatch, name, isa):
    """Softmax is onnxruntime's own in both, so that no code is uncertain."""
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", isa)
    model, feeds = runnable_proto(lowered_network(name)).SerializeToString(), samples_of(NETWORKS[name](), seed=3)
    found, wanted = (runtime.session(model, library=library).run(None, feeds) for library in (True, False))
    for mine, stock in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(mine, stock)
