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
    batches = calibration_batches(samples, count)
    assert [len(batch) for batch in batches] == sizes
    assert torch.equal(torch.cat(batches), samples.images[:count])
