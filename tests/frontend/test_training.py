import pytest
import torch
from torch import nn

from qcompile.errors import QCompileError, RecipeError
from qcompile.frontend.training import Optimization, Samples, evaluate, make_optimizer, train_epoch


def make_samples(count=70):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 1, 2, 2, generator=generator)
    return Samples(images, (images.sum(dim=(1, 2, 3)) > 0).long())


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 2))


def train(network, samples, epochs, seed=0, **options):
    settings = Optimization(learning_rate=0.1, batch_size=16, **options)
    optimizer = make_optimizer(network, settings, settings.learning_rate)
    generator = torch.Generator().manual_seed(seed)
    return [train_epoch(network, optimizer, samples, settings, generator) for _ in range(epochs)]


@pytest.mark.parametrize("bfloat16", [False, True])
def test_training_learns_the_task(bfloat16):
    network, samples = make_network(), make_samples()
    losses = train(network, samples, 30, bfloat16=bfloat16)
    loss, error_percent = evaluate(network, samples)
    assert losses[-1] < 0.2 * losses[0]
    assert loss < 0.2
    assert error_percent < 5


def test_an_epoch_takes_each_sample_once_whatever_the_batch_size():
    seen = []

    class Recording(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 2)

        def forward(self, images):
            seen.append(images)
            return self.linear(images.flatten(1))

    samples = make_samples(70)  # four batches of 16 and one of 6
    train(Recording(), samples, 1)
    assert [len(images) for images in seen] == [16, 16, 16, 16, 6]
    assert sorted(torch.cat(seen).flatten(1).tolist()) == sorted(samples.images.flatten(1).tolist())


@pytest.mark.parametrize("accumulate", [2, 3, 16, 1000])
def test_accumulated_gradients_are_those_of_the_whole_batch(accumulate):
    samples, networks = make_samples(70), (make_network(), make_network())
    for network, parts in zip(networks, (1, accumulate), strict=True):
        train(network, samples, 2, accumulate=parts)
    # The mean gradient is summed in another order: below 64 roundings of numbers below 1 in each of 10 steps.
    difference = (networks[0][1].weight - networks[1][1].weight).abs().max()
    assert difference <= 10 * 64 * 2**-24


@pytest.mark.parametrize(("share", "count"), [(0.5, 35), (0.001, 1), (1.0, 70)])
def test_a_share_of_an_epoch_takes_other_samples_each_time(share, count):
    seen = []
    network, samples = make_network(), make_samples(70)
    network.register_forward_pre_hook(lambda module, images: seen.append(images[0]))
    optimizer = make_optimizer(network, Optimization(batch_size=16), 0.1)
    generator = torch.Generator().manual_seed(0)
    rounds = []
    for _ in range(2):
        seen.clear()
        loss = train_epoch(network, optimizer, samples, Optimization(batch_size=16), generator, share=share)
        assert 0 < loss < 5
        rounds.append(torch.cat(seen))
        assert len(rounds[-1].unique(dim=0)) == count == len(rounds[-1])
    assert not torch.equal(*rounds)


def test_images_are_augmented_only_where_asked():
    samples, batches = make_samples(40), {}
    for augmentation in ("none", "crop-flip"):
        seen = []
        network = make_network()
        network.register_forward_pre_hook(lambda module, images, seen=seen: seen.append(images[0]))
        train(network, samples, 1, augmentation=augmentation)
        batches[augmentation] = torch.cat(seen)
    assert sorted(batches["none"].flatten(1).tolist()) == sorted(samples.images.flatten(1).tolist())
    assert (batches["crop-flip"] == 0).any()  # what a crop moves in
    assert batches["crop-flip"].shape == batches["none"].shape


def test_the_seed_decides_the_result():
    results = []
    for seed in (1, 1, 2):
        network = make_network()
        train(network, make_samples(), 3, seed)
        results.append(network[1].weight.detach())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_evaluation_is_the_mean_over_samples_without_dropout():
    samples = make_samples(2300)  # more than two batches
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(4, 2))
    network.train()
    loss, error_percent = evaluate(network, samples)
    with torch.no_grad():
        logits = network[2](samples.images.flatten(1))
    assert loss == pytest.approx(nn.functional.cross_entropy(logits, samples.labels).item(), rel=1e-5)
    wrong = (logits.argmax(dim=1) != samples.labels).float().mean()
    assert error_percent == pytest.approx(100 * wrong.item())


def test_decay_acts_on_weights_and_not_on_biases():
    network = make_network()
    optimizer = make_optimizer(network, Optimization(weight_decay=0.5), 0.1)
    bias = network[1].bias.detach().clone()
    weight = network[1].weight.detach().clone()
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.equal(network[1].bias, bias)
    assert (network[1].weight.abs() < weight.abs()).all()


def test_divergence_is_an_error():
    network = make_network()
    network[1].weight.data.fill_(float("nan"))
    with pytest.raises(QCompileError, match="the training loss is nan"):
        train(network, make_samples(), 1)


@pytest.mark.parametrize(
    "values", [{"learning_rate": 0.0}, {"learning_rate_decay": 1.1}, {"batch_size": 0}, {"weight_decay": -1e-9}]
)
def test_settings_out_of_range_are_refused(values):
    (name,) = values
    with pytest.raises(RecipeError, match=f"{name} is {values[name]}, wanted"):
        Optimization(**values)
