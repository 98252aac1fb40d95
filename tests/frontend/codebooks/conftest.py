import itertools
from types import SimpleNamespace

import pytest
import torch


def squared_error(weight, fitted):
    return float((weight.double() - fitted.decode().double()).square().sum())


def slack(weight, fitted):
    """What rounding may add to the squared error of a fit.

    A stored value v is off by at most d = 2**-23 |v|: entries, and so products of a scale and an integer, are rounded
    at most twice to 24 bits. A residual r then adds at most 2 |r| d + d**2. The rest is float64 sums.
    """
    decoded = fitted.decode().double()
    wide = weight.double()
    off = 2.0**-23 * float(fitted.decode().abs().max()) + 2.0**-149
    added = 2 * off * float((wide - decoded).abs().sum()) + weight.numel() * off**2
    return added + 1e-13 * float(wide.square().sum())


def all_assignments(count, entries):
    return torch.tensor(list(itertools.product(range(entries), repeat=count)))


def least_error(weight, entries, columns):
    """The least squared error over all assignments of ``weight`` to ``entries`` entries.

    ``columns`` [entries, free] says how the value of an entry depends linearly on the free numbers.
    """
    weight = weight.float().double().flatten()
    designs = columns.double()[all_assignments(len(weight), entries)]
    normal = designs.transpose(1, 2) @ designs
    products = designs.transpose(1, 2) @ weight
    gains = (products * (torch.linalg.pinv(normal, hermitian=True) @ products[:, :, None])[:, :, 0]).sum(dim=1)
    return max(0.0, float(weight.square().sum() - gains.max()))


def awkward_weights(count=6):
    """Seeded small weights: normal ones, and duplicates, zeros, one weight, all equal, few values, denormal, huge."""
    generator = torch.Generator().manual_seed(count)
    normal = [torch.randn(count, generator=generator) for _ in range(12)]
    return [
        *normal,
        normal[0].abs(),
        -normal[1].abs(),
        normal[2].round(),
        normal[3] + 10,
        torch.zeros(count),
        torch.tensor([0.7]),
        torch.tensor([-0.7]),
        torch.full((count,), -0.1),
        torch.tensor([1.0, 1.0, -2.0, -2.0, 0.0, 0.0])[:count],
        normal[4] * 2.0**-130,
        normal[5] * 2.0**120,
        torch.cat([normal[6][:-1], torch.tensor([1000.0])]),
    ]


@pytest.fixture
def brute():
    return SimpleNamespace(
        squared_error=squared_error,
        slack=slack,
        all_assignments=all_assignments,
        least_error=least_error,
        awkward_weights=awkward_weights,
    )
