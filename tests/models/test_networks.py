import pytest
import torch

from qcompile.models import NETWORK_NAMES, build_network

# Weights (matrices and kernels) and other parameters; ResNets and VGG as in the papers' tables.
SIZES = {
    "lenet300": (266_200, 410),
    "lenet5": (430_500, 580),
    "digits": (18_664, 122),
    "resnet20": (268_336, 1_386),
    "resnet32": (461_872, 2_282),
    "resnet56": (848_944, 4_074),
    "vgg12": (14_022_016, 7_690),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_and_shapes(name):
    network = build_network(name)
    weights = sum(parameter.numel() for parameter in network.parameters() if parameter.dim() > 1)
    others = sum(parameter.numel() for parameter in network.parameters() if parameter.dim() == 1)
    assert (weights, others) == SIZES[name]
    assert network(torch.rand(3, *network.input_shape)).shape == (3, 10)


def test_every_network_is_tested_here_or_with_the_imagenet_ones():
    assert set(NETWORK_NAMES) - set(SIZES) == {"resnet18", "mobilenetv2", "efficientnet-lite0", "dscnn"}


def test_an_unknown_name_lists_the_names():
    with pytest.raises(ValueError, match="digits, lenet300, lenet5"):
        build_network("lenet")
