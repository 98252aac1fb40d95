"""A one-shot run on pictures in files: trained, taken up again, searched, exported."""

import json
from functools import partial

import pytest
import torch

pytest.importorskip("PIL", reason="pictures are read by Pillow")

from safetensors.torch import load_file

from qcompile.errors import DataError, RecipeError
from qcompile.frontend.interruption import RunInterruptedError
from qcompile.frontend.one_shot_run import export_plan, open_run, search_plans
from qcompile.frontend.pretrained import read_parameters
from qcompile.frontend.recipe_file import load_recipe
from qcompile.frontend.run import learn
from qcompile.frontend.run.data import load_samples
from qcompile.frontend.training import Optimization
from qcompile.models import build_network
from qcompile.search import budget, random_search
from tests.pictures import write_folders

RECIPES = ("resnet18-one-shot", "mobilenetv2-one-shot", "efficientnet-lite0-one-shot")
# The recipe as it is shipped, but for its size: of 18 pictures 4 are held out and half of the others make an epoch.
TINY = [
    *("network='resnet20'", "threads=1", "held_out_images=4", "calibration_images=6", "reference.epochs=1"),
    *("learning.epochs=2", "learning.share=0.5", "learning.optimization.batch_size=4"),
    *("reference.optimization.batch_size=9", "reference.optimization.accumulate=2"),
    *("learning.optimization.accumulate=2", "learning.passes.random=1", "learning.optimization.bfloat16=false"),
    'layers."*"={weight=[4,8],activation=[8]}',
]


def tiny_recipe(*overrides):
    return load_recipe("resnet18-one-shot", [*TINY, *overrides])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    data = write_folders(root / "data" / "imagenet").parent
    return root / "run", data, learn(tiny_recipe(), data, root / "run")


def test_a_run_on_pictures_leaves_a_supernet(whole):
    folder, _, plan = whole
    assert list(plan["test_error_percent"]) == ["reference", "8 bits", "4 bits"]
    assert (folder / "supernet.safetensors").is_file()
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [record["stage"] for record in records] == ["reference", "supernet", "supernet"]


def test_a_run_that_was_stopped_ends_as_one_that_was_not(whole, tmp_path):
    """After the reference's only epoch, its end and the supernet's first epoch."""
    folder, data, wanted = whole
    asked = iter(range(100))
    with pytest.raises(RunInterruptedError, match="continue with --resume"):
        learn(tiny_recipe(), data, tmp_path / "run", stop=lambda: next(asked) + 1 == 3)
    assert learn(tiny_recipe(), data, tmp_path / "run", resume=True) == wanted
    found, before = (load_file(path / "supernet.safetensors") for path in (tmp_path / "run", folder))
    assert all(torch.equal(found[name], before[name]) for name in before)


def test_it_is_searched_and_exported(whole, tmp_path):
    run = open_run(whole[0], whole[1])
    found = search_plans(run, [budget("bits=6")], partial(random_search, evaluations=3), images=4)[0]
    assert found.costs.average_bits <= 6
    described = export_plan(run, found.plan, tmp_path / "exported.onnx")
    assert 0 <= described["test_error_percent"]["learned"] <= 100
    assert (tmp_path / "exported.onnx").is_file()


def test_other_pictures_are_other_data(whole, tmp_path):
    _, data, _ = whole
    fewer = write_folders(tmp_path / "data", train=5)
    assert load_samples(tiny_recipe(), fewer).fingerprint != load_samples(tiny_recipe(), data).fingerprint


def test_a_picture_that_breaks_while_it_is_trained_on_is_named(tmp_path):
    data = write_folders(tmp_path / "data")
    for path in (data / "train" / "n1").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"train/n1/\d\.JPEG: no picture that can be read"):
        learn(tiny_recipe(), data, tmp_path / "run")


def test_a_label_that_the_network_does_not_know_is_refused(tmp_path):
    data = write_folders(tmp_path / "data", classes=11, train=1, val=1)
    with pytest.raises(DataError, match="imagenet has 11 classes, network resnet20 knows 10"):
        learn(tiny_recipe(), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["learning.optimization.augmentation='crop-flip'"], 'pictures in files take "none" or "resized-crop-flip"'),
        (["data='cifar10'"], 'images in memory take "none" or "crop-flip"'),
        (["learning.share=0"], "share is 0"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(overrides, message):
    with pytest.raises(RecipeError, match=message):
        tiny_recipe(*overrides)


@pytest.mark.parametrize("name", RECIPES)
def test_the_public_weights_of_a_recipe_are_loaded_by_name(name, tmp_path):
    """As old files have them: "module." before each name, and no counts of batches."""
    network_name = load_recipe(name).network
    network, loaded = build_network(network_name), build_network(network_name)
    saved = {f"module.{key}": value for key, value in network.state_dict().items() if "num_batches" not in key}
    torch.save({"state_dict": saved}, tmp_path / "public.pth")
    loaded.load_state_dict(read_parameters(tmp_path / "public.pth"))
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_sees_pictures_as_its_network_wants_them(name, tmp_path):
    recipe = load_recipe(name)
    samples = load_samples(recipe, write_folders(tmp_path, classes=2, train=1, val=1)).test
    assert samples.images[:1].shape == (1, *build_network(recipe.network).input_shape)
    assert recipe.learning.optimization.augmentation == "resized-crop-flip"
    assert isinstance(recipe.reference.optimization, Optimization)
