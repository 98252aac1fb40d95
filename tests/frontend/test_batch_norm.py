import pytest
import torch
from torch import nn

from qcompile.frontend import Adaptive, Schedule, compress_directly, decoded, learn_compressed
from qcompile.frontend.batch_norm import has_batch_statistics, recompute_batch_statistics


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 2))


def expected_statistics(network, batches):
    hidden = [network[0](batch) for batch in batches]
    return torch.stack([h.mean(0) for h in hidden]).mean(0), torch.stack([h.var(0) for h in hidden]).mean(0)


def test_statistics_are_the_averages_over_the_batches():
    network, batches = make_network(), list(torch.randn(5, 32, 4))
    network.train()
    network[2].eval()
    recompute_batch_statistics(network, batches)
    mean, variance = expected_statistics(network, batches)
    assert torch.allclose(network[1].running_mean, mean, atol=1e-6)
    assert torch.allclose(network[1].running_var, variance, atol=1e-6)
    assert [module.training for module in network] == [True, True, False, True]
    assert network[1].momentum == 0.1


@pytest.mark.parametrize("method", ["direct", "lc"])
def test_they_are_recomputed_for_the_compressed_weights(method):
    network, batches = make_network(), list(torch.randn(5, 32, 4))
    if method == "direct":
        compress_directly(network, {"*": Adaptive(2)}, calibration=batches)
    else:
        learn_compressed(
            network, {"*": Adaptive(2)}, one_step(network, batches), Schedule(0.1, 2, 2), calibration=batches
        )
    assert len(network[0].weight.unique()) == 2
    mean, variance = expected_statistics(network, batches)
    assert torch.allclose(network[1].running_mean, mean, atol=1e-6)
    assert torch.allclose(network[1].running_var, variance, atol=1e-6)


def one_step(network, batches):
    def train(step):
        optimizer = torch.optim.SGD(network.parameters(), lr=step.clip(0.01))
        network(batches[0]).square().mean().backward()
        optimizer.step()

    return train


def test_no_batches_are_an_error():
    with pytest.raises(ValueError, match="at least one batch"):
        recompute_batch_statistics(make_network(), [])


def test_while_decoded_the_statistics_are_those_of_the_decoded_weights_and_then_the_own_again():
    network, batches = make_network(), list(torch.randn(5, 32, 4))
    network.train()
    network(batches[0])
    own = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    weights = {"0.weight": Adaptive(2).fit(network[0].weight)}
    with decoded(network, weights, calibration=batches):
        mean, variance = expected_statistics(network, batches)
        assert torch.allclose(network[1].running_mean, mean, atol=1e-6)
        assert torch.allclose(network[1].running_var, variance, atol=1e-6)
    assert network[1].training
    assert all(torch.equal(tensor, own[name]) for name, tensor in network.state_dict().items())


def test_which_networks_have_statistics():
    assert has_batch_statistics(make_network())
    assert not has_batch_statistics(nn.Linear(2, 2))
    assert not has_batch_statistics(nn.BatchNorm1d(2, track_running_stats=False))
