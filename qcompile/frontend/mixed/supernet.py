"""One network for many plans of bits: its weights are shared by all bit-widths, its steps are not."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn
from torch.fx import GraphModule

from qcompile.bit_plan import BitPlan, LayerBits, nearest_width
from qcompile.errors import DataError
from qcompile.frontend.batch_norm import recompute_batch_statistics
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.quantized_layer import QuantizedLayer, StepsPer
from qcompile.frontend.mixed.stream_quantizer import StreamQuantizer
from qcompile.frontend.mixed.tracing import find_outputs, trace_quantized
from qcompile.frontend.selection import candidate_layers


class Supernet(nn.Module):
    """A traced network whose layers compute with the bits that were chosen last: the largest at first.

    ``layers``, ``candidates`` and ``outputs`` go by the layers' names in the original network, in its order.
    ``outputs`` holds the module that gives a layer's result: the batch normalization that follows it directly, where
    one does, else the layer. ``streams`` holds the 8-bit quantizers of sums and shortcuts, by their names in
    ``network``. Parameters have the names that they have in the original network, behind "network.".
    """

    def __init__(self, network: GraphModule, names: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        found = find_outputs(network)
        self.layers = {name: found[name][0] for name in names}
        self.outputs = {name: found[name][1] for name in names}
        self.candidates = {name: layer.candidates for name, layer in self.layers.items()}
        modules = network.named_modules()
        self.streams = {name: module for name, module in modules if isinstance(module, StreamQuantizer)}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [batch, classes] of ``images`` [batch, ...], computed with the chosen bits."""
        logits: torch.Tensor = self.network(images)
        return logits

    def choose(self, plan: BitPlan) -> None:
        """From now on computes with the bits of ``plan``.

        Raises DataError if ``plan`` names an unknown layer, leaves one out, or has bits that are no candidates; then
        nothing has changed.
        """
        self._check(plan)
        for name, layer in self.layers.items():
            layer.choose(plan[name])

    def chosen(self) -> dict[str, LayerBits]:
        """The bits that were chosen last."""
        return {name: layer.bits for name, layer in self.layers.items()}

    def largest(self) -> dict[str, LayerBits]:
        """Every layer at its largest candidates."""
        return {name: LayerBits(its.weight[-1], its.activation[-1]) for name, its in self.candidates.items()}

    def smallest(self) -> dict[str, LayerBits]:
        """Every layer at its smallest candidates."""
        return {name: LayerBits(its.weight[0], its.activation[0]) for name, its in self.candidates.items()}

    def uniform(self, bits: int) -> dict[str, LayerBits]:
        """Every layer at its largest candidates that are not above ``bits``, or its smallest where all are."""
        return {
            name: LayerBits(nearest_width(its.weight, bits), nearest_width(its.activation, bits))
            for name, its in self.candidates.items()
        }

    def steps(self) -> list[nn.Parameter]:
        """All learned steps, of layers and streams.

        They want an optimizer that moves each in proportion to its size. At a rate that suits the weights, gradients
        of few bits, which are large, throw the last layer's step of 8 bits across zero in some twenty iterations.
        """
        quantizers = (*self.layers.values(), *self.streams.values())
        own = {id(value) for layer in self.layers.values() for value in (layer.weight, layer.bias)}
        return [value for quantizer in quantizers for value in quantizer.parameters() if id(value) not in own]

    def _check(self, plan: BitPlan) -> None:
        unknown, missing = [name for name in plan if name not in self.layers], self.layers.keys() - plan.keys()
        if unknown or missing:
            raise DataError(
                f"plan: unknown layers {', '.join(unknown) or 'none'}; missing layers "
                f"{', '.join(name for name in self.layers if name in missing) or 'none'}"
            )
        for name, layer in self.layers.items():
            layer.check(plan[name], f"plan: {name}")


def build_supernet(
    network: nn.Module,
    candidates: Mapping[str, Candidates],
    example_images: torch.Tensor,
    calibration_images: torch.Tensor,
    *,
    steps_per: StepsPer = "layer",
) -> Supernet:
    """A Supernet with the weights of ``network``, which is not changed, in training mode, largest bits chosen.

    ``candidates`` names every Linear, Conv1d and Conv2d (see ``select_candidates``). ``example_images`` [batch, ...]
    tell the shapes; the steps start from the weights and from ``calibration_images``, one batch that goes through the
    network in inference mode. Weights have one step for a layer, or one for each output channel.

    Raises QCompileError for a network that torch.fx cannot trace, or with a layer that cannot be quantized.
    """
    names = list(candidate_layers(network))
    supernet = Supernet(trace_quantized(network, candidates, example_images, steps_per), names)
    initialize_steps(supernet, calibration_images)
    return supernet


def initialize_steps(supernet: Supernet, images: torch.Tensor) -> None:
    """Sets the steps of activations in place to those with the least error for one batch of ``images``.

    Each quantizer sees what the ones before it have rounded with the chosen bits. The mode of each module is kept.
    """
    modes = {module: module.training for module in supernet.modules()}
    quantizers = (*supernet.layers.values(), *supernet.streams.values())
    hooks = [quantizer.register_forward_pre_hook(_initialize) for quantizer in quantizers]
    supernet.eval()
    with torch.no_grad():
        supernet(images)
    for hook in hooks:
        hook.remove()
    for module, training in modes.items():
        module.training = training


def recalibrate(supernet: Supernet, batches: Iterable[torch.Tensor]) -> None:
    """Sets the batch statistics in place to those of the chosen plan, averaged over ``batches`` of training images.

    Every plan needs its own: accuracy with those of another means nothing. The images should be augmented as in
    training (decision 0010). Raises ValueError if there are no batches.
    """
    recompute_batch_statistics(supernet, batches)


def _initialize(quantizer: nn.Module, inputs: tuple[torch.Tensor]) -> None:
    assert isinstance(quantizer, QuantizedLayer | StreamQuantizer)
    quantizer.initialize_steps(inputs[0])
