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


def test_efficientnet_takes_weights_under_their_other_names():
    network, other = build_network("efficientnet-lite0"), build_network("efficientnet-lite0")
    renamed = {
        "conv_stem.weight": "_conv_stem.weight",
        "bn1.running_mean": "_bn0.running_mean",
        "blocks.0.0.bn2.bias": "_blocks.0._bn2.bias",
        "blocks.0.0.conv_pw.weight": "_blocks.0._project_conv.weight",
        "blocks.2.1.conv_pw.weight": "_blocks.4._expand_conv.weight",
        "blocks.6.0.bn3.weight": "_blocks.15._bn2.weight",
        "bn2.bias": "_bn1.bias",
        "classifier.bias": "_fc.bias",
    }
    parameters = other.state_dict()
    network.load_state_dict({renamed.get(name, name): tensor for name, tensor in parameters.items()})
    assert all(torch.equal(tensor, parameters[name]) for name, tensor in network.state_dict().items())


def test_efficientnet_pads_as_tensorflow_does():
    pads = [module.padding for module in build_network("efficientnet-lite0").modules() if hasattr(module, "padding")]
    assert {(0, 1, 0, 1), (1, 2, 1, 2)} <= set(pads)  # 3x3 and 5x5 taps at a stride of 2, images of even sizes
