import torch

from qcompile.frontend.augmentation import crop_and_flip


def make_image(height=6, width=5):
    """Every pixel of every channel is another number above zero."""
    return torch.arange(1.0, 1 + 2 * height * width).reshape(1, 2, height, width)


def all_variants(image):
    """What a crop of the image with a border of four zeros, mirrored or not, can be."""
    _, _, height, width = image.shape
    padded = torch.nn.functional.pad(image, (4, 4, 4, 4))
    crops = [padded[0, :, y : y + height, x : x + width] for y in range(9) for x in range(9)]
    return crops + [crop.flip(2) for crop in crops]


def test_every_result_is_a_moved_and_perhaps_mirrored_image_and_all_occur():
    image = make_image()
    variants = {variant.numpy().tobytes() for variant in all_variants(image)}
    results = crop_and_flip(image.expand(3000, -1, -1, -1), torch.Generator().manual_seed(0))
    found = {result.contiguous().numpy().tobytes() for result in results}
    assert results.shape == (3000, 2, 6, 5)
    # 162 variants, 3000 draws: one is missed with a probability below 162 * (161 / 162) ** 3000 < 2e-6.
    assert found == variants


def test_the_generator_decides_and_the_images_stay():
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    first, again, other = (crop_and_flip(images, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(images, before)
    assert first.is_contiguous(memory_format=torch.channels_last)
