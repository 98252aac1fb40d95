import itertools

import pytest
import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebooks import Adaptive, ScaledBinary, ScaledTernary, nearest_entry

KINDS = [Adaptive(1), Adaptive(2), Adaptive(5), ScaledBinary(), ScaledTernary()]
PER_CHANNEL = [Adaptive(3, "channel"), ScaledBinary("channel"), ScaledTernary("channel")]


def squared_error(weight, fitted):
    return float((weight.double() - fitted.decode().double()).square().sum())


def least_error_of_any_assignment(weight, design):
    """The least squared error over all assignments; ``design`` maps one to least squares columns."""
    best = float("inf")
    for assignment in itertools.product(range(design.shape[0]), repeat=len(weight)):
        columns = design[list(assignment)]
        values = torch.linalg.pinv(columns) @ weight
        best = min(best, float((columns @ values - weight).square().sum()))
    return best


@pytest.mark.parametrize(
    ("codebook", "design"),
    [
        (Adaptive(2), torch.eye(2, dtype=torch.float64)),
        (Adaptive(3), torch.eye(3, dtype=torch.float64)),
        (ScaledBinary(), torch.tensor([[-1.0], [1.0]], dtype=torch.float64)),
        (ScaledTernary(), torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64)),
    ],
)
def test_error_is_the_least_of_all_assignments(codebook, design):
    generator = torch.Generator().manual_seed(3)
    for _ in range(12):
        weight = torch.randn(6, generator=generator, dtype=torch.float64)
        fitted = codebook.fit(weight)
        # The entries are stored as float32: the error may exceed the optimum by that rounding, squared.
        assert squared_error(weight, fitted) == pytest.approx(least_error_of_any_assignment(weight, design), abs=1e-12)


@pytest.mark.parametrize("codebook", [*KINDS, *PER_CHANNEL])
def test_every_index_is_the_nearest_entry_and_encodes_itself(codebook):
    weight = torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(1))
    fitted = codebook.fit(weight)
    groups = len(fitted.codebook)
    rows, entries = weight.double().reshape(groups, -1), fitted.codebook.double()
    by_search = (rows[:, :, None] - entries[:, None, :]).abs().argmin(dim=2)
    assert torch.equal(fitted.indices.reshape(groups, -1).long(), by_search)
    assert torch.equal(nearest_entry(fitted.decode().double().reshape(groups, -1), entries), by_search)


@pytest.mark.parametrize("codebook", PER_CHANNEL)
def test_a_codebook_per_channel_is_each_channel_fitted_alone(codebook):
    weight = torch.randn(4, 40, generator=torch.Generator().manual_seed(2))
    fitted = codebook.fit(weight)
    assert fitted.codebook.shape[0] == 4
    for channel in range(4):
        alone = type(codebook)(*([codebook.entries] if isinstance(codebook, Adaptive) else [])).fit(weight[channel])
        rows = weight[channel].double()
        error = float((rows - fitted.decode()[channel].double()).square().sum())
        assert error == pytest.approx(squared_error(rows, alone), rel=0.02)  # k-means starts from other draws


def test_kmeans_ends_where_each_entry_is_the_mean_of_its_weights():
    weight = torch.randn(20_000, generator=torch.Generator().manual_seed(5))
    fitted = Adaptive(16).fit(weight)
    for entry in range(16):
        assert float(fitted.codebook[0, entry]) == pytest.approx(float(weight[fitted.indices == entry].double().mean()))


def test_error_falls_as_entries_grow():
    weight = torch.randn(5000, generator=torch.Generator().manual_seed(6))
    errors = [squared_error(weight, Adaptive(entries).fit(weight)) for entries in (1, 2, 4, 8, 16, 64, 256)]
    assert errors == sorted(errors, reverse=True)
    # Max (1960), the least squared error of a normal variable with 2, 4, 8 levels: 0.3634, 0.1175, 0.03454.
    assert [error / 5000 for error in errors[1:4]] == pytest.approx([0.3634, 0.1175, 0.03454], rel=0.05)


