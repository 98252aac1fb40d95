"""Codebooks of the least squared error for float weights, in numpy."""

from qcompile.codebooks.fit import Lookup, cancel_errors, fit_lookup
from qcompile.codebooks.weights import CodebookWeights, GridWeights, Per

__all__ = ["CodebookWeights", "GridWeights", "Lookup", "Per", "cancel_errors", "fit_lookup"]
