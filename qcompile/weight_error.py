"""How far a packed layer's weight is from the float model's."""

import pathlib

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


def weight_sqnr_db(layer: PackedLayer, floats: onnx.ModelProto) -> float | None:
    """10 log10(sum w^2 / sum (w - v)^2), w the weights of the layer's namesake in ``floats``, v those of the file.

    Scale and corrections of the file count as part of v. Where ``floats`` normalizes what the weight computes, the
    gain of a channel is of no consequence and the file's has the normalization's factor in it: then v is compared at
    the gain of each channel that comes nearest to w. None where the layer has no namesake: compiling made it.
    """
    weight, found = _float_weight(layer, floats), layer.effective_weight()
    if weight is None:
        return None
    if _feeds_batch_normalization(layer, floats):
        found = _at_best_gain(found, weight)
    noise = float(np.square(weight - found).sum())
    return float("inf") if noise == 0 else 10 * float(np.log10(np.square(weight).sum() / noise))


def _at_best_gain(found: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``found`` with each row of axis 0 times the factor that brings it nearest to ``weight``."""
    inner = tuple(range(1, weight.ndim))
    power = np.square(found).sum(axis=inner, keepdims=True)
    product = (found * weight).sum(axis=inner, keepdims=True)
    gain: npt.NDArray[np.float64] = np.divide(product, power, out=np.zeros_like(power), where=power > 0)
    return found * gain


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