def test_a_warm_start_never_fits_worse_than_the_codebook_it_starts_from():
    generator = torch.Generator().manual_seed(7)
    weight = torch.randn(3000, generator=generator)
    before = Adaptive(8).fit(weight)
    moved = weight + 0.1 * torch.randn(3000, generator=generator)
    after = Adaptive(8).fit(moved, before)
    kept = before.codebook[0][nearest_entry(moved.double()[None], before.codebook.double())[0]]
    assert squared_error(moved, after) <= float((moved - kept).double().square().sum())


def test_fitting_twice_gives_the_same():
    weight = torch.randn(3000, generator=torch.Generator().manual_seed(8))
    first, second = Adaptive(7).fit(weight), Adaptive(7).fit(weight)
    assert torch.equal(first.codebook, second.codebook)
    assert torch.equal(first.indices, second.indices)


def test_a_tie_goes_to_the_lowest_index():
    codebook = torch.tensor([[-1.0, 1.0, 1.0, 3.0]], dtype=torch.float64)
    weights = torch.tensor([[-9.0, 0.0, 1.0, 2.0, 2.5]], dtype=torch.float64)
    assert nearest_entry(weights, codebook).tolist() == [[0, 0, 1, 1, 3]]
    assert ScaledBinary().fit(torch.tensor([-2.0, 0.0, 2.0])).indices.tolist() == [0, 0, 1]


@pytest.mark.parametrize("codebook", KINDS)
@pytest.mark.parametrize("weight", [torch.zeros(3, 4), torch.tensor([[0.7]]), torch.tensor([[-0.7]])])
def test_zeros_and_a_single_weight_are_met_exactly(codebook, weight):
    assert torch.equal(codebook.fit(weight).decode(), weight)


@pytest.mark.parametrize("codebook", KINDS)
def test_a_constant_tensor_is_met_to_float_rounding(codebook):
    weight = torch.full((7, 9), -0.1)
    assert torch.allclose(codebook.fit(weight).decode(), weight, rtol=1e-6, atol=0)


def test_fewer_distinct_weights_than_entries_repeat_the_last_entry():
    weight = torch.tensor([3.0, -1.0, 3.0, 2.0, -1.0])
    fitted = Adaptive(6).fit(weight)
    assert fitted.codebook.tolist() == [[-1.0, 2.0, 3.0, 3.0, 3.0, 3.0]]
    assert torch.equal(fitted.decode(), weight)


def test_values_that_float32_cannot_tell_apart_become_one_entry():
    weight = torch.tensor([1.0, 1.0 + 1e-12, 2.0], dtype=torch.float64)
    fitted = Adaptive(3).fit(weight)
    assert fitted.codebook.tolist() == [[1.0, 2.0, 2.0]]
    assert fitted.indices.tolist() == [0, 0, 1]


def test_an_entry_that_lost_its_weights_is_used_again():
    before = Adaptive(3).fit(torch.tensor([-1.0, 0.0, 1.0]))
    after = Adaptive(3).fit(torch.tensor([5.0, 6.0, 8.0]), before)
    assert after.codebook.tolist() == [[5.0, 6.0, 8.0]]


def test_a_warm_start_from_repeated_entries_spreads_them_again():
    before = Adaptive(4).fit(torch.full((8,), 2.0))
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert torch.equal(Adaptive(4).fit(weight, before).decode(), weight)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("codebook", KINDS)
def test_weights_that_are_not_finite_are_refused(codebook, bad):
    with pytest.raises(ValueError, match="not finite"):
        codebook.fit(torch.tensor([1.0, bad]))
    with pytest.raises(ValueError, match="empty"):
        codebook.fit(torch.zeros(0))


def test_options_out_of_range_are_refused():
    with pytest.raises(RecipeError, match="257 entries, wanted 1 to 256"):
        Adaptive(257)
    with pytest.raises(RecipeError, match='per "row"'):
        ScaledTernary("row")


def test_bits_are_what_the_entries_need():
    weight = torch.randn(600, generator=torch.Generator().manual_seed(9))
    bits = [codebook.fit(weight).bits for codebook in (ScaledBinary(), ScaledTernary(), Adaptive(5), Adaptive(256))]
    assert bits == [1, 2, 3, 8]
