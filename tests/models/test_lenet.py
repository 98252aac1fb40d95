import pytest
import torch

from qcompile.models import NETWORK_NAMES, build_network

SIZES = {"lenet300": (266_200, 410), "lenet5": (430_500, 580), "digits": (18_664, 122)}


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_sizes_and_shapes(name):
    network = build_network(name)
    weights = sum(parameter.numel() for parameter in network.parameters() if parameter.dim() > 1)
    biases = sum(parameter.numel() for parameter in network.parameters() if parameter.dim() == 1)
    assert (weights, biases) == SIZES[name]
    assert network(torch.rand(3, *network.input_shape)).shape == (3, 10)


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_weights_start_xavier_uniform_and_biases_zero(name):
    torch.manual_seed(0)
    for parameter_name, parameter in build_network(name).named_parameters():
        if parameter.dim() == 1:
            assert not parameter.any(), parameter_name
            continue
        receptive = parameter[0, 0].numel()
        limit = (6 / (receptive * (parameter.shape[0] + parameter.shape[1]))) ** 0.5
        assert 0.9 * limit < parameter.abs().max() <= limit, parameter_name


def test_an_unknown_name_lists_the_names():
    with pytest.raises(ValueError, match="digits, lenet300, lenet5"):
        build_network("lenet")
