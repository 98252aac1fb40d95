"""Writes a supernet at its chosen bits as ONNX of standard operators: codes of weights, pairs for activations."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
import torch

from qcompile.frontend.export_graph import add_initializer, optimize_around, reveal, trace, write_model
from qcompile.frontend.mixed.deployed import TRANSLATIONS, deploy
from qcompile.frontend.mixed.quantized_layer import QuantizedLayer
from qcompile.frontend.mixed.supernet import Supernet


def export_supernet(
    supernet: Supernet,
    example_images: torch.Tensor,
    path: str | pathlib.Path,
    *,
    plan: Mapping[str, Any] | None = None,
) -> None:
    """Writes ``supernet``, with the bits and the batch statistics that it has now, to ``path``.

    A weight is DequantizeLinear of int8 codes that fit its bits; an activation is QuantizeLinear and DequantizeLinear
    of uint8 codes, with a Clip before it where it has fewer bits. Axis 0 of ``example_images`` is the batch and stays
    free. ``plan`` is embedded as JSON. ``supernet`` is not changed. Raises QCompileError as ``trace`` does.
    """
    model = trace(deploy(supernet), (example_images,), ("input",), ("output",), TRANSLATIONS)
    layers = {f"{name}.weight": layer for name, layer in supernet.layers.items()}
    optimize_around(model, layers)
    for name, layer in layers.items():
        reveal(model.graph, name, [_dequantization(model.graph, name, layer)])
    write_model(model, path, plan)


def _dequantization(graph: ir.Graph, name: str, layer: QuantizedLayer) -> ir.Node:
    """DequantizeLinear of the codes of ``layer``'s weight, with one step, or one for each output channel."""
    step = layer.weight_step(layer.bits.weight).detach()
    codes = add_initializer(graph, f"{name}.codes", layer.weight_codes(layer.bits.weight).numpy().astype(np.int8))
    scale = add_initializer(graph, f"{name}.step", (step if step.dim() == 0 else step.flatten()).numpy())
    attributes = {} if step.dim() == 0 else {"axis": 0}
    return ir.node("DequantizeLinear", [codes, scale], attributes, name=f"{name}.dequantize")
