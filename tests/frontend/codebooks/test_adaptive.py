import pytest
import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebooks import Adaptive, optimal_codebooks
from qcompile.frontend.codebooks.kmeans import fit_kmeans, start_kmeans


@pytest.mark.parametrize("entries", [1, 2, 3])
@pytest.mark.parametrize("method", ["auto", "exact"])
def test_the_error_is_the_least_of_all_assignments(entries, method, brute):
    for weight in brute.awkward_weights():
        fitted = Adaptive(entries, method=method).fit(weight)
        least = brute.least_error(weight, entries, torch.eye(entries))
        assert brute.squared_error(weight, fitted) <= least + brute.slack(weight, fitted)


def test_groups_of_channels_each_have_the_optimum():
    weight = torch.randn(6, 30, generator=torch.Generator().manual_seed(1))
    for per, rows in (("channel", 6), (2, 3), ("tensor", 1)):
        ordered = weight.reshape(rows, -1).sort(dim=1).values
        codebook = Adaptive(4, per).fit(weight).codebook
        assert torch.allclose(codebook.double(), optimal_codebooks(ordered, 4).codebook(4), rtol=2.0**-23, atol=0)


@pytest.mark.parametrize("method", ["auto", "exact", "kmeans"])
def test_each_entry_is_the_mean_of_its_weights(method):
    weight = torch.randn(20_000, generator=torch.Generator().manual_seed(5))
    fitted = Adaptive(16 if method != "exact" else 4, method=method).fit(weight)
    for entry in range(fitted.codebook.shape[1]):
        mean = float(weight[fitted.indices == entry].double().mean())
        assert float(fitted.codebook[0, entry]) == pytest.approx(mean, rel=2.0**-23)


def test_the_error_falls_as_entries_grow(brute):
    weight = torch.randn(5000, generator=torch.Generator().manual_seed(6))
    errors = [brute.squared_error(weight, Adaptive(entries).fit(weight)) for entries in (1, 2, 4, 8, 16, 64, 256)]
    assert errors == sorted(errors, reverse=True)
    # Max (1960), the least squared error of a normal variable with 2, 4, 8 levels: 0.3634, 0.1175, 0.03454.
    assert [error / 5000 for error in errors[1:4]] == pytest.approx([0.3634, 0.1175, 0.03454], rel=0.05)


def test_on_many_weights_the_local_search_is_as_good_as_the_optimum(brute):
    weight = torch.randn(30_000, generator=torch.Generator().manual_seed(7))
    weight = weight * weight.abs()  # long tails
    optimum = float(optimal_codebooks(weight.sort().values[None], 24).distortion(24))
    cold = Adaptive(24).fit(weight)
    assert optimum <= brute.squared_error(weight, cold) <= optimum * 1.001
    warm = Adaptive(24).fit(weight, cold)
    assert brute.squared_error(weight, warm) <= brute.squared_error(weight, cold)
    assert brute.squared_error(weight, Adaptive(24, method="kmeans").fit(weight)) <= optimum * 1.1


def test_an_outlier_gets_an_entry_of_its_own_also_among_many_weights():
    weight = torch.cat([torch.rand(300_000, generator=torch.Generator().manual_seed(8)), torch.tensor([1e4])])
    assert float(Adaptive(16).fit(weight).decode()[-1]) == 1e4


def test_many_weights_are_fitted_in_pieces_as_a_whole(brute):
    """The start is drawn from a part of them, the fit is not: it is where Lloyd's steps end on all."""
    weight = torch.randn(400_000, generator=torch.Generator().manual_seed(9))
    for method in ("auto", "kmeans"):
        fitted = Adaptive(8, method=method).fit(weight)
        again = fit_kmeans(weight.sort().values[None], fitted.codebook.double())
        assert torch.allclose(again.float(), fitted.codebook, rtol=2.0**-20, atol=0)


def test_few_distinct_weights_repeat_the_last_entry():
    weight = torch.tensor([3.0, -1.0, 3.0, 2.0, -1.0])
    for method in ("exact", "kmeans"):
        fitted = Adaptive(6, method=method).fit(weight)
        assert fitted.codebook.tolist() == [[-1.0, 2.0, 3.0, 3.0, 3.0, 3.0]]
        assert torch.equal(fitted.decode(), weight)


def test_values_that_float32_cannot_tell_apart_become_one_entry():
    weight = torch.tensor([1.0, 1.0 + 1e-12, 2.0], dtype=torch.float64)
    fitted = Adaptive(3).fit(weight)
    assert fitted.codebook.tolist() == [[1.0, 2.0, 2.0]]
    assert fitted.indices.tolist() == [0, 0, 1]


def test_an_entry_that_lost_its_weights_is_used_again():
    kmeans = Adaptive(3, method="kmeans")
    before = kmeans.fit(torch.tensor([-1.0, 0.0, 1.0]))
    assert kmeans.fit(torch.tensor([5.0, 6.0, 8.0]), before).codebook.tolist() == [[5.0, 6.0, 8.0]]


def test_a_start_from_repeated_entries_spreads_them_again():
    kmeans = Adaptive(4, method="kmeans")
    before = kmeans.fit(torch.full((8,), 2.0))
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert torch.equal(kmeans.fit(weight, before).decode(), weight)


def test_an_earlier_codebook_of_another_size_is_no_start():
    weight = torch.randn(100, generator=torch.Generator().manual_seed(10))
    before = Adaptive(3).fit(weight)
    assert Adaptive(5, method="kmeans").fit(weight, before).codebook.shape == (1, 5)


def test_kmeans_plus_plus_finds_separated_clusters():
    centers = torch.arange(8.0).repeat_interleave(50)
    ordered = (centers + 0.01 * torch.randn(400, generator=torch.Generator().manual_seed(11))).sort().values
    codebook = start_kmeans(ordered[None], 8)
    assert torch.allclose(codebook, torch.arange(8.0, dtype=torch.float64)[None], rtol=0, atol=0.01)  # 0.01 / sqrt(50)


def test_options_out_of_range_are_refused():
    for entries in (0, 257):
        with pytest.raises(RecipeError, match=f"{entries} entries, wanted 1 to 256"):
            Adaptive(entries)
    with pytest.raises(RecipeError, match='method is "fast"'):
        Adaptive(2, method="fast")
