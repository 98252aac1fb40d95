import pytest
import torch
from torch import nn

from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.supernet import build_supernet
from qcompile.frontend.training import Samples

WIDTHS = Candidates((2, 4, 8), (2, 4, 8))


def samples(count=96):
    """Images [count, 1, 4, 4] and their labels, one of three: what a fixed matrix says of each image."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 1, 4, 4, generator=generator)
    return Samples(images, (images.flatten(1) @ torch.randn(16, 3, generator=generator)).argmax(dim=1))


def supernet(middle=WIDTHS, normalize=True):
    """Three layers, "0", "4" and "6", of which the first has 8 bits only."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8) if normalize else nn.Identity(),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(128, 16),
        nn.ReLU(),
        nn.Linear(16, 3),
    )
    candidates = {"0": Candidates((8,), (8,)), "4": middle, "6": WIDTHS}
    images = samples().images
    return build_supernet(network, candidates, images[:2], images[:32])


@pytest.fixture
def make_supernet():
    return supernet


@pytest.fixture
def make_samples():
    return samples
