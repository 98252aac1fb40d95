"""How far a packed layer's weight is from the float model's."""

import pathlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from qcompile.errors import ModelError
from qcompile.loading import load_model
from qcompile.packed_model import PackedLayer


def load_float(path: str | pathlib.Path, layers: list[PackedLayer]) -> onnx.ModelProto:
    """The float model. Raises ModelError if it has the weight of no layer."""
    floats = load_model(path)
    names = {tensor.name for tensor in floats.graph.initializer}
    if not any(f"{layer.name}.weight" in names for layer in layers):
        known = ", ".join(sorted(names)) or "none"
        raise ModelError(f"float model: no weight {layers[0].name}.weight; it has {known}. Is it the same network?")
    return floats


@dataclass(frozen=True, eq=False)
class ComparedWeight:
    """``wanted``, the float model's weight, and ``found``, the file's at ``gains``, both shaped as the layer's weight.

    ``gains`` [n], by axis 0, are ones but where the float model normalizes what the weight computes.
    """

    wanted: npt.NDArray[np.float64]
    found: npt.NDArray[np.float64]
    gains: npt.NDArray[np.float64]

    def sqnr_db(self) -> float:
        """10 log10(sum w^2 / sum (w - v)^2), w what is wanted and v what is found."""
        noise = float(np.square(self.wanted - self.found).sum())
        return float("inf") if noise == 0 else 10 * float(np.log10(np.square(self.wanted).sum() / noise))


def compare_weight(layer: PackedLayer, floats: onnx.ModelProto) -> ComparedWeight | None:
    """The layer's weight beside that of its namesake in ``floats``; None where it has none: compiling made it.

    Scale and corrections of the file count as part of its weight. Where ``floats`` normalizes what the weight computes,
    the gain of a channel is of no consequence and the file's has the normalization's factor in it: then the file's
    weight is taken at the gain of each channel that comes nearest to the float one.
    """
    weight, found = _float_weight(layer, floats), layer.effective_weight()
    if weight is None:
        return None
    gains = np.ones(layer.weight_shape[0])
    if _feeds_batch_normalization(layer, floats):
        gains = _best_gains(found, weight)
    return ComparedWeight(weight, found * gains.reshape(-1, *[1] * (found.ndim - 1)), gains)


def _best_gains(found: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """For each row of axis 0 of ``found`` the factor that brings it nearest to ``weight``."""
    inner = tuple(range(1, weight.ndim))
    power = np.square(found).sum(axis=inner)
    product = (found * weight).sum(axis=inner)
    gains: npt.NDArray[np.float64] = np.divide(product, power, out=np.zeros_like(power), where=power > 0)
    return gains


def _float_weight(layer: PackedLayer, floats: onnx.ModelProto) -> npt.NDArray[np.float64] | None:
    """The weight of the layer's namesake; None where it has none."""
    name = f"{layer.name}.weight"
    for tensor in floats.graph.initializer:
        if tensor.name == name:
            weight = numpy_helper.to_array(tensor).astype(np.float64)
            if layer.is_decoded_at_load and weight.size == layer.weights:
                return weight.reshape(layer.weight_shape)
            if weight.shape == layer.weight_shape:
                return weight
            if weight.T.shape == layer.weight_shape:
                return weight.T
            raise ModelError(f"float model: {name} is {list(weight.shape)}, packed is {list(layer.weight_shape)}")
    return None


def _feeds_batch_normalization(layer: PackedLayer, floats: onnx.ModelProto) -> bool:
    outputs = {o for n in floats.graph.node if f"{layer.name}.weight" in n.input for o in n.output}
    return any(n.op_type == "BatchNormalization" and n.input[0] in outputs for n in floats.graph.node)
