"""Every table of mixed precision on digits, as small as it goes: the whole way, and no figure."""

import json

import pytest

pytest.importorskip("sklearn", reason="the runs train on digits, which come with scikit-learn")
torch = pytest.importorskip("torch")

import mpq  # noqa: E402
from mpq_files import EXACT, KERNELS, PACKED  # noqa: E402
from mpq_plans import chosen_plan  # noqa: E402
from mpq_retraining import alone, settings_alone  # noqa: E402
from mpq_run import main_run, open_supernet, outputs  # noqa: E402

from qcompile.bit_plan import read_plan  # noqa: E402
from qcompile.errors import QCompileError, RecipeError  # noqa: E402
from qcompile.frontend.run.one_shot import use_plan  # noqa: E402

FEW = "{weight=[2,3,4,8],activation=[8]}"
SHORT = ["reference.epochs=2", "learning.epochs=1", "learning.passes.random=1", f"layers={{conv2={FEW},fc1={FEW}}}"]
SMALL = [
    "--images",
    "60",
    "--evaluations",
    "8",
    "--plans",
    "4",
    "--rounds",
    "2",
    "--random-plans",
    "2",
    "--probes",
    "2",
]
TABLES = list(mpq.TABLES)


def arguments_for(table, folder, *more):
    overrides = [word for each in SHORT for word in ("--set", each)]
    words = [table, "--recipe", "digits-one-shot", "--data-dir", ".", "--runs", str(folder / "runs")]
    words += ["--output", str(folder / "results"), "--epochs", "1", "--seconds", "0.005", "--seeds", "1"]
    return mpq.parse([*words, "--arms", "published", *SMALL, *overrides, *more])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All tables, each made once."""
    folder = tmp_path_factory.mktemp("mpq")
    (folder / "results").mkdir()
    for table in TABLES:
        mpq.make_table(arguments_for(table, folder))
    return folder


def results(made, table):
    return json.loads((made / "results" / f"mpq-{table}.json").read_text())["results"]


def test_the_page_has_every_table_with_its_command_and_no_path(made):
    page = (made / "results" / "mpq.md").read_text()
    for table in TABLES:
        assert f"`python bench/mpq.py {table} --data-dir DATA --runs RUNS --recipe digits-one-shot" in page
        assert json.loads((made / "results" / f"mpq-{table}.json").read_text())["versions"]["torch"]
    assert page.count("\n## ") == len(TABLES)
    assert str(made) not in page
    assert "None" not in page
    assert "nan" not in page.split()


def test_each_table_line_has_as_many_cells_as_its_head(made):
    lines = (made / "results" / "mpq.md").read_text().split("\n")
    heads = [place for place, line in enumerate(lines) if line.startswith("|---")]
    for place in heads:
        for line in lines[place - 1 :]:
            if not line.startswith("|"):
                break
            assert line.count("|") == lines[place].count("|")


def test_a_searched_plan_keeps_its_budget_and_its_file_predicts_as_torch_does(made):
    found = results(made, "plans")
    assert [(row["kind"], row["level"]) for row in found["rows"]] == [
        (kind, level) for kind in ("bitops", "bytes") for level in (2.5, 3.0, 3.5, 4.0)
    ]
    cost = {"bitops": "bit_operations", "bytes": "packed_bytes"}
    for row in found["rows"]:
        for each in (*row["found"].values(), row["uniform"]):
            assert each["costs"][cost[row["kind"]]] <= row["limit"]
        assert row["found"]["random"]["evaluations"] <= row["found"]["greedy"]["evaluations"] <= 9  # one more start
        assert row["file"]["torch_accuracy"] == pytest.approx(row["found"]["greedy"]["test_accuracy"], abs=1e-9)
        # A code next to the middle between two may be the other one: of 360 images one or two at most.
        assert all(row["file"]["ways"][way]["other_predictions"] <= 2 for way in (EXACT, PACKED, KERNELS))


def test_the_plan_of_a_target_is_also_a_file_for_people(made):
    arguments = arguments_for("plans", made)
    opened = open_supernet(main_run(arguments), arguments.data_dir)
    plan = chosen_plan(opened, "bitops-3")
    assert read_plan((opened.folder / "plans" / "bitops-3.json").read_text(), "plan") == plan
    with pytest.raises(QCompileError, match=r"bits-9-greedy.json: is not there; run `python bench/mpq.py plans`"):
        chosen_plan(opened, "bits-9")


def test_what_is_trained_alone_is_what_the_supernet_computes(made):
    arguments = arguments_for("retraining", made)
    opened = open_supernet(main_run(arguments), arguments.data_dir)
    plan, images = chosen_plan(opened, "bitops-3"), opened.run.test.images[:50]
    single = alone(opened, plan)
    for supernet in (single, opened.run.supernet):
        use_plan(supernet, plan, opened.run.trained_on, opened.run.recipe)
    assert single.largest() == single.smallest() == plan
    assert torch.equal(outputs(single, images), outputs(opened.run.supernet, images))  # the same operations
    settings, before = settings_alone(opened), opened.run.recipe.learning.settings()
    assert settings.passes.random == 0
    assert settings.optimization.learning_rate == 0.1 * before.optimization.learning_rate


def test_arms_and_dedicated_trainings_have_as_many_passes_and_share_the_float_network(made):
    rows = [*results(made, "ablation")["rows"], *results(made, "interference")["rows"]]
    assert {row["recipe"]["passes"] for row in rows} == {2}
    assert [row["arm"] for row in results(made, "ablation")["rows"]] == ["none", "published"]
    runs = made / "runs" / "digits-one-shot-ablation"
    networks = {path.read_bytes() for path in runs.glob("*/reference.safetensors")}
    assert len(networks) == 1
    dedicated = results(made, "interference")["rows"][-1]
    assert dedicated["training"] == "dedicated-2"
    assert list(dedicated["uniform"]) == ["8", "2"]  # the ends and activations, and the weights


def test_probes_are_at_even_distances_and_know_each_width(made):
    probes = results(made, "interference")["probes"]
    assert [each["progress"] for each in probes] == [0.5, 1.0]
    assert list(probes[0]["flips"]["conv2"]) == ["2", "3", "4", "8"]
    assert all(0 <= share <= 1 for each in probes for rates in each["flips"].values() for share in rates.values())
    assert all(-1 <= each["agreement"]["2"]["fc1"][0] <= 1 for each in probes)


@pytest.mark.parametrize("table", ["supernet", "plans", "retraining", "ablation", "interference"])
def test_a_table_that_is_made_again_trains_and_searches_nothing(made, table, monkeypatch):
    before = (made / "results" / f"mpq-{table}.json").read_bytes()
    for name in ("mpq_run.learn", "mpq_plans.search_once", "mpq_retraining.retrain", "mpq_probes._train_and_probe"):
        monkeypatch.setattr(name, None)
    mpq.make_table(arguments_for(table, made))
    assert (made / "results" / f"mpq-{table}.json").read_bytes() == before


def test_a_run_of_another_recipe_is_refused(made):
    arguments = arguments_for("supernet", made, "--set", "learning.average_horizon=0.5")
    with pytest.raises(RecipeError, match="was begun with another recipe"):
        mpq.make_table(arguments)
    with pytest.raises(RecipeError, match='the method is "lc", wanted "one-shot"'):
        mpq.make_table(mpq.parse(["supernet", "--recipe", "digits-lc-k2", "--data-dir", "."]))
