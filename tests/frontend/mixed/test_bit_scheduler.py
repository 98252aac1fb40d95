import pytest
import torch

from qcompile.frontend.mixed.bit_scheduler import (
    FlipRate,
    FullSetTurbulence,
    NoFreezing,
    PublishedTurbulence,
    RandomFreezing,
    RarerSmallest,
)
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.decision import Decision, read_decision, write_decision
from qcompile.frontend.mixed.freezing import Freezing
from qcompile.frontend.mixed.sampling import EVEN, SmallestOdds
from qcompile.frontend.mixed.turbulence import turbulence

HALF = Freezing(start=0.0, period=0.1, first_ratio=0.5, last_ratio=0.5)  # of the two searched layers: one
FREEZING = [PublishedTurbulence(HALF), FullSetTurbulence(HALF), FlipRate(HALF), RandomFreezing(HALF)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def frozen(supernet, decision):
    return [name for name, each in decision.drawable.items() if each != supernet.candidates[name]]


def make_turbulent(layer, bits=2):
    """Puts all weights beside the boundary between the codes 0 and 1."""
    with torch.no_grad():
        layer.weight.fill_(0.49 * float(layer.weight_step(bits)))


def make_calm(layer):
    with torch.no_grad():
        layer.weight.zero_()


def test_without_freezing_everything_may_always_be_drawn(make_supernet):
    supernet = make_supernet()
    decision = NoFreezing().decide(supernet, 0.5, generator(), None)
    assert decision.drawable == supernet.candidates
    assert decision.odds == EVEN
    assert NoFreezing().decisions(1.0) == 0


def test_the_smallest_width_is_only_drawn_less_often(make_supernet):
    supernet = make_supernet()
    scheduler = RarerSmallest(SmallestOdds(weight=0.25))
    decision = scheduler.decide(supernet, 0.5, generator(), None)
    assert decision.drawable == supernet.candidates
    assert decision.odds.weight == 0.25
    assert scheduler.decisions(1.0) == 0


@pytest.mark.parametrize("scheduler", FREEZING, ids=lambda each: type(each).__name__)
def test_as_many_layers_are_frozen_as_the_ratio_says_and_none_at_the_start(scheduler, make_supernet):
    supernet = make_supernet()
    first = scheduler.decide(supernet, 0.0, generator(), None)
    assert frozen(supernet, first) == []
    second = scheduler.decide(supernet, 0.5, generator(), first)
    (name,) = frozen(supernet, second)
    assert name in ("4", "6")
    assert second.drawable[name].weight == (4, 8)
    assert [scheduler.decisions(progress) for progress in (0.0, 0.1, 0.25)] == [0, 1, 2]


@pytest.mark.parametrize("scheduler", FREEZING[:2], ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("name", ["4", "6"])
def test_the_most_turbulent_layer_is_frozen(scheduler, name, make_supernet):
    supernet = make_supernet()
    make_calm(supernet.layers["6" if name == "4" else "4"])
    make_turbulent(supernet.layers[name])
    assert frozen(supernet, scheduler.decide(supernet, 0.5, generator(), None)) == [name]


def test_the_published_rule_releases_a_frozen_layer_that_is_as_turbulent_as_before_and_the_mended_one_does_not(
    make_supernet,
):
    supernet = make_supernet()
    for name, share in (("4", 1.0), ("6", 0.9)):  # "6" is a little less turbulent at 2 bits; neither is at others
        layer = supernet.layers[name]
        make_turbulent(layer)
        with torch.no_grad():
            layer.weight.flatten()[: round((1 - share) * layer.weight.numel())] = 0.0
            for bits in ("4", "8"):
                layer.weight_steps[bits].fill_(0.49 * float(layer.weight_step(2)))  # the weights are codes 1 and 0
    assert turbulence(supernet.layers["4"], (4, 8)) == 0
    found = {}
    for scheduler in FREEZING[:2]:
        first = scheduler.decide(supernet, 0.5, generator(), None)
        second = scheduler.decide(supernet, 0.6, generator(), first)
        found[type(scheduler)] = [frozen(supernet, first), frozen(supernet, second)]
    assert found[PublishedTurbulence] == [["4"], ["6"]]
    assert found[FullSetTurbulence] == [["4"], ["4"]]


@pytest.mark.parametrize("name", ["4", "6"])
def test_the_layer_whose_codes_changed_most_is_frozen(name, make_supernet):
    supernet, scheduler = make_supernet(), FlipRate(HALF)
    first = scheduler.decide(supernet, 0.0, generator(), None)
    with torch.no_grad():
        supernet.layers[name].weight.neg_()
    second = scheduler.decide(supernet, 0.1, generator(), first)
    assert frozen(supernet, second) == [name]
    with torch.no_grad():
        supernet.layers["6" if name == "4" else "4"].weight.neg_()
    third = scheduler.decide(supernet, 0.2, generator(), second)
    assert frozen(supernet, third) != [name], "only changes since the last decision count"


def test_random_freezing_follows_its_generator_and_no_weight(make_supernet):
    supernet, scheduler = make_supernet(), RandomFreezing(HALF)
    found = [frozen(supernet, scheduler.decide(supernet, 0.5, generator(seed), None)) for seed in range(20)]
    assert {"4", "6"} == {name for (name,) in found}
    for layer in supernet.layers.values():
        make_calm(layer)
    assert found == [frozen(supernet, scheduler.decide(supernet, 0.5, generator(seed), None)) for seed in range(20)]


def test_a_layer_of_one_width_does_not_count(make_supernet):
    supernet = make_supernet(Candidates((4,), (2, 8)))
    everything = Freezing(start=0.0, first_ratio=1.0, last_ratio=1.0)
    decision = FullSetTurbulence(everything).decide(supernet, 0.5, generator(), None)
    assert frozen(supernet, decision) == ["6"]


@pytest.mark.parametrize("scheduler", [*FREEZING, NoFreezing(), RarerSmallest()], ids=lambda each: type(each).__name__)
def test_a_decision_is_read_as_it_was_written_and_the_next_one_is_the_same(scheduler, make_supernet):
    supernet = make_supernet()
    last = scheduler.decide(supernet, 0.5, generator(), scheduler.decide(supernet, 0.0, generator(), None))
    tensors = write_decision(last)
    again = read_decision(dict(sorted(tensors.items(), reverse=True)), supernet.candidates)
    assert list(again.drawable.items()) == list(last.drawable.items())
    assert again.odds == last.odds
    with torch.no_grad():
        supernet.layers["6"].weight.neg_()
    decisions = [scheduler.decide(supernet, 0.6, generator(), each) for each in (last, again)]
    assert decisions[0].drawable == decisions[1].drawable
    assert write_decision(decisions[0]).keys() == write_decision(decisions[1]).keys()


def test_odds_are_read_to_the_last_bit():
    decision = Decision({"a": Candidates((2, 4), (8,))}, SmallestOdds(0.1, 1 / 3))
    assert read_decision(write_decision(decision), decision.drawable).odds == decision.odds
