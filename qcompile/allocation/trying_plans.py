"""Compiles a plan and judges the file on the samples that were held out."""

import pathlib
import tempfile
from dataclasses import replace

from qcompile.allocation.agreement import FloatModel
from qcompile.allocation.result import PlanTrial, with_plan
from qcompile.allocation.samples import Batch
from qcompile.bit_plan import BitPlan
from qcompile.compiler import compile_file
from qcompile.integers import Integers
from qcompile.layer_choice import LayerChoice
from qcompile.loading import load_model
from qcompile.packed_model import packed_layers


def try_plan(
    source: pathlib.Path,
    template: Integers,
    seen: tuple[Batch, ...],
    model: FloatModel,
    plan: BitPlan,
    layers: LayerChoice | None = None,
) -> PlanTrial:
    """What ``source``, compiled at ``plan`` with the samples ``seen``, gives on those that ``model`` holds out.

    ``plan`` has no layer that ``layers`` leaves float. Raises QCompileError if it cannot be compiled.
    """
    with tempfile.TemporaryDirectory() as folder:
        packed = pathlib.Path(folder, "packed.onnx")
        compile_file(source, packed, integers=replace(with_plan(template, seen, plan), cache=None), layers=layers)
        return judge(packed, model, plan)


def judge(packed: pathlib.Path, model: FloatModel, plan: BitPlan) -> PlanTrial:
    """What the file ``packed``, compiled at ``plan``, has in bytes and gives on the samples held out."""
    return PlanTrial(plan, layer_bytes(packed, plan), model.agreement(packed))


def layer_bytes(packed: pathlib.Path, plan: BitPlan) -> int:
    """The bytes of indices, codebooks, scales and biases that the layers of ``plan`` have in the file."""
    layers = [layer for layer in packed_layers(load_model(packed)) if layer.name in plan]
    return sum(array.nbytes for layer in layers for _, array in layer.operands().values())
