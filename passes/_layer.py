"""A node that reads a codebook weight, as the operator of ours that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from qcompile.ops import Bytes, Floats
from qcompile.passes._match import LeftAloneError, constant
from qcompile.passes._weight import Integers, Weight


@dataclass(frozen=True, eq=False)
class Layer:
    """A node that reads a codebook weight, as the operator of ours that it becomes.

    ``weight`` is what the node reads; ``indices`` are uint8 [n, ...], output channels first, rows of ``codebook``
    [groups, K]. ``scale`` and ``bias`` are float32 [n] or None; ``bias_source`` is the bias that the node reads.
    ``corrections`` are float32, shaped like ``indices``, zero nearly everywhere, and not scaled; None for none.
    """

    operator: str
    x: ir.Value
    weight: ir.Value
    indices: Bytes
    codebook: Floats
    scale: Floats | None = None
    bias: Floats | None = None
    bias_source: ir.Value | None = None
    corrections: Floats | None = None
    attributes: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)


def make_layer(
    operator: str,
    x: ir.Value,
    source: ir.Value,
    weight: Weight,
    *,
    gain: float = 1.0,
    bias: Floats | None = None,
    bias_source: ir.Value | None = None,
    attributes: Mapping[str, int | tuple[int, ...]] | None = None,
) -> Layer:
    """The layer whose weight is ``gain`` times ``weight``, output channels first, which ``source`` is in the graph.

    Raises LeftAloneError unless equally many neighbouring channels share each codebook, and each has one factor.
    """
    indices = _split_by_group(weight)
    codebook, scale = _split_factors(weight, gain)
    with np.errstate(over="ignore"):
        corrections = None if weight.corrections is None else (weight.corrections * gain).astype(np.float32)
    if corrections is not None and not corrections.any():
        corrections = None
    return Layer(operator, x, source, indices, codebook, scale, bias, bias_source, corrections, attributes or {})


def _split_by_group(weight: Weight) -> Bytes:
    """The indices into each output channel's own codebook, uint8, shaped like ``weight`` [n, ...].

    Raises LeftAloneError unless equally many neighbouring channels share each codebook.
    """
    groups, size = weight.codebook.shape
    entries, outputs = weight.entries, weight.entries.shape[0]
    owners = np.arange(outputs) * groups // outputs
    if outputs % groups or not np.array_equal(entries.reshape(outputs, -1) // size, _columns(owners, entries)):
        raise LeftAloneError(
            f"its {groups} codebooks do not each serve {outputs}/{groups} neighbouring output channels"
        )
    return np.asarray(entries % size, dtype=np.uint8)


def read_bias(value: ir.Value | None, outputs: int, shapes: tuple[tuple[int, ...], ...]) -> Floats | None:
    """The constant bias of a node for each of its ``outputs`` channels, float32 [n].

    Raises LeftAloneError where it is not constant or has none of ``shapes``.
    """
    if value is None:
        return None
    bias = constant(value)
    if bias is None:
        raise LeftAloneError("its bias is not constant")
    if bias.dtype != np.float32 or bias.shape not in shapes:
        raise LeftAloneError(
            f"its bias is {bias.dtype} {list(bias.shape)}, not one float32 for each of {outputs} outputs"
        )
    return np.broadcast_to(bias.reshape(-1), (outputs,)).astype(np.float32)


def _split_factors(weight: Weight, gain: float) -> tuple[Floats, Floats | None]:
    """The codebook [groups, K] and the scale [n] or None.

    One factor for the whole weight goes into the codebook: rounded once there, as the lookup times the factor is.
    """
    codebook, outputs = weight.codebook, weight.entries.shape[0]
    factors = np.ones((outputs, 1)) if weight.factors is None else weight.factors.reshape(outputs, -1)
    each = factors[:, 0]
    if not (factors == each[:, None]).all():
        raise LeftAloneError(f"its scale is not one factor for each of {outputs} output channels")
    with np.errstate(over="ignore"):
        if (each == each[0]).all():
            scale = None if gain == 1 else np.full(outputs, gain, np.float32)
            return (codebook.astype(np.float64) * each[0]).astype(np.float32), scale
        return codebook, (each * gain).astype(np.float32)


def _columns(owners: Integers, entries: Integers) -> Integers:
    return np.broadcast_to(owners[:, None], (len(owners), entries.size // len(owners)))
