import pytest
import torch

from qcompile.bit_plan import LayerBits
from qcompile.errors import RecipeError
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.distortion import Mitigation, captured_outputs, distortion


def test_the_distortion_is_the_sum_of_mean_squared_errors_and_moves_only_the_few_bits():
    generator = torch.Generator().manual_seed(0)
    found = {name: torch.randn(shape, generator=generator) for name, shape in (("a", (2, 3)), ("b", (2, 4, 5)))}
    wanted = {name: torch.randn(found[name].shape, generator=generator).requires_grad_() for name in "ab"}
    total = sum((found[name].double() - wanted[name].double()).square().mean() for name in "ab")
    for tensor in found.values():
        tensor.requires_grad_()
    far = distortion(found, wanted | {"more": torch.zeros(1)})
    far.backward()
    # Some tens of roundings of numbers below 10.
    assert far.item() == pytest.approx(total.item(), abs=50 * 10 * 2**-24)
    assert all(tensor.grad is not None for tensor in found.values())
    assert all(tensor.grad is None for tensor in wanted.values())
    assert distortion({}, wanted) == 0


def test_outputs_are_those_before_an_activation_that_works_in_place(make_supernet, make_samples):
    supernet = make_supernet()
    images = make_samples(5).images
    with captured_outputs(supernet.outputs, ["0", "6"]) as found:
        logits = supernet(images)
        assert found.keys() == {"0", "6"}
        assert found["0"].shape == (5, 8, 4, 4)
        assert (found["0"] < 0).any(), "behind the normalization, before the rectifier"
        assert torch.equal(found["6"], logits)
        found["6"].sum().backward()
        assert supernet.layers["4"].weight.grad is not None
        before = found["0"]
        supernet(images * 2)
        assert not torch.equal(found["0"], before)


def test_hooks_are_gone_after_the_context_even_after_an_error(make_supernet, make_samples):
    supernet = make_supernet()
    found = {}

    def fail():
        with captured_outputs(supernet.outputs, ["0"]) as features:
            found["features"] = features
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    supernet(make_samples(5).images)
    assert found["features"] == {}
    assert not any(module._forward_hooks for module in supernet.modules())


def test_layers_at_their_smallest_drawable_width_are_compared(make_supernet):
    supernet = make_supernet()
    plan = {"0": LayerBits(8, 8), "4": LayerBits(2, 8), "6": LayerBits(4, 2)}
    every = supernet.candidates
    frozen = every | {"6": Candidates((4, 8), (2, 4, 8))}
    assert Mitigation(0.1).compared(supernet, plan, every) == ["4"]
    assert Mitigation(0.1).compared(supernet, plan, frozen) == ["4", "6"]
    assert Mitigation(0.1, "all").compared(supernet, plan, every) == ["4", "6"], "the first has one width"
    assert Mitigation(0.0, "all").compared(supernet, plan, every) == []


def test_a_weight_below_zero_is_refused():
    with pytest.raises(RecipeError, match="weight is -1"):
        Mitigation(-1.0)
