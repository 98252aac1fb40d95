"""Pad(zeros around the pixels)  ->  Conv, whose own pads they become.

Networks from TensorFlow pad so: more behind than before. A convolution with pads reads what lies before the Pad, so one
tensor less is written.
"""

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.passes._match import is_standard, sole_reader
from qcompile.passes._operands import drop_unused
from qcompile.passes._pads import zero_pads


class FusePads(ir.passes.InPlacePass):
    """Adds the zeros that a Pad puts around pixels to the pads of the Conv that reads them.

    Requires: a model that the ONNX checker accepts.
    Ensures: no such Pad is left.
    Leaves alone: a Pad of batch or channels, one that cuts, and one that others read; a Conv with auto_pad SAME_*.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fuses the last Pad first, so that several before one Conv all join it."""
        fused = [_fuse(node) for node in reversed(list(model.graph))]
        return ir.passes.PassResult(model, modified=any(fused))

    def ensures(self, model: ir.Model) -> None:
        """Raises PostconditionError if a Pad could still be fused."""
        for node in model.graph:
            if _read(node) is not None:
                raise ir.passes.PostconditionError(f"{node.name}: was not fused")


def _fuse(node: ir.Node) -> bool:
    """Fuses the Pad ``node`` if it can be; says whether it was."""
    found = _read(node)
    if found is None:
        return False
    convolution, added = found
    pads = np.array(convolution.attributes.get_ints("pads", (0,) * added.size)) + added
    convolution.attributes["pads"] = ir.AttrInt64s("pads", pads.tolist())
    convolution.attributes.pop("auto_pad", None)  # VALID or NOTSET
    output = node.outputs[0]
    convolution.replace_input_with(0, node.inputs[0])
    drop_unused(output)
    return True


def _read(node: ir.Node) -> tuple[ir.Node, npt.NDArray[np.int64]] | None:
    """The Conv that the Pad ``node`` can join, and what it adds to each of its pads; None where there is none."""
    pads = zero_pads(node)
    reader = None if pads is None else sole_reader(node.outputs[0])
    if pads is None or reader is None or not is_standard(reader, "Conv") or reader.inputs[0] is not node.outputs[0]:
        return None
    mode, added = reader.attributes.get_string("auto_pad", "NOTSET"), pads[:, 2:].reshape(-1)
    fits = len(reader.attributes.get_ints("pads", (0,) * added.size)) == added.size
    if pads[:, :2].any() or (pads < 0).any() or mode not in ("NOTSET", "VALID") or not fits:
        return None
    return reader, added
