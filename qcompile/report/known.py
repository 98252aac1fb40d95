"""What is known of a packed file beside the file itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx

from qcompile.debugging import DebuggedLayer, DebugResult
from qcompile.report.front import ReadPlan
from qcompile.report.measured import Measured
from qcompile.tensor_shapes import Shape


@dataclass(frozen=True, eq=False)
class Known:
    """Each None or empty where it was not asked for: the float model, kernels by a layer's output, measurements.

    ``chosen`` is the plan of bits that the file was compiled by, ``plan`` what learning embedded in it.
    """

    floats: onnx.ModelProto | None
    kernels: Mapping[str, str]
    debugged: DebugResult | None
    measured: Measured | None
    chosen: ReadPlan | None
    shapes: Mapping[str, Shape]
    plan: dict[str, Any] | None

    def debugged_layer(self, name: str) -> DebuggedLayer | None:
        """What debugging found of the layer ``name``; None where two have that name."""
        found = [] if self.debugged is None else [each for each in self.debugged.layers if each.name == name]
        return found[0] if len(found) == 1 else None
