"""Compiles an exported model, standard operators and codebook lookups, into a packed one."""

import pathlib
from dataclasses import dataclass, replace
from typing import TypeVar

import google.protobuf.message
import onnx
import onnx_ir as ir

import qcompile
from qcompile.calibration import FirstBatch
from qcompile.compile_result import CompileResult, LeftAlone, describe_layer, describe_product
from qcompile.errors import ModelError, QCompileError
from qcompile.files import write_result
from qcompile.float_compiling import compile_floats
from qcompile.float_weights import FloatWeights, SampledWeights
from qcompile.integer_compiling import compile_integers, compile_quantized, run_passes
from qcompile.integer_ops import INTEGER_LAYERS
from qcompile.integer_product import INTEGER_PRODUCTS
from qcompile.integers import DynamicIntegers, Integers
from qcompile.layer_choice import LayerChoice
from qcompile.loading import deserialize, load_graph, stored_bytes
from qcompile.ops import DOMAIN, FORMAT_VERSION
from qcompile.passes import dynamic_passes
from qcompile.passes._chosen import list_excluded
from qcompile.passes._hollow import hollow_proto
from qcompile.passes._operands import coded_nodes, own_nodes
from qcompile.passes.adopt_quantized_pairs import quantized_pairs
from qcompile.passes.adopt_quantized_weights import list_left_quantized
from qcompile.passes.left_alone import list_left_alone
from qcompile.passes.quantize_dynamically import list_left_float
from qcompile.passes.rewrite_einsums import list_left_einsums
from qcompile.passes.round_stored import list_left_stored
from qcompile.passes.round_tables import list_left_tables
from qcompile.places import PLACES_KEY
from qcompile.rounding import RoundedLayer
from qcompile.supported import check_supported
from qcompile.trial import try_packed

__all__ = ["DynamicIntegers", "Integers", "LayerChoice", "compile_file", "compile_model"]

VERSION_KEY = "qcompile.version"
FORMAT_VERSION_KEY = "qcompile.format_version"

Model = TypeVar("Model", ir.Model, onnx.ModelProto)


@dataclass(frozen=True)
class _Done:
    """What was left alone, with the reason, and what was rounded by the layers' outputs."""

    left_alone: LeftAlone
    rounded: tuple[RoundedLayer, ...]


def compile_file(
    source: str | pathlib.Path,
    target: str | pathlib.Path,
    *,
    functions: bool = True,
    integers: Integers | DynamicIntegers | None = None,
    bfloat16: bool = False,
    weights: FloatWeights | None = None,
    layers: LayerChoice | None = None,
) -> CompileResult:
    """Compiles the ONNX file ``source`` into the packed file ``target``, which appears whole or not at all.

    Without ``functions`` the file is smaller and runs only where our library is registered. With ``integers``
    activations become integers too, and weights that were not learned are rounded; with DynamicIntegers only those of
    MatMul and Gemm, and tables. A model that holds pairs of QuantizeLinear and DequantizeLinear is quantized already:
    without ``integers`` it is compiled to integers with the pairs and the codes that it has, what has no pair stays
    float and is told in the result; with them, what has no pair gets one. With ``bfloat16`` layers whose activations
    stay floats multiply in bfloat16: faster where the processor can, and the same numbers, less precise ones,
    elsewhere. With ``weights`` float weights become lookups, as it says, and activations stay floats: that needs no
    samples, and with them, SampledWeights, is nearer to the float model. What ``layers`` leaves out is not rounded, in
    each of these ways, and is told in the result.

    Before the file gets its name the packed model is loaded, with our library where it is found, and run on one of the
    sample inputs or on made up ones; the result tells where that could not be.

    Raises ModelError if ``source`` is no valid ONNX model, is compiled already, has no weight that can be packed, or
    onnxruntime does not load it; QCompileError if ``target`` cannot be written, the sample inputs do not fit,
    ``bfloat16`` or ``weights`` are asked for with integers or a model that has pairs, or ``layers`` match nothing or
    choose where nothing is rounded.
    """
    source, first = pathlib.Path(source), None
    if isinstance(integers, Integers):
        first = FirstBatch(integers.reader)
        integers = replace(integers, reader=first)
    elif isinstance(weights, SampledWeights):
        first = FirstBatch(weights.reader)
        weights = replace(weights, reader=first)
    source_bytes, loaded = stored_bytes(source), load_graph(source)
    try:
        model, done = _compile(loaded, functions, integers, bfloat16, weights, layers)
        data = _file_of(model)
        trial = try_packed(data, hollow_proto(model), first.batch if first is not None else None, source)
    except QCompileError as error:
        raise type(error)(f"{source}: {error}") from error
    write_result(target, data)
    packed_layers = tuple(describe_layer(node) for node in _layers(model))
    products = tuple(describe_product(node) for node in own_nodes(model) if node.op_type in INTEGER_PRODUCTS)
    return CompileResult(packed_layers, done.left_alone, source_bytes, len(data), products, done.rounded, trial.not_run)


