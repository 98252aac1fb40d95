"""All float weights of a network as lookups in codebooks of any values, one part of the network after the other."""

from collections.abc import Callable, Sequence

import onnx_ir as ir

from qcompile.codebooks import CodebookWeights
from qcompile.passes._write_lookup import weight_rows, write_lookup
from qcompile.passes.round_to_codebooks import fit_weight
from qcompile.rounding.candidates import Candidate, find_candidates
from qcompile.rounding.codebook_layer import round_to_codebooks
from qcompile.rounding.collecting import Batch
from qcompile.rounding.methods import RoundedLayer
from qcompile.rounding.moments import Moments
from qcompile.rounding.network import add_shift, described, layers_in_turn


class CodebooksToOutputs(ir.passes.InPlacePass):
    """Makes lookups of the float weights of layers, as ``weights`` says, so that outputs on ``batches`` change least.

    ``rounded`` tells afterwards what it did, in the order of the graph. An Add behind a layer keeps its mean.
    ``runs``, ``damping`` and ``progress`` are those of SecondOrder.
    Requires, ensures, leaves alone and raises: as RoundToOutputs.
    """

    def __init__(
        self,
        weights: CodebookWeights,
        batches: Sequence[Batch],
        runs: int,
        damping: float,
        progress: Callable[[RoundedLayer], None] | None = None,
    ) -> None:
        super().__init__()
        self._weights, self._batches, self._runs, self._damping = weights, batches, runs, damping
        self._progress = progress
        self.rounded: tuple[RoundedLayer, ...] = ()

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fits each weight once for each node that reads it."""
        found = find_candidates(model)
        pairs = layers_in_turn(model, found, self._batches, self._runs)
        self.rounded = tuple(self._round(each, moments) for each, moments in pairs)
        return ir.passes.PassResult(model, modified=bool(found))

    def _round(self, candidate: Candidate, moments: Moments | None) -> RoundedLayer:
        """Puts the lookup in the place of the weight of ``candidate``; gives what is told of it."""
        node, name, bits = candidate.node, candidate.name, self._weights.bits
        if moments is None:
            write_lookup(node, fit_weight(node, self._weights))
            layer = RoundedLayer(name, bits, reason=candidate.reason or "it reads nothing")
        else:
            rounded = round_to_codebooks(weight_rows(node), moments, self._weights, self._damping)
            add_shift(candidate, rounded.shift)
            write_lookup(node, rounded.lookup)
            layer = described(name, bits, rounded)
        if self._progress is not None:
            self._progress(layer)
        return layer
