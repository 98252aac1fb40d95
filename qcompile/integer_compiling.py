"""A model into one of integer operators: with the ranges that sample inputs show, or with those that it has already."""

import onnx_ir as ir

from qcompile.calibration import BatchReader, Reader, calibrate, read_all
from qcompile.compile_result import LeftAlone
from qcompile.errors import ModelError
from qcompile.functions import OLDEST_OPSET
from qcompile.integers import Integers
from qcompile.layer_choice import LayerChoice
from qcompile.passes import fusing_passes, integer_passes, quantized_passes, weight_finding_passes
from qcompile.passes._activations import quantized_tensors
from qcompile.passes._products import list_left_products
from qcompile.passes.attach_functions import AttachFunctions
from qcompile.passes.infer_shapes import InferShapes
from qcompile.passes.not_integer import list_not_integer
from qcompile.passes.raise_opset import RaiseOpset, in_the_way
from qcompile.rounding import RoundedLayer, RoundToOutputs, SecondOrder


def compile_quantized(model: ir.Model, functions: bool) -> LeftAlone:
    """Puts integers in the place of the activations that the model itself quantizes; gives what stays float, and why.

    Products of activations are told after the layers.
    """
    check_opset(model)
    InferShapes()(model)
    left_products = tuple(list_left_products(model))  # now: passes drop the shapes that decide
    run_passes(model, quantized_passes(functions=functions))
    return (*list_not_integer(model), *left_products)


def compile_integers(
    model: ir.Model, functions: bool, integers: Integers, layers: LayerChoice | None = None
) -> tuple[LeftAlone, tuple[RoundedLayer, ...]]:
    """Fuses, runs the fused model on the sample inputs, and puts integers in the place of its activations.

    Gives the products of activations that stay float, and why; and what rounding the weights did. What ``layers``
    leaves float is not rounded, and is not among these products.
    """
    check_opset(model)
    reader, rounded = _fuse(model, integers, layers)
    left_products = tuple(list_left_products(model))  # now: passes drop the shapes that decide
    runnable = model.clone()
    AttachFunctions()(runnable)
    ranges = calibrate(
        ir.serde.serialize_model(runnable),
        [str(value.name) for value in quantized_tensors(model)],
        reader,
        bits=integers.activation_bits,
        method=integers.method,
        cache=integers.cache,
        progress=integers.progress,
    )
    run_passes(model, integer_passes(ranges, functions=functions))
    return left_products, rounded


def _fuse(model: ir.Model, integers: Integers, layers: LayerChoice | None) -> tuple[Reader, tuple[RoundedLayer, ...]]:
    """Rounds the float weights of ``model`` and fuses it; gives the samples again, and what rounding did."""
    if not isinstance(integers.rounding, SecondOrder):
        run_passes(model, fusing_passes(integers.weight_bits, layers=layers))
        return integers.reader, ()
    batches = read_all(integers.reader)
    rounding = RoundToOutputs(integers.weight_bits, batches, integers.rounding)
    run_passes(model, fusing_passes(integers.weight_bits, rounding, layers))
    return BatchReader(batches), rounding.rounded


def find_weights(model: ir.Model, layers: LayerChoice | None = None) -> None:
    """Rewrites ``model`` until its float weights are constants that layers read, as rounding wants them.

    What ``layers`` leaves float is none of them. Raises ModelError where its opset is too low for integers, DataError
    where ``layers`` has a pattern that matches nothing.
    """
    check_opset(model)
    run_passes(model, weight_finding_passes(layers))


def check_opset(model: ir.Model) -> None:
    """Raises the opset where that changes nothing; ModelError where it is too low for integers then."""
    RaiseOpset(OLDEST_OPSET)(model)
    opset = model.graph.opset_imports.get("", 0)
    if opset < OLDEST_OPSET:
        raise ModelError(
            f"the model's opset is {opset}, integers need {OLDEST_OPSET} or later, and "
            f"{', '.join(in_the_way(model, OLDEST_OPSET))} may mean something else there. Export it again with that, "
            f"or convert it: onnx.version_converter.convert_version(model, {OLDEST_OPSET})."
        )


def run_passes(model: ir.Model, passes: tuple[ir.passes.InPlacePass, ...]) -> None:
    """Runs ``passes`` over ``model``, in place, one after the other."""
    for rewrite in passes:
        rewrite(model)