def _file_of(model: ir.Model) -> bytes:
    """``model`` as a file. Raises ModelError where it is too large for one."""
    try:
        return bytes(ir.serde.serialize_model(model).SerializeToString())
    except (google.protobuf.message.EncodeError, ir.serde.SerdeError) as error:  # of more than constants of the graph
        raise ModelError(f"it is too large for one ONNX file: {error}. Take fewer bits.") from error


def compile_model(
    model: Model,
    *,
    functions: bool = True,
    integers: Integers | DynamicIntegers | None = None,
    bfloat16: bool = False,
    weights: FloatWeights | None = None,
    layers: LayerChoice | None = None,
) -> Model:
    """A packed copy of ``model``, of the same kind; ``model`` itself is not changed. Options as of ``compile_file``.

    Raises ModelError if it is compiled already or has no weight that can be packed; QCompileError if ``bfloat16`` or
    ``weights`` are asked for with integers or a model that has pairs, or ``layers`` match nothing or choose where
    nothing is rounded.
    """
    if isinstance(model, onnx.ModelProto):
        check_supported("model", model)
        return ir.serde.serialize_model(_compile(deserialize(model), functions, integers, bfloat16, weights, layers)[0])
    return _compile(model.clone(), functions, integers, bfloat16, weights, layers)[0]


def _compile(
    model: ir.Model,
    functions: bool,
    integers: Integers | DynamicIntegers | None,
    bfloat16: bool,
    weights: FloatWeights | None,
    layers: LayerChoice | None,
) -> tuple[ir.Model, _Done]:
    """Runs the passes over ``model``, in place; also says what was left alone, and why, and what was rounded."""
    for asked, name in ((bfloat16, "bfloat16 is"), (weights is not None, "weights are")):
        if asked and integers is not None:
            raise QCompileError(f"{name} for layers whose activations stay floats, not for integers: choose one")
    _check_not_compiled(model)
    if layers is not None and integers is None and (weights is None or quantized_pairs(model)):
        raise QCompileError(
            "layers are chosen where float weights are rounded, and here none are: the model keeps the weights that it "
            "has. Leave the choice out, or ask for bits or integers"
        )
    before = _interface(model)
    model.metadata_props.pop(PLACES_KEY, None)  # whoever wrote it: only what this compilation notes is true
    shapes = [value.shape for value in model.graph.outputs]
    left_products: LeftAlone = ()
    rounded: tuple[RoundedLayer, ...] = ()
    if integers is None and quantized_pairs(model):
        _refuse_for_quantized(bfloat16, weights)
        left_products = compile_quantized(model, functions)
    elif integers is None:
        rounded = compile_floats(model, functions, bfloat16, weights, layers)
    elif isinstance(integers, DynamicIntegers):
        bits = integers.weight_bits, integers.activation_bits
        run_passes(model, dynamic_passes(*bits, functions=functions, layers=layers))
    else:
        left_products, rounded = compile_integers(model, functions, integers, layers)
    if not _layers(model):
        raise ModelError(_nothing_found([*_left_alone(model, integers, weights), *left_products], integers, weights))
    for value, shape in zip(model.graph.outputs, shapes, strict=True):
        value.shape = shape  # where there was none the passes have put what they found
    if _interface(model) != before:
        raise QCompileError(f"compiling changed inputs or outputs from {before} to {_interface(model)}: report this")
    model.metadata_props[VERSION_KEY] = qcompile.__version__
    model.metadata_props[FORMAT_VERSION_KEY] = str(FORMAT_VERSION)
    return model, _Done((*_left_alone(model, integers, weights), *left_products), rounded)


