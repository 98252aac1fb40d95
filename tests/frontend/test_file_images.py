"""Images in files do what a tensor of the same images does."""

import pytest
import torch

pytest.importorskip("PIL", reason="pictures are read by Pillow")

from qcompile.errors import DataError, RecipeError
from qcompile.frontend.distributed import ALONE, Team
from qcompile.frontend.drawn_images import draw_images, inference_batch, load_images
from qcompile.frontend.file_images import FileBatch, FileBatches, FileImages, draw_file_batch
from qcompile.frontend.run.data import calibration_batches
from qcompile.frontend.training import Samples, draw_batches, evaluate
from qcompile.image_decoding import ImageView
from qcompile.image_files import ImageFiles
from tests.pictures import write_picture


@pytest.fixture
def files(tmp_path):
    for place in range(7):
        write_picture(tmp_path / f"{place}.jpg", 20 + place, 16, (30 * place, 200, 10))
    return FileImages(ImageFiles(tmp_path, [f"{place}.jpg" for place in range(7)], ImageView(8)))


@pytest.fixture
def samples(files):
    return Samples(files, torch.arange(7))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("index", [slice(None), slice(2, 5), slice(4), torch.tensor([6, 0, 3])])
def test_an_index_gives_what_a_tensor_of_the_images_would(files, index):
    whole = files[:]
    assert files.shape == whole.shape == (7, 3, 8, 8)
    assert (whole.dtype, whole.is_contiguous()) == (torch.float32, True)
    assert torch.equal(files[index], whole[index])
    assert torch.equal(files.part(index)[:], whole[index])


def test_the_layout_is_the_one_that_was_asked_for(tmp_path):
    write_picture(tmp_path / "a.jpg")
    last = FileImages(ImageFiles(tmp_path, ["a.jpg"] * 2, ImageView(8)), torch.channels_last)
    assert last[:].is_contiguous(memory_format=torch.channels_last)
    assert draw_file_batch(last, generator()).load().is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("augmentation", ["none", "resized-crop-flip"])
def test_an_epoch_draws_each_picture_once_in_an_order_of_the_generator(samples, augmentation):
    first, again, other = (
        [(load_images(batch), labels) for batch, labels in draw_batches(samples, 3, augmentation, generator(seed))]
        for seed in (1, 1, 2)
    )
    assert [len(labels) for _, labels in first] == [3, 3, 1]
    assert sorted(torch.cat([labels for _, labels in first]).tolist()) == list(range(7))
    assert all(torch.equal(found, wanted) for (found, _), (wanted, _) in zip(again, first, strict=True))
    assert not all(torch.equal(found, wanted) for (found, _), (wanted, _) in zip(other, first, strict=True))
    for images, labels in first:
        assert torch.equal(images, samples.images[labels]) == (augmentation == "none")


@pytest.mark.parametrize("count", [1, 2, 3, 7, 9])
def test_a_batch_is_split_as_a_tensor_is(files, count):
    batch = draw_file_batch(files, generator())
    wanted = batch.load().tensor_split(count)
    parts = batch.tensor_split(count)
    assert [len(part) for part in parts] == [len(part) for part in wanted]
    assert all(torch.equal(found.load(), part) for found, part in zip(parts, wanted, strict=True) if len(part))


def test_each_process_decodes_its_own_part_only(files, tmp_path):
    batch, labels = draw_file_batch(files, generator()), torch.arange(7)
    whole = batch.load()
    alone = list(ALONE.parts(batch, labels, 2))
    assert torch.equal(torch.cat([images for images, _, _ in alone]), whole)
    write_picture(tmp_path / "6.jpg", 9, 9)
    (tmp_path / "6.jpg").write_bytes(b"broken")

    class SecondHalfElsewhere(Team):
        def together(self, work):
            return work()

    ((images, _, share),) = SecondHalfElsewhere(0, 2).parts(batch, labels, 1)
    assert torch.equal(images, whole[:4])
    assert share == 4 / 7
    with pytest.raises(DataError, match=r"6\.jpg"):
        list(ALONE.parts(batch, labels, 1))


def test_evaluation_and_calibration_see_what_they_would_see_in_memory(samples):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 7))
    in_memory = Samples(samples.images[:], samples.labels)
    assert evaluate(network, samples) == evaluate(network, in_memory)
    found, wanted = (calibration_batches(each, 5, "none") for each in (samples, in_memory))
    assert torch.equal(torch.cat(list(found)), torch.cat(list(wanted)))
    assert torch.equal(torch.cat(list(found)), torch.cat(list(wanted))), "a second time too"


def test_calibration_images_are_augmented_as_in_training_and_always_alike(samples):
    first, again = (calibration_batches(samples, 5, "resized-crop-flip") for _ in range(2))
    assert isinstance(first, FileBatches)
    assert len(first) == 1
    assert torch.equal(torch.cat(list(first)), torch.cat(list(again)))
    assert not torch.equal(torch.cat(list(first)), samples.images[:5])


def test_a_part_of_samples_reads_no_file(samples, tmp_path):
    (tmp_path / "6.jpg").unlink()
    last = samples.part(slice(5, None))
    assert last.labels.tolist() == [5, 6]
    assert last.images.shape == (2, 3, 8, 8)
    assert isinstance(draw_images(samples.images, slice(None), "none", generator()), FileBatch)


def test_an_augmentation_of_the_other_kind_is_refused(files):
    with pytest.raises(RecipeError, match='"crop-flip", pictures in files take "none" or "resized-crop-flip"'):
        draw_images(files, slice(None), "crop-flip", generator())
    with pytest.raises(RecipeError, match='images in memory take "none" or "crop-flip"'):
        draw_images(torch.zeros(2, 3, 8, 8), slice(None), "resized-crop-flip", generator())


@pytest.mark.parametrize(
    ("shape", "most", "wanted"),
    [((50000, 3, 32, 32), 500, 500), ((9, 3, 224, 224), 100, 64), ((9, 3, 224, 224), 2, 2), ((1, 3, 4096, 4096), 9, 1)],
)
def test_large_images_go_through_a_network_in_smaller_batches(shape, most, wanted):
    assert inference_batch(torch.empty(shape, device="meta"), most) == wanted
