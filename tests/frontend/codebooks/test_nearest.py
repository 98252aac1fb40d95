import numpy as np
import pytest
import torch

from qcompile.frontend.codebooks.nearest import encode_nearest, nearest_entry, round_down


@pytest.mark.parametrize("shape", [(1, 1), (1, 70_000), (3, 65_536), (3, 65_537), (7000, 9), (40_000, 2), (1, 200_000)])
@pytest.mark.parametrize("entries", [1, 2, 5, 256])
def test_the_index_is_that_of_the_nearest_entry(shape, entries):
    generator = torch.Generator().manual_seed(entries)
    rows = torch.randn(shape, generator=generator)
    codebook = torch.randn(shape[0], entries, generator=generator).sort(dim=1).values
    indices = nearest_entry(rows, codebook)
    middles = (codebook[:, 1:].double() + codebook[:, :-1].double()) / 2
    assert torch.equal(indices.long(), torch.searchsorted(middles, rows.double()))


def test_a_tie_goes_to_the_lowest_index():
    codebook = torch.tensor([[-1.0, 1.0, 1.0, 3.0]])
    assert nearest_entry(torch.tensor([[-9.0, 0.0, 1.0, 2.0, 2.5]]), codebook).tolist() == [[0, 0, 1, 1, 3]]


def test_neighbours_of_a_tie_go_to_their_side():
    for low, high in ((1.0, 2.0), (-0.1, 0.3), (1e-40, 3e-40), (-3e38, 3e38), (1.0, float(np.float32(1.0000001)))):
        codebook = torch.tensor([[low, high]])
        middle = float(codebook.double().mean())
        at = np.float32(middle)
        around = [np.nextafter(at, np.float32(-np.inf)), at, np.nextafter(at, np.float32(np.inf))]
        wanted = [int(float(value) > middle) for value in around]
        assert nearest_entry(torch.tensor([around]), codebook).tolist() == [wanted]


def test_rounding_down_never_exceeds():
    values = torch.randn(10_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = torch.cat([values, values * 1e-42, torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64)])
    down = round_down(values)
    assert (down.double() <= values).all()
    assert (torch.nextafter(down, torch.tensor(torch.inf)).double() > values).all()


def test_stored_entries_are_float32_without_negative_zeros_and_merged():
    codebook = torch.tensor([[-1e-60, 0.1, 0.1 + 1e-12, 7.0]], dtype=torch.float64)
    fitted = encode_nearest(torch.tensor([-1.0, 0.1, 8.0]), codebook)
    assert torch.equal(fitted.codebook, torch.tensor([[0.0, 0.1, 7.0, 7.0]]))
    assert not torch.signbit(fitted.codebook).any()
    assert fitted.indices.tolist() == [0, 1, 2]
