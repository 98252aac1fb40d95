import math

import pytest
import torch
from torch.nn import functional as F

from qcompile.frontend.mixed.interference import flip_rates, gradient_agreement, weight_codes


def test_flip_rates_count_changed_codes_of_each_layer_and_width(make_supernet):
    supernet = make_supernet()
    before = weight_codes(supernet)
    assert {name: list(codes) for name, codes in before.items()} == {"0": [8], "4": [2, 4, 8], "6": [2, 4, 8]}
    layer = supernet.layers["4"]
    with torch.no_grad():
        layer.weight[0, :7] += 100 * layer.weight_step(8)
    rates = flip_rates(before, weight_codes(supernet))
    assert rates["0"] == {8: 0.0}
    assert rates["6"] == {2: 0.0, 4: 0.0, 8: 0.0}
    assert rates["4"][8] == 7 / layer.weight.numel()
    assert rates["4"][2] <= rates["4"][8]


def test_a_gradient_agrees_with_itself_and_nothing_else_changes(make_supernet, make_samples):
    supernet, samples = make_supernet().eval(), make_samples(24)
    plan = supernet.uniform(4)
    supernet.choose(plan)
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    found = gradient_agreement(supernet, supernet.smallest(), supernet.smallest(), samples.images, samples.labels)
    for agreement in found.values():
        assert agreement.cosine == pytest.approx(1.0, abs=1e-12)
        assert agreement.length_ratio == 1.0
    assert all(torch.equal(before[name], tensor) for name, tensor in supernet.state_dict().items())
    assert all(parameter.grad is None for parameter in supernet.parameters())
    assert supernet.chosen() == plan
    assert not supernet.training


def test_cosine_and_ratio_are_those_of_the_gradients(make_supernet, make_samples):
    supernet, samples = make_supernet(), make_samples(24)
    found = gradient_agreement(supernet, supernet.smallest(), supernet.largest(), samples.images, samples.labels)
    wanted = []
    for plan in (supernet.smallest(), supernet.largest()):
        supernet.choose(plan)
        supernet.zero_grad()
        F.cross_entropy(supernet(samples.images), samples.labels).backward()
        wanted.append({name: layer.weight.grad.double().flatten() for name, layer in supernet.layers.items()})
    for name, agreement in found.items():
        few, many = wanted[0][name], wanted[1][name]
        assert agreement.cosine == pytest.approx(float(F.cosine_similarity(few, many, dim=0)), rel=1e-9)
        assert agreement.length_ratio == pytest.approx(float(few.norm() / many.norm()), rel=1e-9)
        assert -1 < agreement.cosine < 1


def test_a_gradient_of_zero_agrees_with_nothing(make_supernet, make_samples):
    supernet, samples = make_supernet(), make_samples(8)
    found = gradient_agreement(
        supernet, supernet.smallest(), supernet.largest(), samples.images, samples.labels, lambda i, z, y: 0 * z.sum()
    )
    assert all(math.isnan(agreement.cosine) and math.isnan(agreement.length_ratio) for agreement in found.values())
