import pytest
from torch import nn

from qcompile.frontend import compress_directly
from qcompile.frontend.codebooks import Adaptive, PowersOfTwo, ScaledBinary, Shared, UniformGrid
from qcompile.frontend.plan import describe_layers


@pytest.mark.parametrize(
    ("codebook", "kind", "entries", "bits", "groups"),
    [
        (Adaptive(5, 2), "adaptive", 5, 3, 3),
        (ScaledBinary("channel"), "scaled-binary", 2, 1, 6),
        (PowersOfTwo(1), "powers-of-two", 5, 3, 1),
        (UniformGrid(4, "channel"), "uniform", 16, 4, 1),
        (Shared(Adaptive(2)), "shared adaptive", 2, 1, 1),
    ],
)
def test_a_layer_is_described_as_a_recipe_names_it(codebook, kind, entries, bits, groups):
    network = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2))
    weights = compress_directly(network, {"0": codebook, "1": "float"})
    compressed, left = describe_layers(network, {"0.weight": codebook}, weights, "direct")
    found = [compressed[key] for key in ("codebook", "entries", "bits", "groups")]
    assert found == [kind, entries, bits, groups]
    assert (left["method"], left["bits"]) == ("float", None)
