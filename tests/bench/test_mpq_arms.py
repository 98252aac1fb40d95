import pytest

pytest.importorskip("torch")

from mpq_arms import FIRST, arms, epochs_for

from qcompile.errors import QCompileError
from qcompile.frontend.recipe_file import load_recipe

NAME = "resnet20-one-shot"  # three passes a step


def passes_of(arm):
    learning = load_recipe(NAME, arm.overrides).learning
    return learning.epochs * (1 + learning.passes.random)


def test_all_arms_have_as_many_forward_passes_and_differ_in_one_thing():
    found = arms(load_recipe(NAME, ["learning.epochs=4"]))
    assert {passes_of(arm) for arm in found} == {12}
    assert found[0].name == FIRST
    first = load_recipe(NAME, found[0].overrides)
    assert (first.learning.scheduler, first.learning.passes.mitigation.weight, first.steps_per) == ("none", 0, "layer")
    by_name = {arm.name: load_recipe(NAME, arm.overrides) for arm in found}
    assert [by_name[name].learning.scheduler for name in ("published", "full-set", "rarer-smallest")] == [
        *("published", "full-set", "rarer-smallest")
    ]
    assert by_name["mitigation-0.1"].learning.passes.mitigation.weight == 0.1
    assert by_name["steps-channel"].steps_per == "channel"
    assert [by_name[f"passes-{passes}"].learning.epochs for passes in (2, 4)] == [6, 3]
    assert "passes-3" not in by_name  # the first arm's


def test_an_arm_whose_passes_do_not_come_out_even_is_refused_unless_left_out():
    base = load_recipe(NAME, ["learning.epochs=3"])
    with pytest.raises(QCompileError, match="9 passes over the images are no whole number of epochs with 2 passes"):
        arms(base)
    assert [arm.name for arm in arms(base, ["random", "none"])] == ["none", "random"]
    assert epochs_for(base, 1) == 9


def test_an_unknown_arm_is_named():
    with pytest.raises(QCompileError, match="--arms frozen: wanted some of none, published"):
        arms(load_recipe(NAME), ["frozen"])
