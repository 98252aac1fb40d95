import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from qcompile.bit_plan import LayerBits
from qcompile.errors import DataError
from qcompile.frontend.mixed.candidates import Candidates, select_candidates
from qcompile.frontend.mixed.supernet import build_supernet, recalibrate
from qcompile.models import NETWORK_NAMES, build_network

EIGHT = LayerBits(8, 8)


class Block(nn.Module):
    """A small residual network: two classes of images [batch, 3, 8, 8]."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.conv3, self.norm3 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 2)

    def forward(self, images):
        x = F.relu(self.norm1(self.conv1(images)))
        x = F.relu(self.norm3(self.conv3(F.relu(self.conv2(x)))) + x)
        return self.fc(x.mean(dim=(2, 3)))


def make_images(count, seed):
    """Images of noise, brighter on the left or on the right, and the side."""
    generator = torch.Generator().manual_seed(seed)
    sides = torch.randint(2, (count,), generator=generator)
    bright = torch.zeros(2, 1, 1, 8)
    bright[0, :, :, :4] = bright[1, :, :, 4:] = 0.6
    noise = torch.rand(count, 3, 8, 8, generator=generator)
    return noise + bright[sides] * torch.linspace(0, 1, 8).reshape(1, 1, 1, 8), sides


def make_supernet(network=None, **settings):
    torch.manual_seed(0)
    network = network or Block()
    images, _ = make_images(32, 0)
    return build_supernet(network, select_candidates(network, {}), images[:2], images, **settings)


def test_every_layer_is_found_in_the_order_of_the_network_with_what_gives_its_result():
    supernet = make_supernet()
    assert list(supernet.layers) == list(supernet.candidates) == list(supernet.outputs)
    assert list(supernet.layers) == ["conv1", "conv2", "conv3", "fc"]
    wanted = {"conv1": "norm1", "conv2": "conv2", "conv3": "norm3", "fc": "fc"}
    for name, output in wanted.items():
        assert supernet.outputs[name] is supernet.network.get_submodule(output)
        assert supernet.layers[name] is supernet.network.get_submodule(name)


def test_at_first_the_largest_bits_are_chosen_and_it_is_in_training_mode():
    supernet = make_supernet()
    assert supernet.chosen() == supernet.largest() == dict.fromkeys(supernet.layers, EIGHT)
    assert all(module.training for module in supernet.modules())


def test_plans_of_one_size():
    supernet = make_supernet()
    assert supernet.smallest() == {"conv1": EIGHT, "conv2": LayerBits(3, 3), "conv3": LayerBits(2, 2), "fc": EIGHT}
    assert supernet.uniform(2) == supernet.smallest()
    assert supernet.uniform(7)["conv3"] == LayerBits(6, 6)
    assert supernet.uniform(8) == supernet.largest()


def test_choosing_changes_what_is_computed_and_nothing_that_is_saved():
    supernet = make_supernet().eval()
    images, before = make_images(4, 1)[0], {name: v.clone() for name, v in supernet.state_dict().items()}
    large = supernet(images)
    supernet.choose(supernet.smallest())
    assert not torch.equal(supernet(images), large)
    supernet.choose(supernet.largest())
    assert torch.equal(supernet(images), large)
    assert all(torch.equal(value, before[name]) for name, value in supernet.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv9": EIGHT}, "plan: unknown layers conv9; missing layers none"),
        ({"conv2": None}, "plan: unknown layers none; missing layers conv2"),
        ({"conv2": LayerBits(2, 8)}, "plan: conv2: 2 weight bits, wanted 3 or 4 or 5 or 6 or 8"),
        ({"fc": LayerBits(8, 4)}, "plan: fc: 4 activation bits, wanted 8"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_and_changes_nothing(change, message):
    supernet = make_supernet()
    plan = {name: bits for name, bits in (supernet.smallest() | change).items() if bits is not None}
    with pytest.raises(DataError, match=message):
        supernet.choose(plan)
    assert supernet.chosen() == supernet.largest()


@pytest.mark.parametrize("steps_per", ["layer", "channel"])
def test_the_state_can_be_saved_and_read_back(steps_per):
    supernet = make_supernet(steps_per=steps_per)
    torch.manual_seed(7)
    network = Block()
    images = make_images(32, 5)[0] - 2
    other = build_supernet(network, select_candidates(network, {}), images, images, steps_per=steps_per)
    other.load_state_dict(supernet.state_dict())
    for plan in (supernet.largest(), supernet.smallest()):
        outputs = []
        for one in (supernet, other):
            one.eval().choose(plan)
            outputs.append(one(images))
        assert torch.equal(*outputs)


def test_parameters_keep_their_names_and_steps_are_all_the_others():
    network = Block()
    supernet = make_supernet(network)
    found = dict(supernet.named_parameters())
    weights = {f"network.{name}" for name, _ in network.named_parameters()}
    assert weights <= found.keys()
    assert {id(found[name]) for name in found.keys() - weights} == {id(step) for step in supernet.steps()}


def test_a_copy_is_a_supernet_of_its_own():
    supernet = make_supernet()
    twin = copy.deepcopy(supernet)
    twin.choose(twin.smallest())
    assert supernet.chosen() == supernet.largest()
    for name, layer in twin.layers.items():
        assert layer is twin.network.get_submodule(name)
        assert twin.outputs[name] in set(twin.network.modules())
    assert list(twin.streams) == list(supernet.streams)


def test_steps_start_from_the_images_and_batch_statistics_do_not_change():
    network = Block()
    supernet = make_supernet(network)
    assert torch.equal(supernet.network.norm1.running_mean, network.norm1.running_mean)
    # 0.6 on rand: up to 1.6, which 255 codes cover.
    assert 1.2 / 255 < supernet.layers["conv1"].activation_step(8) < 1.7 / 255
    assert all(step.item() != 1.0 for layer in supernet.layers.values() for step in layer.activation_steps.values())
    assert all(stream.positive_step().item() != 1.0 for stream in supernet.streams.values())


def test_all_candidates_of_the_largest_and_of_the_smallest_plan_learn():
    supernet, (images, sides) = make_supernet(), make_images(16, 2)
    for plan in (supernet.largest(), supernet.smallest()):
        supernet.choose(plan)
        F.cross_entropy(supernet(images), sides).backward()
    without = {name for name, parameter in supernet.named_parameters() if parameter.grad is None}
    middle = {f".{bits}" for bits in (3, 4, 5, 6)}
    assert {name for name in without if not any(name.endswith(ending) for ending in middle)} == {
        # Reads the stream's codes as they are: with 8 bits there is nothing to learn.
        "network.conv2.activation_steps.8"
    }


def train(network, images, sides, epochs=15):
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(epochs):
        for some, wanted in zip(images.split(64), sides.split(64), strict=True):
            optimizer.zero_grad()
            F.cross_entropy(network(some), wanted).backward()
            optimizer.step()
    return network.eval()


def test_a_trained_network_keeps_its_accuracy_at_eight_bits_without_training():
    torch.manual_seed(0)
    (images, sides), (test_images, test_sides) = make_images(512, 0), make_images(400, 1)
    network = train(Block(), images, sides)
    supernet = build_supernet(network, select_candidates(network, {}), images[:2], images[:128])
    recalibrate(supernet.eval(), images.split(128))
    with torch.no_grad():
        exact, found = network(test_images), supernet(test_images)
    correct = [(logits.argmax(1) == test_sides).float().mean().item() for logits in (exact, found)]
    assert correct[0] > 0.9
    assert correct[1] > correct[0] - 0.015
    assert (exact - found).norm() < 0.1 * exact.norm()  # 256 codes: some parts in a thousand for each of 4 layers


def test_statistics_are_those_of_the_chosen_plan():
    supernet, (images, _) = make_supernet(), make_images(64, 3)
    supernet.choose(supernet.smallest())
    recalibrate(supernet, [images])
    hidden = supernet.network.conv1(images)
    assert torch.allclose(supernet.network.norm1.running_mean, hidden.mean(dim=(0, 2, 3)), atol=1e-6)
    small = supernet.network.norm3.running_mean.clone()
    supernet.choose(supernet.largest())
    recalibrate(supernet, [images])
    assert not torch.equal(supernet.network.norm3.running_mean, small)


@pytest.mark.parametrize("name", [name for name in NETWORK_NAMES if name not in ("resnet32", "resnet56")])
def test_every_network_of_ours_can_be_traced_and_is_near_the_float_one_at_eight_bits(name):
    torch.manual_seed(0)
    network = build_network(name)
    shape = network.input_shape if max(network.input_shape) < 224 else (3, 32, 32)
    images = torch.rand(4, *shape)
    one = Candidates((8,), (8,))
    candidates = dict.fromkeys(select_candidates(network, {}), one)  # one width: the search of steps takes time
    with torch.no_grad():
        network.train()(images)  # statistics with which the logits depend on the images
        expected = network.eval()(images)
        found = build_supernet(network, candidates, images[:2], images).eval()(images)
    # Each of some 50 layers rounds to a part in 256 of its largest number; a misplaced quantizer gives another result.
    assert (found - expected).norm() < 0.25 * expected.norm()


def test_the_shortcuts_of_a_residual_network_are_streams():
    network = build_network("resnet20")
    images = torch.rand(2, 3, 8, 8)
    supernet = build_supernet(
        network, dict.fromkeys(select_candidates(network, {}), Candidates((8,), (8,))), images, images
    )
    assert len(supernet.streams) == 1 + 9  # the first layer's result, and a sum for each block
    reading = [name for name, layer in supernet.layers.items() if layer.reads_codes]
    assert reading == [f"layer{stage}.{block}.conv1" for stage in (1, 2, 3) for block in range(3)]


def test_the_shortcut_with_weights_is_rounded_and_the_larger_layer_adds_it():
    network = build_network("resnet18")
    images = torch.rand(2, 3, 32, 32)
    supernet = build_supernet(
        network, dict.fromkeys(select_candidates(network, {}), Candidates((8,), (8,))), images, images
    )
    shortcuts = [name for name in supernet.streams if "downsample" in name]
    assert shortcuts == [f"qcompile_streams.layer{stage}_0_downsample_1" for stage in (2, 3, 4)]
    assert len(supernet.streams) == 1 + 8 + 3
