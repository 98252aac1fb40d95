"""Which weights are compressed, and with which codebook: patterns on module names, the first match wins."""

import difflib
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Literal

from torch import nn

from qcompile.errors import RecipeError
from qcompile.frontend.codebooks import Codebook

LayerRules = Mapping[str, Codebook | Literal["float"]]


def select_codebooks(network: nn.Module, rules: LayerRules) -> dict[str, Codebook]:
    """The codebook of each weight that is compressed, by parameter name ("fc1.weight"), in the network's order.

    ``rules`` maps patterns on module names ("fc*", "conv1", "*") to a codebook, or to "float" for a layer that is
    left alone; the first match wins. Only weights of Linear, Conv1d and Conv2d take part; biases stay float. A
    weight that two modules share counts once, under its first name.

    Raises RecipeError if a pattern matches no layer, or none that an earlier one has not taken, or if no weight is
    left to compress.
    """
    layers = candidate_layers(network)
    taken = first_matches(layers, rules)
    codebooks = {layers[layer]: rules[pattern] for layer, pattern in taken.items() if pattern is not None}
    chosen = {name: codebook for name, codebook in codebooks.items() if not isinstance(codebook, str)}
    if not chosen:
        raise RecipeError(f"no layer gets a codebook; the layers are {', '.join(layers) or 'none'}")
    return chosen


def candidate_layers(network: nn.Module) -> dict[str, str]:
    """The parameter names of the weights that can be compressed, by module names, in the network's order."""
    layers: dict[str, str] = {}
    seen: set[int] = set()
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d) and id(module.weight) not in seen:
            seen.add(id(module.weight))
            layers[name] = f"{name}.weight".lstrip(".")
    return layers


def first_matches(layers: Collection[str], patterns: Collection[str]) -> dict[str, str | None]:
    """For each of ``layers``, in their order, the first of ``patterns`` that matches its name; None where none does.

    Raises RecipeError if a pattern matches no layer, or none that an earlier one has not taken.
    """
    taken = {layer: next((found for found in patterns if fnmatchcase(layer, found)), None) for layer in layers}
    for pattern in patterns:
        _check_used(pattern, layers, taken)
    return taken


def _check_used(pattern: str, layers: Collection[str], taken: Mapping[str, str | None]) -> None:
    if pattern in taken.values():
        return
    if any(fnmatchcase(layer, pattern) for layer in layers):
        raise RecipeError(f'layers: earlier patterns take all that "{pattern}" matches; put it before them')
    near = difflib.get_close_matches(pattern, layers) or list(layers)
    raise RecipeError(f'layers: "{pattern}" matches no layer; near names: {", ".join(near[:10]) or "none"}')
