import tomllib

import pytest

from qcompile.errors import RecipeError
from qcompile.frontend.codebooks import Adaptive, ScaledTernary
from qcompile.frontend.corrections import Corrected
from qcompile.frontend.layer_rule import LayerRule
from qcompile.frontend.mixed.candidates import select_candidates
from qcompile.frontend.one_shot_recipe import OneShotRecipe
from qcompile.frontend.recipe_file import load_recipe, read_recipe, shipped_recipes
from qcompile.frontend.selection import select_codebooks
from qcompile.frontend.tables import write_table
from qcompile.models import build_network

SHIPPED = shipped_recipes()


def test_the_recipes_that_are_promised_are_shipped():
    promised = {"lenet300-lc-k2", "lenet300-dc-k2", "lenet300-lc-ternary", "lenet300-lc-k4", "lenet300-qp-k2"}
    assert promised | {"lenet5-lc-k2", "digits-lc-k2", "digits-lc-mixed"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_fits_its_network_and_survives_being_written(name):
    recipe = load_recipe(name)
    network = build_network(recipe.network)
    if isinstance(recipe, OneShotRecipe):
        assert select_candidates(network, recipe.layers)
    else:
        assert select_codebooks(network, {pattern: rule.make() for pattern, rule in recipe.layers.items()})
    assert read_recipe(tomllib.loads(write_table(recipe)), "written") == recipe


def test_a_path_is_read_and_patterns_keep_their_order(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'network = "lenet300"\ndata = "mnist"\n[layers]\nfc3 = { codebook = "float" }\n'
        'fc1 = { codebook = "scaled-ternary", per = "channel" }\n"*" = { codebook = "adaptive", entries = 4 }\n'
    )
    layers = load_recipe(str(path)).layers
    assert [rule.make() for rule in layers.values()] == ["float", ScaledTernary("channel"), Adaptive(4)]
    assert list(layers) == ["fc3", "fc1", "*"]


def test_a_rule_may_ask_for_corrections():
    layers = load_recipe("lenet300-lc-k2", ['layers."*".corrections=0.01']).layers
    assert layers["*"].make() == Corrected(Adaptive(2), 0.01)
    with pytest.raises(RecipeError, match=r"share of 2\.0 of the weights, wanted 0 to 1"):
        LayerRule("scaled-binary", corrections=2.0)
    with pytest.raises(RecipeError, match=r"corrections is 0\.1; a float layer has nothing to correct"):
        LayerRule("float", corrections=0.1)


def test_overrides_reach_any_depth_and_keep_the_rest():
    overrides = ["seed=7", "schedule.growth=1.5", 'layers."*".entries=4', "learning.optimization.batch_size=64"]
    plain, changed = load_recipe("lenet5-lc-k2"), load_recipe("lenet5-lc-k2", overrides)
    assert (changed.seed, changed.schedule.growth, changed.layers["*"].entries) == (7, 1.5, 4)
    assert changed.learning.optimization.batch_size == 64
    assert changed.schedule.first_penalty == plain.schedule.first_penalty
    assert changed.learning.optimization.learning_rate == plain.learning.optimization.learning_rate


def test_an_override_replaces_a_whole_table():
    layers = load_recipe("digits-lc-mixed", ['layers={fc1={codebook="scaled-binary"}}']).layers
    assert layers == {"fc1": LayerRule("scaled-binary")}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "--set seed: wanted key=value"),
        ("method=direct", "--set method=direct: not TOML .* a text takes quotes"),
        ("sed=1", 'lenet300-lc-k2 with --set: unknown key "sed"; did you mean "seed"'),
        ("schedule.growht=1.1", 'schedule: unknown key "growht"; did you mean "growth"'),
        ("schedule.growth=0.5", "schedule: growth is 0.5, wanted 1 to 100"),
        ('network="lenet"', 'network is "lenet", wanted one of digits, lenet300, lenet5'),
        ("threads=0", "threads is 0, wanted 1 to 1024"),
        ("reference.optimization.momentum=1.0", "optimization: momentum is 1.0, wanted 1e-09 to 0.999999"),
        ('layers."*".entries=0', "an adaptive codebook has 0 entries, wanted 1 to 256"),
        ("network.name=1", '"network" is .lenet300. in the recipe, no table'),
        ("seed=1\nthreads=4", "wanted key=value"),
    ],
)
def test_a_wrong_override_is_refused(override, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("lenet300-lc-k2", [override])


def test_an_unknown_name_gives_near_ones():
    with pytest.raises(RecipeError, match=r'"lenet300-k2"; near names: lenet300-.*k2'):
        load_recipe("lenet300-k2")


def test_a_file_that_is_missing_or_no_toml_is_refused(tmp_path):
    with pytest.raises(RecipeError, match=r"absent\.toml: cannot be read"):
        load_recipe(str(tmp_path / "absent.toml"))
    (tmp_path / "broken.toml").write_text("a = = 1")
    with pytest.raises(RecipeError, match=r"broken\.toml: not TOML"):
        load_recipe(str(tmp_path / "broken.toml"))


def test_entries_belong_to_adaptive_codebooks():
    with pytest.raises(RecipeError, match='only "adaptive" or "integer-adaptive" takes it, not "scaled-binary"'):
        LayerRule("scaled-binary", entries=2)


def test_a_recipe_needs_layers():
    with pytest.raises(RecipeError, match="layers is empty"):
        read_recipe({"network": "digits", "data": "digits", "layers": {}}, "own")
