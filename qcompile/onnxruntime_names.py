"""`quantize_static` with the argument names of onnxruntime's quantizer, for who comes from there."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from qcompile.calibration import MeanSquareError, Method, MinMax, Percentile, Reader
from qcompile.compile_result import CompileResult
from qcompile.compiler import compile_file
from qcompile.errors import QCompileError
from qcompile.integers import Integers
from qcompile.layer_choice import LayerChoice

BITS = {"QInt8": 8, "QUInt8": 8, "QInt4": 4, "QUInt4": 4, "QInt2": 2, "QUInt2": 2}
CPU = "CPUExecutionProvider"
INSTEAD = {
    "ActivationSymmetric": "the codes of activations are unsigned and have a zero point where that fits better",
    "AddQDQPairToWeight": "weights are packed, and there are no pairs in the result",
    "TensorQuantOverrides": "bits by layer are compile_file's: Integers(weight_bits={name: bits})",
    "DedicatedQDQPair": "there are no pairs in the result",
    "ForceQuantizeNoInputCheck": "what is between layers becomes integers where it can",
    "SmoothQuant": "weights are rounded so that what layers give on the samples changes least",
    "WeightSymmetric": "the codes of weights are symmetric always",
}


class Named(Protocol):
    """What the members of onnxruntime's enumerations are: QuantType.QInt8, CalibrationMethod.MinMax."""

    @property
    def name(self) -> str:
        """Such as QInt8."""
        ...


def quantize_static(
    model_input: str | os.PathLike[str],
    model_output: str | os.PathLike[str],
    calibration_data_reader: Reader,
    *,
    quant_format: object = None,
    op_types_to_quantize: Sequence[str] | None = None,
    per_channel: bool = True,
    reduce_range: bool = False,
    activation_type: int | str | Named = 8,
    weight_type: int | str | Named = 8,
    nodes_to_quantize: Sequence[str] | None = None,
    nodes_to_exclude: Sequence[str] | None = None,
    use_external_data_format: bool = False,
    calibrate_method: str | Named | Method | None = None,
    calibration_providers: Sequence[str] | None = None,
    extra_options: Mapping[str, Any] | None = None,
    calibration_cache_path: str | os.PathLike[str] | None = None,
) -> CompileResult:
    """Compiles the float ONNX file ``model_input`` into ``model_output``, packed, all integers; what each layer became.

    The arguments are those of ``onnxruntime.quantization.quantize_static``; what would do something else here is an
    error, not ignored. ``activation_type`` and ``weight_type`` are 1 to 8 bits, or a QuantType of onnxruntime, or its
    name, of which only the bits count. ``nodes_to_quantize`` and ``nodes_to_exclude`` are names of nodes or layers, or
    patterns of these (* is anything). ``calibrate_method`` is MinMax or Percentile, of onnxruntime or ours, and the
    least squared error if None. ``extra_options`` may have CalibPercentile, a percentage. A file that names nothing of
    this, and all else that can be said, is ``compile_file``'s.

    Raises QCompileError for an argument that means nothing here, and as ``compile_file``.
    """
    _refuse(quant_format, per_channel, reduce_range, use_external_data_format, calibration_providers)
    if not isinstance(model_input, str | os.PathLike):
        raise QCompileError(
            f"model_input: {type(model_input).__name__}, wanted a path; qcompile.compiler.compile_model takes models"
        )
    integers = Integers(
        calibration_data_reader,
        activation_bits=_bits("activation_type", activation_type),
        weight_bits=_bits("weight_type", weight_type),
        method=_method(calibrate_method, _percentile(extra_options or {})),
        cache=None if calibration_cache_path is None else pathlib.Path(calibration_cache_path),
    )
    chosen = (nodes_to_exclude, nodes_to_quantize, op_types_to_quantize)
    layers = LayerChoice(*(tuple(names or ()) for names in chosen))
    return compile_file(
        pathlib.Path(model_input),
        pathlib.Path(model_output),
        integers=integers,
        layers=None if layers == LayerChoice() else layers,
    )


def _refuse(quant_format: object, per_channel: bool, reduce_range: bool, external: bool, providers: object) -> None:
    """Raises QCompileError for what would do something else here."""
    refusals = (
        (quant_format is not None, "quant_format", "the result has packed operators, neither QDQ nor QOperator"),
        (not per_channel, "per_channel=False", "weights have a scale for each output always, which costs no time"),
        (reduce_range, "reduce_range", "no sum of products overflows in our kernels"),
        (external, "use_external_data_format", "the result is one file, of 2 GB at most"),
        (providers is not None and providers != [CPU], "calibration_providers", "samples run on the CPU"),
    )
    for asked, name, reason in refusals:
        if asked:
            raise QCompileError(f"quantize_static: {name} means nothing here: {reason}. Leave it out")


def _bits(argument: str, given: int | str | Named) -> int:
    """The bits that ``given`` stands for."""
    name = given if isinstance(given, int | str) else getattr(given, "name", repr(given))
    bits = BITS.get(name) if isinstance(name, str) else name
    if bits is None or isinstance(bits, bool) or not 1 <= bits <= 8:
        raise QCompileError(
            f"quantize_static: {argument} is {name}, wanted 1 to 8, or one of {', '.join(BITS)}; layers in "
            "nodes_to_exclude stay float"
        )
    return bits


def _percentile(options: Mapping[str, Any]) -> Percentile:
    """The percentile of ``options``. Raises QCompileError where they say anything else."""
    for name in options:
        if name != "CalibPercentile":
            reason = INSTEAD.get(name, "qcompile knows CalibPercentile alone; see qcompile.compiler.compile_file")
            raise QCompileError(f"quantize_static: extra_options: {name} means nothing here: {reason}. Leave it out")
    try:
        return Percentile(options["CalibPercentile"]) if options else Percentile()
    except (TypeError, ValueError) as error:
        raise QCompileError(f"quantize_static: extra_options: CalibPercentile: {error}") from error


def _method(given: str | Named | Method | None, percentile: Percentile) -> Method:
    """How ranges are found."""
    if given is None or isinstance(given, Method):
        return given or MeanSquareError()
    name = given if isinstance(given, str) else getattr(given, "name", repr(given))
    methods: dict[str, Method] = {"MinMax": MinMax(), "Percentile": percentile}
    if name not in methods:
        raise QCompileError(
            f"quantize_static: calibrate_method is {name}, wanted MinMax or Percentile, or none for the least squared "
            "error, which serves where onnxruntime has Entropy or Distribution"
        )
    return methods[name]
