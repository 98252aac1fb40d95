"""The plans that a search chooses among, with what each costs."""

from dataclasses import dataclass
from functools import cached_property

from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.errors import DataError
from qcompile.search.costs import Costs, LayerCost, check_plan, cost_of_layer, costs_of_plan
from qcompile.search.latency import LatencyTable


@dataclass(frozen=True)
class SearchSpace:
    """Layers with their candidates, in the network's order, and the times of each where time is limited.

    Raises DataError if there is no layer, or two have one name.
    """

    layers: tuple[LayerCost, ...]
    latencies: LatencyTable | None = None

    def __post_init__(self) -> None:
        names = [layer.name for layer in self.layers]
        if not names or len(set(names)) != len(names):
            raise DataError(f"the layers to search are {', '.join(names) or 'none'}; wanted some, each once")

    def largest(self) -> dict[str, LayerBits]:
        """Every layer at its largest candidates."""
        return {layer.name: LayerBits(layer.weight[-1], layer.activation[-1]) for layer in self.layers}

    def smallest(self) -> dict[str, LayerBits]:
        """Every layer at its smallest candidates."""
        return {layer.name: LayerBits(layer.weight[0], layer.activation[0]) for layer in self.layers}

    def costs(self, plan: BitPlan) -> Costs:
        """What ``plan`` costs. Raises DataError if it is not of these layers or its times were not measured."""
        return costs_of_plan(self.layers, plan, self.latencies)

    def costs_of(self, layer: str, bits: LayerBits) -> Costs:
        """What one layer costs at candidates of it."""
        return self._costs[layer][bits]

    def costs_after(self, costs: Costs, plan: BitPlan, changed: BitPlan) -> Costs:
        """What ``plan``, which costs ``costs``, costs when some layers get the bits in ``changed``."""
        for layer, bits in changed.items():
            costs = costs - self._costs[layer][plan[layer]] + self._costs[layer][bits]
        return costs

    def check(self, plan: BitPlan) -> None:
        """Raises DataError if ``plan`` is of other layers, or has bits that are no candidates."""
        check_plan(self.layers, plan)
        for layer in self.layers:
            bits = plan[layer.name]
            if bits.weight not in layer.weight or bits.activation not in layer.activation:
                raise DataError(
                    f"{layer.name}: weight {bits.weight} and activation {bits.activation} bits; the candidates are "
                    f"{list(layer.weight)} and {list(layer.activation)}"
                )

    @cached_property
    def _costs(self) -> dict[str, dict[LayerBits, Costs]]:
        return {
            layer.name: {bits: cost_of_layer(layer, bits, self.latencies) for bits in layer.options()}
            for layer in self.layers
        }
