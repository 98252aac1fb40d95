"""Learns low-bit weights with torch and exports them; the only folder besides models/ that imports torch."""

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks import (
    Adaptive,
    Binary,
    Fixed,
    IntegerAdaptive,
    IntegerScaled,
    PowersOfTwo,
    Scaled,
    ScaledBinary,
    ScaledShifted,
    ScaledTernary,
    Shared,
    Ternary,
    UniformGrid,
)
from qcompile.frontend.direct import compress_directly, decoded
from qcompile.frontend.export import export_onnx
from qcompile.frontend.lc import LearningStep, learn_compressed
from qcompile.frontend.lc_state import IterationRecord, LearningState
from qcompile.frontend.schedule import Schedule

__all__ = [
    "Adaptive",
    "Binary",
    "CodebookWeight",
    "Fixed",
    "IntegerAdaptive",
    "IntegerScaled",
    "IterationRecord",
    "LearningState",
    "LearningStep",
    "PowersOfTwo",
    "Scaled",
    "ScaledBinary",
    "ScaledShifted",
    "ScaledTernary",
    "Schedule",
    "Shared",
    "Ternary",
    "UniformGrid",
    "compress_directly",
    "decoded",
    "export_onnx",
    "learn_compressed",
]
