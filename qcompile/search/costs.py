"""What a plan of bits costs: bytes in the packed file, bit operations, bits of a weight on average, and time.

Each cost is a sum over layers of whole numbers, so it is exact in whatever order it is added up.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.errors import DataError
from qcompile.search.latency import LatencyTable
from qcompile.tiles import tiled_size

FLOAT_BYTES = 4
NANOSECONDS_IN_MS = 1_000_000


@dataclass(frozen=True)
class LayerCost:
    """A layer as far as its costs go, and the bits that it may have.

    ``weight_shape`` is as ONNX has it, [n, channels / groups, *kernel] or [n, k]; ``positions`` is at how many places
    of one image the layer multiplies by it: 1 for a fully connected layer. ``weight`` and ``activation`` are the
    candidates, ascending; one entry is a width that is never searched. ``codebook_bytes`` are those of
    codebooks, by the bits of the weight: none for a uniform grid. Raises DataError for other candidates.
    """

    name: str
    weight_shape: tuple[int, ...]
    groups: int
    positions: int
    weight: tuple[int, ...]
    activation: tuple[int, ...]
    codebook_bytes: Mapping[int, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for role, widths in (("weight", self.weight), ("activation", self.activation)):
            if not widths or list(widths) != sorted(set(widths)):
                raise DataError(f"{self.name}: {role} candidates are {list(widths)}, wanted ascending widths")
        for bits in self.options():
            LayerBits(bits.weight, bits.activation)

    @property
    def weights(self) -> int:
        """How many weights the layer has."""
        return math.prod(self.weight_shape)

    @property
    def multiply_adds(self) -> int:
        """Products that are summed up for one image; those with padding count, as they do everywhere."""
        return self.weights * self.positions

    def options(self) -> tuple[LayerBits, ...]:
        """All pairs of candidates, weights outermost, ascending."""
        return tuple(LayerBits(weight, activation) for weight in self.weight for activation in self.activation)


@dataclass(frozen=True)
class Costs:
    """What layers cost together.

    ``packed_bytes`` are those of indices, codebooks, scale and bias in a packed file; ``bit_operations`` are
    multiply-adds of one image times weight bits times activation bits; ``weight_bits`` are those of all ``weights``.
    ``nanoseconds`` is None where no table of times was given.
    """

    packed_bytes: int
    bit_operations: int
    weight_bits: int
    weights: int
    nanoseconds: int | None = None

    @property
    def average_bits(self) -> float:
        """Bits of a weight, on average over all weights."""
        return self.weight_bits / self.weights

    @property
    def latency_ms(self) -> float | None:
        """Milliseconds; None where no table of times was given."""
        return None if self.nanoseconds is None else self.nanoseconds / NANOSECONDS_IN_MS

    def __add__(self, other: "Costs") -> "Costs":
        return Costs(
            self.packed_bytes + other.packed_bytes,
            self.bit_operations + other.bit_operations,
            self.weight_bits + other.weight_bits,
            self.weights + other.weights,
            _sum(self.nanoseconds, other.nanoseconds),
        )

    def __sub__(self, other: "Costs") -> "Costs":
        time = None if other.nanoseconds is None else -other.nanoseconds
        return self + Costs(-other.packed_bytes, -other.bit_operations, -other.weight_bits, -other.weights, time)


def cost_of_layer(layer: LayerCost, bits: LayerBits, latencies: LatencyTable | None = None) -> Costs:
    """The costs of ``layer`` at ``bits``.

    Indices in tiles (docs/packed-format.md, section 7), codebooks where the layer has them,
    and a scale and a bias, float32, for each output. Raises DataError if ``latencies`` has no time for these bits.
    """
    tiles = tiled_size(layer.weight_shape, layer.groups, bits.weight)
    time = None if latencies is None else round(latencies.time_ms(layer.name, bits) * NANOSECONDS_IN_MS)
    return Costs(
        packed_bytes=tiles + layer.codebook_bytes.get(bits.weight, 0) + 2 * FLOAT_BYTES * layer.weight_shape[0],
        bit_operations=layer.multiply_adds * bits.weight * bits.activation,
        weight_bits=layer.weights * bits.weight,
        weights=layer.weights,
        nanoseconds=time,
    )


def costs_of_plan(layers: Sequence[LayerCost], plan: BitPlan, latencies: LatencyTable | None = None) -> Costs:
    """The costs of all ``layers`` at the bits of ``plan``; the time is that of the whole network.

    Raises DataError if ``plan`` is not of these layers, or ``latencies`` has no time for a layer's bits.
    """
    check_plan(layers, plan)
    total = Costs(0, 0, 0, 0, None if latencies is None else round(latencies.other_ms * NANOSECONDS_IN_MS))
    for layer in layers:
        total += cost_of_layer(layer, plan[layer.name], latencies)
    return total


def packed_bytes(layers: Sequence[LayerCost], plan: BitPlan) -> int:
    """Bytes of the operands of ``layers`` in a packed file: indices, scale and bias.

    The graph, its function bodies and tables of codes (256 bytes each) come on top. Operands of two layers that are
    equal byte for byte are stored once, and count twice here.
    """
    return costs_of_plan(layers, plan).packed_bytes


def bit_operations(layers: Sequence[LayerCost], plan: BitPlan) -> int:
    """The sum over layers of multiply-adds of one image, times weight bits, times activation bits."""
    return costs_of_plan(layers, plan).bit_operations


def average_bits(layers: Sequence[LayerCost], plan: BitPlan) -> float:
    """Bits of a weight, on average over all weights of ``layers``."""
    return costs_of_plan(layers, plan).average_bits


def check_plan(layers: Sequence[LayerCost], plan: BitPlan) -> None:
    """Raises DataError if ``plan`` names other layers than ``layers``; its bits need not be candidates."""
    names = {layer.name for layer in layers}
    missing, unknown = names - set(plan), set(plan) - names
    if missing or unknown:
        found = [f"{kind} {', '.join(sorted(some))}" for kind, some in (("lacks", missing), ("adds", unknown)) if some]
        raise DataError(f"the plan {' and '.join(found)}; wanted bits for {', '.join(sorted(names))}")


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b
