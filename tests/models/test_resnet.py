import torch

from qcompile.models import build_network
from qcompile.models.resnet import ResidualBlock


def test_the_names_are_those_of_the_public_weights():
    names = build_network("resnet20").state_dict().keys()
    assert {"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer3.2.bn2.bias", "linear.bias"} <= names
    assert not any("normalize" in name for name in names)


def test_a_shortcut_takes_every_second_pixel_and_adds_zeros_on_both_sides():
    block = ResidualBlock(4, 8).eval()
    torch.nn.init.zeros_(block.conv2.weight)  # the inner path then gives the bias of a fresh normalization: zero
    features = torch.rand(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    result = block(features)
    assert torch.equal(result[:, 2:6], features[:, :, ::2, ::2])
    assert not result[:, :2].any()
    assert not result[:, 6:].any()


def test_pixels_are_normalized_inside():
    network = build_network("resnet20")
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    wanted = (images - mean[:, None, None]) / deviation[:, None, None]
    assert torch.equal(network.normalize(images), wanted)
