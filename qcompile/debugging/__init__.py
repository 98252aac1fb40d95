"""Finds the bad layer: each packed layer against the tensor of the float model that it stands for."""

from qcompile.debugging.debug import MOST_BYTES, debug_files
from qcompile.debugging.result import DebuggedLayer, DebugResult

__all__ = ["MOST_BYTES", "DebugResult", "DebuggedLayer", "debug_files"]
