"""Makes the files that the rivals of `bench/networks.py` run: one network, random weights, each system's best form.

Run by the rivals' own Python for what needs their packages:

    python bench/network_files.py KIND FLOAT.onnx SAMPLES.npz TARGET

KIND is onnxruntime-int8, onnxruntime-nbits, openvino-int8 or litert-int8. LiteRT reads no ONNX: for it FLOAT.pt2 lies
beside FLOAT.onnx, the same network as torch exports it.
"""

import pathlib
import sys
import tempfile

import numpy as np


class Samples:
    """A calibration reader as onnxruntime wants it: one sample after the other."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self._arrays = arrays
        self._next = 0

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next sample, or None."""
        first = self._next
        self._next += 1
        count = len(next(iter(self._arrays.values())))
        return None if first >= count else {name: array[first : first + 1] for name, array in self._arrays.items()}


def make_onnxruntime_int8(source: str, samples: dict[str, np.ndarray], target: str) -> None:
    """QDQ, activations uint8, weights int8 by channel: the form that onnxruntime runs fastest on x86."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        prepared = str(pathlib.Path(folder, "prepared.onnx"))
        quant_pre_process(source, prepared)
        quantize_static(
            prepared,
            target,
            Samples(samples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def make_openvino_int8(source: str, samples: dict[str, np.ndarray], target: str) -> None:
    """Quantized by NNCF from the float model."""
    import nncf
    import openvino

    model = openvino.Core().read_model(source)
    [array] = samples.values()
    dataset = nncf.Dataset([array[i : i + 1] for i in range(len(array))])
    openvino.save_model(nncf.quantize(model, dataset, subset_size=len(array)), target)


def make_onnxruntime_nbits(source: str, samples: dict[str, np.ndarray], target: str) -> None:
    """Matrices of 4 bits in blocks of 128, multiplied as int8: MatMulNBits at its fastest."""
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(onnx.load(source), bits=4, block_size=128, accuracy_level=4)
    quantizer.process()
    quantizer.model.save_model_to_file(target)


def make_litert_int8(source: str, samples: dict[str, np.ndarray], target: str) -> None:
    """Activations int8 by ranges from the samples, weights by channel; images channels last, floats in and out."""
    import litert_torch
    import torch
    from ai_edge_quantizer import quantizer, recipe
    from ai_edge_quantizer.qtyping import TFLOperationName

    [array] = samples.values()
    network = torch.export.load(pathlib.Path(source).with_suffix(".pt2")).module()
    if array.ndim == 4:
        network = litert_torch.to_channel_last_io(network, args=[0])
        array = np.ascontiguousarray(np.moveaxis(array, 1, -1))
    with tempfile.TemporaryDirectory() as folder:
        floats = str(pathlib.Path(folder, "float.tflite"))
        litert_torch.convert(network, (torch.from_numpy(array[:1]),)).export(floats)
        own = quantizer.Quantizer(floats, recipe.static_wi8_ai8())
        for edge in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
            own.update_quantization_recipe(".*", edge, algorithm_key=recipe.AlgorithmName.NO_QUANTIZE)
        data = {"serving_default": [{"args_0": array[i : i + 1]} for i in range(len(array))]}
        own.quantize(own.calibrate(data, num_threads=1)).export_model(target)


MAKERS = {
    "onnxruntime-int8": make_onnxruntime_int8,
    "onnxruntime-nbits": make_onnxruntime_nbits,
    "openvino-int8": make_openvino_int8,
    "litert-int8": make_litert_int8,
}


def main() -> None:
    kind, source, samples, target = sys.argv[1:]
    with np.load(samples) as arrays:
        MAKERS[kind](source, dict(arrays), target)


if __name__ == "__main__":
    main()
