import pytest
import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebooks import Adaptive, IntegerAdaptive, ScaledBinary, Shared, UniformGrid


def layers(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {"a": torch.randn(3, 4, 2, generator=generator), "b": 3 * torch.randn(5, 2, generator=generator)}


@pytest.mark.parametrize("codebook", [Adaptive(3), ScaledBinary(), IntegerAdaptive(5), UniformGrid(3)])
def test_the_layers_are_fitted_as_one_weight(codebook):
    weights = layers()
    fitted = Shared(codebook).fit_jointly(weights)
    whole = codebook.fit(torch.cat([weight.flatten() for weight in weights.values()])[None])
    assert list(fitted) == ["a", "b"]
    for name, weight in weights.items():
        assert fitted[name].indices.shape == weight.shape
        assert torch.equal(fitted[name].codebook, whole.codebook)
    decoded = torch.cat([each.decode().flatten() for each in fitted.values()])
    assert torch.equal(decoded, whole.decode()[0])


def test_a_later_fit_starts_from_the_earlier_one(brute):
    kmeans = Adaptive(4, method="kmeans")
    shared, weights, moved = Shared(kmeans), layers(), layers(1)
    before = shared.fit_jointly(weights)
    after = shared.fit_jointly(moved, before)
    whole = torch.cat([weight.flatten() for weight in moved.values()])
    assert torch.equal(after["a"].codebook, kmeans.fit(whole[None], before["a"]).codebook)


def test_one_layer_alone_is_as_without_sharing():
    weight = layers()["a"]
    assert torch.equal(Shared(Adaptive(3)).fit(weight).decode(), Adaptive(3).fit(weight).decode())


def test_a_codebook_per_channel_cannot_be_shared():
    for codebook in (Adaptive(3, "channel"), Adaptive(3, 2), IntegerAdaptive(3, "channel")):
        with pytest.raises(RecipeError, match='cannot be shared by layers; wanted "tensor"'):
            Shared(codebook)
