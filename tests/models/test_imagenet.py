import pytest
import torch

from qcompile.models import build_network

# Parameters of the public networks, and names among them.
PUBLIC = {
    "resnet18": (11_689_512, {"layer2.0.downsample.0.weight", "layer4.1.bn2.running_mean", "fc.bias"}),
    "mobilenetv2": (3_504_872, {"features.1.conv.0.0.weight", "features.18.1.bias", "classifier.1.weight"}),
    "efficientnet-lite0": (4_652_008, {"blocks.0.0.conv_dw.weight", "blocks.5.3.bn3.weight", "conv_head.weight"}),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_parameters_are_those_of_the_public_weights(name):
    count, names = PUBLIC[name]
    network = build_network(name)
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    assert names <= network.state_dict().keys()


@pytest.mark.parametrize("name", PUBLIC)
def test_logits_of_a_batch(name):
    network = build_network(name).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, *network.input_shape)).shape == (1, 1000)
