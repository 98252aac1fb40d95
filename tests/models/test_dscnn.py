import torch

from qcompile.models import build_network


def test_parameters_are_those_of_mlperf_tiny():
    network = build_network("dscnn")
    # As published: 24,908, of which each of nine batch normalizations' 64 means and 64 variances are not trained.
    trained = sum(parameter.numel() for parameter in network.parameters())
    assert trained + 2 * 9 * 64 == 24_908


def test_logits_of_a_batch():
    network = build_network("dscnn").eval()
    with torch.no_grad():
        assert network(torch.zeros(3, *network.input_shape)).shape == (3, 12)
        assert network.features(torch.zeros(1, *network.input_shape)).shape == (1, 64, 25, 5)
