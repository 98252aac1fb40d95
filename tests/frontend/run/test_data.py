import pytest
import torch

from qcompile.frontend.run.data import calibration_batches
from qcompile.frontend.training import Samples


@pytest.mark.parametrize(
    ("images", "count", "sizes"),
    [(1200, 1200, [400, 400, 400]), (1200, 1001, [334, 334, 333]), (10, 5000, [10]), (700, 500, [500]), (3, 1, [1])],
)
def test_the_first_images_in_batches_of_as_good_as_one_size(images, count, sizes):
    samples = Samples(torch.arange(images).reshape(-1, 1, 1, 1), torch.zeros(images, dtype=torch.int64))
    batches = calibration_batches(samples, count, "none")
    assert [len(batch) for batch in batches] == sizes
    assert torch.equal(torch.cat(batches), samples.images[:count])


def test_they_are_augmented_as_in_training_and_always_alike():
    generator = torch.Generator().manual_seed(0)
    samples = Samples(torch.rand(40, 3, 8, 8, generator=generator) + 1, torch.zeros(40, dtype=torch.int64))
    first, again = (calibration_batches(samples, 30, "crop-flip") for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert first[0].shape == (30, 3, 8, 8)
    assert (first[0] == 0).any()  # what a crop moves in; the pixels themselves are 1 or more
