"""A model into one of packed weights, with activations that stay floats."""

import onnx_ir as ir

from qcompile.calibration import read_all
from qcompile.codebooks import CodebookWeights
from qcompile.float_weights import FloatWeights, SampledWeights
from qcompile.integer_compiling import run_passes
from qcompile.layer_choice import LayerChoice
from qcompile.passes import pipeline
from qcompile.rounding import CodebooksToOutputs, RoundedLayer, RoundToOutputs, SecondOrder


def compile_floats(
    model: ir.Model, functions: bool, bfloat16: bool, weights: FloatWeights | None, layers: LayerChoice | None
) -> tuple[RoundedLayer, ...]:
    """Packs the weights of ``model``, in place; float ones as ``weights`` says. Gives what rounding by samples did.

    What ``layers`` leaves float is not rounded. Raises QCompileError if there is no sample, or the
    model does not run on one.
    """
    if not isinstance(weights, SampledWeights):
        run_passes(model, pipeline(functions=functions, bfloat16=bfloat16, weights=weights, layers=layers))
        return ()
    rounding = _rounding(weights)
    run_passes(
        model,
        pipeline(functions=functions, bfloat16=bfloat16, weights=weights.weights, layers=layers, rounding=rounding),
    )
    return rounding.rounded


def _rounding(sampled: SampledWeights) -> RoundToOutputs | CodebooksToOutputs:
    """The pass that rounds by the samples."""
    batches, weights = read_all(sampled.reader), sampled.weights
    if isinstance(weights, CodebookWeights):
        return CodebooksToOutputs(weights, batches, sampled.runs, sampled.damping, sampled.progress)
    return RoundToOutputs(weights.bits, batches, SecondOrder(sampled.runs, sampled.damping, sampled.progress))
