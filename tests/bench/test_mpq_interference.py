import pytest

pytest.importorskip("torch")

from mpq_interference import layer_overrides, only, trainings
from mpq_probes import width_summary

from qcompile.frontend.mixed import Candidates
from qcompile.frontend.recipe_file import load_recipe

NAME = "resnet20-one-shot"


def test_dedicated_trainings_know_one_width_and_have_the_passes_of_the_supernet():
    found = {name: load_recipe(NAME, overrides) for name, overrides in trainings(load_recipe(NAME)).items()}
    assert list(found) == ["none", "without-smallest", "dedicated-6", "dedicated-4", "dedicated-3", "dedicated-2"]
    assert {each.learning.epochs * (1 + each.learning.passes.random) for each in found.values()} == {90}
    assert found["dedicated-3"].layers["layer1.0.conv1"] == Candidates((3,), (3,))
    assert found["dedicated-3"].layers["conv1"] == found["dedicated-3"].layers["linear"] == Candidates((8,), (8,))
    assert found["without-smallest"].layers["layer3.2.conv2"] == Candidates((3, 4, 5, 6, 8), (3, 4, 5, 6, 8))
    assert not found["none"].layers


def test_a_layer_that_cannot_have_so_many_bits_has_the_nearest():
    assert only({"a": Candidates((3, 6), (4, 8))}, 5) == {"a": Candidates((3,), (4,))}
    assert layer_overrides({"a.b": Candidates((3,), (4,))}) == ['layers={"a.b"={weight=[3],activation=[4]}}']


def test_a_summary_leaves_out_fixed_layers_and_gradients_that_were_zero():
    probed = {
        "flips": {"first": {"8": 0.9}, "a": {"2": 0.1, "4": 0.2}, "b": {"2": 0.3, "4": 0.4}},
        "agreement": {"2": {"first": [1.0, 1.0], "a": [0.5, 2.0], "b": None}},
    }
    assert width_summary(probed, 2) == {"flips": 0.2, "cosine": 0.5, "length": 2.0}
    assert width_summary(probed, 3) == {"flips": None, "cosine": None, "length": None}
