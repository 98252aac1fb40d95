"""One weight as a lookup in codebooks of any values, so that the outputs stay near those of the float network.

Codebooks of the least error, each number's error counting the variance of what it meets, come first. Then entries with
second-order correction: columns that vary most first, as they cost most and those behind them mend. Then by turns each
entry again with all others as they are, and the best codebooks and scales for the entries: no turn raises the error.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from qcompile.codebooks import CodebookWeights, Lookup, fit_lookup
from qcompile.codebooks.fit import as_stored
from qcompile.codebooks.levels import Levels
from qcompile.rounding.descent import descend
from qcompile.rounding.grid import Doubles, Entries
from qcompile.rounding.groups import Group, groups_of
from qcompile.rounding.moments import Moments
from qcompile.rounding.refitting import best_codebook, best_scales
from qcompile.rounding.second_order import inverse_factor, output_errors, round_second_order

MOST_TURNS = 4
LEAST_GAIN = 2e-3  # of the error, in a turn
MOST_REFITTED = 32  # entries: of more the best ones for the outputs cost much and gain next to nothing


@dataclass(frozen=True, eq=False)
class RoundedLookup:
    """A weight [n, k] as a ``lookup``, and what becomes of its outputs.

    ``shift`` [n] is to be added to the outputs. The variances [n] of the outputs' errors are ``error`` and, with the
    entries nearest to the weight in codebooks of the least squared error, ``plain_error``; ``variance`` is that of the
    outputs themselves.
    """

    lookup: Lookup
    shift: Doubles
    plain_error: Doubles
    error: Doubles
    variance: Doubles


def round_to_codebooks(
    rows: npt.NDArray[np.float32], moments: Moments, weights: CodebookWeights, damping: float
) -> RoundedLookup:
    """``rows`` [n, k] as a lookup of the kind ``weights``, each group of rows rounded by its own ``moments``.

    ``damping`` is the share of the mean variance that is added to each column's. The sum of the errors, so damped, is
    not larger than with the nearest entries.
    """
    groups = groups_of(rows, moments, damping)
    target = np.concatenate([group.target for group in groups]).astype(np.float32)
    masses = np.concatenate([np.broadcast_to(np.diag(group.damped), group.target.shape) for group in groups])
    nearest = fit_lookup(target, weights, masses)
    plain_error = _errors(groups, nearest)
    found = _improved(groups, _better_rows(groups, nearest, _corrected(groups, nearest)), weights)
    values = np.split(found.values().astype(np.float64), len(groups))
    shift = np.concatenate([group.shift(part) for group, part in zip(groups, values, strict=True)])
    variance = np.concatenate([output_errors(group.target, group.damped) for group in groups])
    return RoundedLookup(found, shift, plain_error, _errors(groups, found), variance)


def _corrected(groups: Sequence[Group], lookup: Lookup) -> Lookup:
    """``lookup`` with entries of second-order correction."""
    parts = [_second_order(group, levels) for group, levels, _ in _parts(groups, lookup)]
    return replace(lookup, entries=np.concatenate(parts).astype(np.uint8))


def _second_order(group: Group, levels: Levels) -> Entries:
    order = np.argsort(-np.diag(group.damped), kind="stable")
    factor = inverse_factor(group.damped[np.ix_(order, order)])
    entries = np.empty(group.target.shape, np.intp)
    entries[:, order] = round_second_order(group.target[:, order], factor, levels)
    return entries


def _better_rows(groups: Sequence[Group], one: Lookup, other: Lookup) -> Lookup:
    """The row of the less error, of two lookups in the same codebooks."""
    better = _errors(groups, other) < _errors(groups, one)
    return replace(one, entries=np.where(better[:, None], other.entries, one.entries))


def _improved(groups: Sequence[Group], lookup: Lookup, weights: CodebookWeights) -> Lookup:
    """What turns of new entries and new codebooks make of ``lookup``, as long as the error falls."""
    error = _errors(groups, lookup).sum()
    for _ in range(MOST_TURNS):
        better = _refitted(groups, _descended(groups, lookup), weights)
        found = _errors(groups, better).sum()
        gain = error - found
        if gain > 0:
            lookup, error = better, found
        if not gain > LEAST_GAIN * error:
            break
    return lookup


def _descended(groups: Sequence[Group], lookup: Lookup) -> Lookup:
    parts = [descend(group.target, group.damped, levels, entries) for group, levels, entries in _parts(groups, lookup)]
    return replace(lookup, entries=np.concatenate(parts).astype(np.uint8))


def _refitted(groups: Sequence[Group], lookup: Lookup, weights: CodebookWeights) -> Lookup:
    """``lookup`` with the best codebooks, then, where there are any, the best scales."""
    if 2**weights.bits <= MOST_REFITTED:
        found = best_codebook(groups, lookup.levels(), lookup.entries.astype(np.intp))
        lookup = _in_order(replace(lookup, codebook=as_stored(np.atleast_2d(found))))
    if weights.per != "scaled":
        return lookup
    scales = best_scales(groups, lookup.levels(), lookup.entries.astype(np.intp))
    return replace(lookup, scales=scales.astype(np.float32))


def _in_order(lookup: Lookup) -> Lookup:
    """The same values, with codebooks that rise."""
    order = lookup.codebook.argsort(axis=1, kind="stable")
    places, flat = order.argsort(axis=1), lookup.entries.reshape(len(order), -1)
    entries = np.take_along_axis(places, flat.astype(np.intp), axis=1).reshape(lookup.entries.shape)
    return replace(
        lookup, codebook=np.take_along_axis(lookup.codebook, order, axis=1), entries=entries.astype(np.uint8)
    )


def _errors(groups: Sequence[Group], lookup: Lookup) -> Doubles:
    """The variance [n] of each output's error."""
    parts = [(group, group.target - levels.values(entries)) for group, levels, entries in _parts(groups, lookup)]
    return np.concatenate([output_errors(differences, group.damped) for group, differences in parts])


def _parts(groups: Sequence[Group], lookup: Lookup) -> list[tuple[Group, Levels, Entries]]:
    """Each group with the levels and the entries of its rows."""
    levels, entries, each = lookup.levels(), lookup.entries.astype(np.intp), len(groups[0].rows)
    rows = [slice(number * each, (number + 1) * each) for number in range(len(groups))]
    return [(group, levels.part(part), entries[part]) for group, part in zip(groups, rows, strict=True)]
