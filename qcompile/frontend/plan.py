"""The plan: what each layer became. Embedded in the exported model, and read by the report."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks import Codebook, Shared, UniformGrid
from qcompile.frontend.corrections import Corrected
from qcompile.frontend.selection import candidate_layers

SCHEMA_VERSION = 1
_SIZES = ("entries", "bits", "groups", "corrections")


def describe_layers(
    network: nn.Module, codebooks: Mapping[str, Codebook], weights: Mapping[str, CodebookWeight], method: str
) -> list[dict[str, Any]]:
    """A JSON object for each layer that could be compressed, in the network's order; those left alone have no bits."""
    layers = []
    for layer, name in candidate_layers(network).items():
        shape = network.get_parameter(name).shape
        size = {"name": layer or name, "parameter": name, "weight_shape": list(shape), "weight_count": shape.numel()}
        if name in weights:
            layers.append(size | _describe(codebooks[name], weights[name], method))
        else:
            layers.append(size | {"method": "float"} | dict.fromkeys(("codebook", *_SIZES)))
    return layers


def _describe(codebook: Codebook, weight: CodebookWeight, method: str) -> dict[str, Any]:
    groups, entries = weight.codebook.shape
    kind = _kind(codebook)
    corrections = 0 if weight.corrections is None else len(weight.corrections.positions)
    sizes = dict(zip(_SIZES, (entries, weight.bits, groups, corrections), strict=True))
    return {"method": method, "codebook": kind} | sizes


def _kind(codebook: Codebook) -> str:
    """What a recipe calls it, "shared" before it where several layers share one."""
    match codebook:
        case Shared():
            return f"shared {_kind(codebook.codebook)}"
        case Corrected():
            return _kind(codebook.codebook)
        case UniformGrid():
            return "uniform"
    name = type(codebook).__name__
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
