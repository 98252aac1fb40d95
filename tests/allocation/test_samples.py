import numpy as np
import pytest

from qcompile.allocation.samples import count, first_samples, hold_out
from qcompile.errors import DataError


def batches(*sizes):
    numbers = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    return [{"x": part, "y": 10 * part} for part in numbers]


def numbers(found):
    return [number for batch in found for number in batch["x"].tolist()]


@pytest.mark.parametrize("sizes", [(10,), (5, 5), (3, 3, 3, 1), (1,) * 10])
@pytest.mark.parametrize(("share", "held"), [(0.2, 2), (0.0, 1), (0.5, 5), (1.0, 9)])
def test_the_last_samples_are_held_out(sizes, share, held):
    kept, out = hold_out(batches(*sizes), share)
    assert numbers(kept) + numbers(out) == list(range(10))
    assert (count(kept), count(out)) == (10 - held, held)
    assert all((batch["y"] == 10 * batch["x"]).all() for batch in (*kept, *out))


def test_batches_that_are_whole_are_not_cut():
    kept, out = hold_out(batches(4, 4, 4), 0.2, whole=True)
    assert [len(batch["x"]) for batch in (*kept, *out)] == [4, 4, 4]
    assert len(out) == 1


@pytest.mark.parametrize(("given", "whole"), [([], False), (batches(1), False), (batches(8), True)])
def test_too_few_samples_are_an_error(given, whole):
    with pytest.raises(DataError, match="too few to hold some out"):
        hold_out(given, 0.2, whole=whole)


def test_inputs_of_different_lengths_are_not_cut():
    odd = [{"x": np.arange(4), "y": np.arange(3)}] * 2
    assert [count(part) for part in hold_out(odd, 0.2)] == [4, 4]


@pytest.mark.parametrize(("most", "found"), [(1, 1), (3, 3), (4, 4), (7, 7), (50, 9)])
def test_the_first_samples_are_taken(most, found):
    assert numbers(first_samples(batches(4, 4, 1), most)) == list(range(found))


@pytest.mark.parametrize(("most", "found"), [(1, 4), (7, 4), (8, 8)])
def test_the_first_whole_batches_are_taken(most, found):
    assert count(first_samples(batches(4, 4, 1), most, whole=True)) == found
