"""A one-shot run from its recipe to a packed file: trained, taken up again, searched, compiled."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

pytest.importorskip("sklearn", reason="the runs train on digits, which come with scikit-learn")
torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from qcompile import datasets  # noqa: E402
from qcompile.bit_plan import LayerBits  # noqa: E402
from qcompile.compiler import compile_file  # noqa: E402
from qcompile.errors import DataError, QCompileError, RecipeError  # noqa: E402
from qcompile.frontend.interruption import RunInterruptedError  # noqa: E402
from qcompile.frontend.mixed.layer_costs import layer_costs  # noqa: E402
from qcompile.frontend.mixed.plan_score import PlanScore  # noqa: E402
from qcompile.frontend.one_shot_run import export_plan, open_run, search_plans  # noqa: E402
from qcompile.frontend.recipe_file import load_recipe  # noqa: E402
from qcompile.frontend.run import learn  # noqa: E402
from qcompile.frontend.training import Samples  # noqa: E402
from qcompile.packed_model import packed_layers  # noqa: E402
from qcompile.search import BudgetError, SearchSpace, budget, search_from_starts  # noqa: E402

SHORT = ["reference.epochs=3", "learning.epochs=2", "learning.scheduler='flip-rate'", "learning.freezing.period=0.1"]
NAMES = ["conv1", "conv2", "fc1", "fc2"]


def short_recipe(*overrides):
    return load_recipe("digits-one-shot", [*SHORT, *overrides])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, learn(short_recipe(), Path(), folder)


def test_a_run_leaves_a_supernet_and_says_how_good_it_is_at_each_width(whole):
    folder, plan = whole
    assert plan == json.loads((folder / "plan.json").read_text())
    assert list(plan["test_error_percent"]) == ["reference", *(f"{bits} bits" for bits in (8, 6, 5, 4, 3, 2))]
    assert plan["test_error_percent"]["8 bits"] < 15
    assert plan["candidates"]["conv2"] == {"weight": [2, 3, 4, 5, 6, 8], "activation": [2, 3, 4, 5, 6, 8]}
    assert plan["candidates"]["conv1"] == plan["candidates"]["fc2"] == {"weight": [8], "activation": [8]}
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records if record["stage"] == "supernet"] == [0, 1]
    onnx.checker.check_model(folder / "reference.onnx")


@pytest.mark.parametrize("saves", [1, 3, 4, 5])  # in the reference, at its end, after an epoch, at the end
def test_a_run_that_was_stopped_ends_as_one_that_was_not(whole, tmp_path, saves):
    asked = iter(range(100))
    with pytest.raises(RunInterruptedError, match="continue with --resume"):
        learn(short_recipe(), Path(), tmp_path / "run", stop=lambda: next(asked) + 1 == saves)
    plan = learn(short_recipe(), Path(), tmp_path / "run", resume=True)
    folder, wanted = whole
    assert plan == wanted
    found, before = (load_file(path / "supernet.safetensors") for path in (tmp_path / "run", folder))
    assert found.keys() == before.keys()
    assert all(torch.equal(found[name], before[name]) for name in before)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("held_out_images=5000", "held_out_images is 5000 of"),
        ("learning.passes.random=-1", "learning: passes: random is -1, wanted 0 to 100"),
        ("learning.scheduler='frozen'", "learning: scheduler is 'frozen', wanted one of 'none'"),
        ("learning.freezing.period=0", "freezing: period is 0"),
        ('layers."conv9"={weight=[2],activation=[8]}', 'layers: "conv9" matches no layer'),
        ('layers."fc1"={weight=[4,2],activation=[8]}', r"layers.fc1: weight candidates are \[4, 2\], wanted"),
        ("network='resnet9'", 'network is "resnet9", wanted one of'),
    ],
)
def test_a_mistake_in_the_recipe_leaves_no_folder(tmp_path, override, message):
    with pytest.raises(RecipeError, match=message):
        learn(short_recipe(override), Path(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_search_finds_plans_that_meet_their_budgets(whole):
    run, counts = open_run(whole[0], Path()), []
    wanted = [budget("bits=3"), budget("bitops=2M,bits=4")]
    found = search_plans(run, wanted, search_from_starts, images=100, on_evaluation=counts.append)
    for limits, result in zip(wanted, found, strict=True):
        assert limits.is_met(result.costs)
        assert list(result.plan) == NAMES
        assert np.isfinite(result.loss)
    assert counts == list(range(1, len(counts) + 1))
    assert sum(result.evaluations for result in found) <= len(counts)
    with pytest.raises(BudgetError, match="bytes"):
        search_plans(run, [budget("bytes=10")], search_from_starts, images=100)


def test_a_searched_plan_is_no_worse_than_a_uniform_one_of_its_cost(whole):
    """On the images that it was searched by: there the search knows both."""
    run = open_run(whole[0], Path())
    uniform = run.supernet.uniform(3)
    costs = SearchSpace(layer_costs(run.supernet, (1, 8, 8))).costs(uniform)
    limits = budget(f"bitops={costs.bit_operations},bytes={costs.packed_bytes}")
    found = search_plans(run, [limits], search_from_starts, images=200)[0]
    score = PlanScore(run.supernet, Samples(run.held_out.images[:200], run.held_out.labels[:200]))
    assert score(found.plan) == found.loss
    assert found.loss <= score(uniform)


def test_a_plan_becomes_a_file_of_its_bits_that_predicts_as_torch_does(whole, tmp_path):
    run = open_run(whole[0], Path())
    plan = dict(zip(NAMES, (LayerBits(8, 8), LayerBits(3, 5), LayerBits(2, 4), LayerBits(8, 8)), strict=True))
    described = export_plan(run, plan, tmp_path / "exported.onnx")
    compile_file(tmp_path / "exported.onnx", tmp_path / "packed.onnx")
    layers = {layer.name: layer for layer in packed_layers(onnx.load(tmp_path / "packed.onnx"))}
    # fc2 has 8 bits to choose from; its codes may need fewer.
    assert [layers[name].bits for name in NAMES[:3]] == [8, 3, 2]
    assert [(each["name"], each["bits"], each["activation_bits"]) for each in described["layers"]] == [
        (name, bits.weight, bits.activation) for name, bits in plan.items()
    ]
    images = datasets.load("digits", Path()).test_images
    with torch.no_grad():
        wanted = run.supernet.eval()(torch.from_numpy(images)).numpy()
    for file in ("exported.onnx", "packed.onnx"):
        session = onnxruntime.InferenceSession(tmp_path / file, providers=["CPUExecutionProvider"])
        found = session.run(None, {"input": images})[0]
        # Sums are of other orders of floats: a code next to the middle between two may be the other one.
        assert (found.argmax(axis=1) != wanted.argmax(axis=1)).sum() <= 1
    right = (wanted.argmax(axis=1) == datasets.load("digits", Path()).test_labels).mean()
    assert described["test_error_percent"]["learned"] == pytest.approx(100 * (1 - right), abs=1e-9)


def test_what_is_no_finished_one_shot_run_is_refused(whole, tmp_path):
    with pytest.raises(QCompileError, match=r"holds no run \(recipe.toml is missing\)"):
        open_run(tmp_path, Path())
    shutil.copytree(whole[0], tmp_path / "run")
    (tmp_path / "run" / "supernet.safetensors").unlink()
    with pytest.raises(QCompileError, match=r"is not finished \(supernet.safetensors is missing\)"):
        open_run(tmp_path / "run", Path())
    shutil.copy(whole[0] / "reference.safetensors", tmp_path / "run" / "supernet.safetensors")
    with pytest.raises(DataError, match="does not fit network digits"):
        open_run(tmp_path / "run", Path())
    (tmp_path / "run" / "recipe.toml").write_bytes(
        (Path(__file__).parents[3] / "models/recipes/digits-lc-k2.toml").read_bytes()
    )
    with pytest.raises(QCompileError, match="not learned with a one-shot recipe"):
        open_run(tmp_path / "run", Path())


def test_a_plan_of_other_layers_or_bits_is_refused(whole, tmp_path):
    run = open_run(whole[0], Path())
    with pytest.raises(DataError, match="missing layers conv2, fc1, fc2"):
        export_plan(run, {"conv1": LayerBits(8, 8)}, tmp_path / "net.onnx")
    with pytest.raises(DataError, match="conv1: 4 weight bits, wanted 8"):
        export_plan(run, dict.fromkeys(NAMES, LayerBits(4, 4)), tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()
