"""Learns low-bit weights with torch and exports them; the only folder besides models/ that imports torch.

Exports and compiles any module or program as well.
"""

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks import (
    Adaptive,
    Binary,
    Fixed,
    IntegerAdaptive,
    IntegerScaled,
    LearnedWidths,
    PowersOfTwo,
    Scaled,
    ScaledBinary,
    ScaledShifted,
    ScaledTernary,
    Shared,
    Ternary,
    UniformGrid,
)
from qcompile.frontend.compile_module import compile_module, compile_program
from qcompile.frontend.corrections import Corrected
from qcompile.frontend.direct import compress_directly, decoded
from qcompile.frontend.export import export_onnx
from qcompile.frontend.export_module import export_module, export_program
from qcompile.frontend.iterated_direct import iterate_direct_compression
from qcompile.frontend.lc import learn_compressed
from qcompile.frontend.lc_state import IterationRecord, LayerRecord, LearningState
from qcompile.frontend.learning_step import LearningStep
from qcompile.frontend.program_file import load_program
from qcompile.frontend.schedule import Schedule
from qcompile.frontend.straight_through import train_straight_through
from qcompile.frontend.stuck import StuckAtDirectCompressionWarning

__all__ = [
    "Adaptive",
    "Binary",
    "CodebookWeight",
    "Corrected",
    "Fixed",
    "IntegerAdaptive",
    "IntegerScaled",
    "IterationRecord",
    "LayerRecord",
    "LearnedWidths",
    "LearningState",
    "LearningStep",
    "PowersOfTwo",
    "Scaled",
    "ScaledBinary",
    "ScaledShifted",
    "ScaledTernary",
    "Schedule",
    "Shared",
    "StuckAtDirectCompressionWarning",
    "Ternary",
    "UniformGrid",
    "compile_module",
    "compile_program",
    "compress_directly",
    "decoded",
    "export_module",
    "export_onnx",
    "export_program",
    "iterate_direct_compression",
    "learn_compressed",
    "load_program",
    "train_straight_through",
]