def _refuse_for_quantized(bfloat16: bool, weights: FloatWeights | None) -> None:
    """Raises QCompileError for what only models whose activations stay floats have."""
    for asked, name, leave in ((bfloat16, "bfloat16 is", "it"), (weights is not None, "weights are", "them")):
        if asked:
            raise QCompileError(
                f"{name} for layers whose activations stay floats, the model quantizes them: leave {leave} out"
            )


def _layers(model: ir.Model) -> list[ir.Node]:
    """The operators with a packed weight, in order."""
    coded = set(coded_nodes(model))
    return [node for node in own_nodes(model) if node in coded or node.op_type in INTEGER_LAYERS]


def _check_not_compiled(model: ir.Model) -> None:
    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    functions = (domain for domain, _, _ in model.functions)
    # Not by the domains it imports: onnxruntime writes every domain that it knows into the models that it saves.
    if DOMAIN in {*functions, *(node.domain for node in nodes)}:
        raise ModelError("the model is compiled already. Compile the exported model instead.")


def _left_alone(
    model: ir.Model,
    integers: Integers | DynamicIntegers | None,
    weights: FloatWeights | None,
) -> list[tuple[str, str]]:
    """The layers that stayed as they were, with the reason; float weights count where they were asked for."""
    left = list_excluded(model) + list_left_alone(model) + list_left_quantized(model)
    if integers is None and weights is None:
        return left
    left += list_left_tables(model) + list_left_einsums(model)
    left += list_left_float(model) if isinstance(integers, DynamicIntegers) else []
    told = {name for name, _ in left}
    return left + [(name, reason) for name, reason in list_left_stored(model) if name not in told]


def _nothing_found(
    left_alone: list[tuple[str, str]],
    integers: Integers | DynamicIntegers | None,
    weights: FloatWeights | None,
) -> str:
    if isinstance(integers, DynamicIntegers):
        found = "".join(f". {name}: {reason}" for name, reason in left_alone)
        return f"the model has no MatMul or Gemm that can become integers without sample inputs{found}"
    if integers is not None or weights is not None:
        found = "".join(f". {name}: {reason}" for name, reason in left_alone)
        return (
            "the model has no Conv, Gemm or MatMul with a constant weight on the right, and no Gather of rows of a "
            f"constant table, that can be packed{found}"
        )
    if left_alone:
        found = "; ".join(f"{name}: {reason}" for name, reason in left_alone)
        return f"no codebook weight of the model can be packed. {found}"
    return (
        "the model has no codebook weight. Looked for MatMul, Gemm, Conv or Gather whose weight is a lookup of "
        "constants: "
        "Gather(codebook [K], indices) or GatherElements(codebook [groups, K], indices, axis=1), "
        "or DequantizeLinear(codes). "
        "Was the network compressed before export? A float model needs --bits, or sample inputs: --calibration"
    )


def _interface(model: ir.Model) -> list[str]:
    """Names, types and shapes of what the graph takes and gives."""
    return [str((value.name, value.type, value.shape)) for value in (*model.graph.inputs, *model.graph.outputs)]
