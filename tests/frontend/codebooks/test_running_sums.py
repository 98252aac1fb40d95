import pytest
import torch

from qcompile.frontend.codebooks.running_sums import RunningSums


@pytest.mark.parametrize("count", [1, 100, 2**18 - 1, 2**18, 2**18 + 1, 2**18 + 63])
def test_the_sum_before_every_place(count):
    weights = torch.randn(2, count, generator=torch.Generator().manual_seed(count)).sort(dim=1).values
    places = torch.cat([torch.arange(0, count + 1, max(1, count // 50)), torch.tensor([count])]).expand(2, -1)
    wanted = torch.nn.functional.pad(weights.double().cumsum(dim=1), (1, 0)).gather(1, places)
    # float64 sums of the same terms in another order: each of count terms is within 2**-53 of a sum below sum |w|.
    bound = count * 2.0**-53 * weights.double().abs().sum(dim=1, keepdim=True)
    assert ((RunningSums.of(weights).before(places) - wanted).abs() <= bound).all()
