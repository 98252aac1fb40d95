import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from qcompile.allocation.exchanging import ExchangeableNetwork
from qcompile.allocation.trying_bits import try_bits
from qcompile.errors import QCompileError
from qcompile.integer_compiling import find_weights
from qcompile.rounding import Plain, RoundToOutputs, SecondOrder
from qcompile.rounding.candidates import find_candidates
from qcompile.rounding.network import moments_of
from tests.networks import NETWORKS
from tests.quantizing import samples_of


def prepared(name):
    model = ir.from_proto(NETWORKS[name]().proto())
    find_weights(model)
    return model


def run(model, feeds):
    return onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString()).run(None, feeds)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_without_exchange_it_gives_what_the_model_gives(name):
    model, feeds = prepared(name), samples_of(NETWORKS[name]())
    before = ir.to_proto(model)
    network = ExchangeableNetwork(model)
    for wanted, found in zip(run(model, feeds), network.run(feeds), strict=True):
        # The sums of a layer may have another order where its weight may change: a few roundings of float32.
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    assert ir.to_proto(model) == before


@pytest.mark.parametrize("name", ["plain", "normalized", "reshaped", "residual_of_two_layers", "mean_over_axes"])
@pytest.mark.parametrize("bits", [1, 3])
def test_all_layers_exchanged_it_gives_what_rounding_them_all_at_once_gives(name, bits):
    model, samples = prepared(name), NETWORKS[name]().samples(40)
    method, proto = SecondOrder(runs=1), ir.to_proto(model)
    moments = moments_of(find_candidates(model), proto, proto, [samples])
    exchanged = {each.name: try_bits(each, found, bits, method).exchanged for each, found in moments}
    found = ExchangeableNetwork(model).run(samples, exchanged)
    RoundToOutputs(bits, [samples], method)(model)
    for wanted, each in zip(run(model, samples), found, strict=True):
        np.testing.assert_allclose(each, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("values", ["grid", "codebook"])
def test_more_bits_have_a_smaller_error(values):
    model, samples = prepared("plain"), NETWORKS["plain"]().samples(40)
    proto = ir.to_proto(model)
    for each, moments in moments_of(find_candidates(model), proto, proto, [samples]):
        for known, method in ((moments, SecondOrder(values=values)), (None, Plain())):
            errors = [try_bits(each, known, bits, method).error for bits in (2, 3, 4, 6)]
            assert errors == sorted(errors, reverse=True)


def test_a_batch_that_does_not_fit_is_an_error():
    network = ExchangeableNetwork(prepared("plain"))
    with pytest.raises(QCompileError, match="does not run on a batch of samples"):
        network.run({"x": np.zeros((1, 2), np.float32)})
