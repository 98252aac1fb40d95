"""One float model compiled in several ways, each judged by its predictions; the rival by onnxruntime's own tool."""

import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from compile_networks import Case
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from qcompile import runtime
from qcompile.calibration import ArrayReader
from qcompile.compiler import Integers, compile_file
from qcompile.rounding import SecondOrder
from qcompile.rounding.methods import Values

BATCH = 50


@dataclass(frozen=True)
class Way:
    """Bits of weights and activations; ``wanted_drop`` is how many points of accuracy it may lose at most.

    ``values`` is what weights are rounded to, as of ``SecondOrder``.
    """

    weight_bits: int
    activation_bits: int
    wanted_drop: float | None = None
    values: Values = "grid"

    @property
    def name(self) -> str:
        """For the page."""
        codebook = ", codebook" if self.values == "codebook" else ""
        return f"{self.weight_bits} bits{codebook}, and {self.activation_bits} bits"


def measure(case: Case, ways: Sequence[Way], *, rival: bool) -> list[dict[str, Any]]:
    """A row for the float model, for each way, and for ``rival``, onnxruntime's quantize_static to 8 bits."""
    rows = [{"way": "float", "accuracy": accuracy(case.source, case, library=False), "bytes": _size(case.source)}]
    print(rows[-1], flush=True)
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder, "packed.onnx")
        for way in ways:
            rows.append(_row(case, way, target))
            print(rows[-1], flush=True)
        if rival:
            quantize_by_onnxruntime(case, target)
            name = "8 bits and 8 bits, onnxruntime's quantize_static"
            rows.append({"way": name, "accuracy": accuracy(target, case, library=False), "bytes": _size(target)})
            print(rows[-1], flush=True)
    return rows


def _row(case: Case, way: Way, target: pathlib.Path) -> dict[str, Any]:
    compile_file(case.source, target, integers=_integers(case, way))
    measured = {"accuracy": accuracy(target, case, library=True), "bytes": _size(target)}
    stock = np.count_nonzero(predict(target, case.inputs[:200], library=False) != predict(target, case.inputs[:200]))
    return {
        "way": way.name,
        **measured,
        "bytes_without_functions": _size_without_bodies(target),
        "wanted_drop": way.wanted_drop,
        "stock_differs_of_200": int(stock),
    }


def _size_without_bodies(path: pathlib.Path) -> int:
    """What the file would have, compiled without the operators' portable bodies."""
    model = onnx.load(path)
    del model.functions[:]
    return len(model.SerializeToString())


def _integers(case: Case, way: Way) -> Integers:
    samples = ArrayReader({"input": case.calibration}, BATCH)
    rounding = SecondOrder(values=way.values)
    return Integers(samples, activation_bits=way.activation_bits, weight_bits=way.weight_bits, rounding=rounding)


def accuracy(path: pathlib.Path, case: Case, *, library: bool) -> float:
    """Percent of the case's inputs that the model predicts rightly."""
    return 100 * float((predict(path, case.inputs, library=library) == case.labels).mean())


def predict(path: pathlib.Path, inputs: npt.NDArray[Any], *, library: bool = True) -> npt.NDArray[np.int64]:
    """The class of each input."""
    session = runtime.session(path, threads=1, library=library)
    parts = np.split(inputs, range(BATCH, len(inputs), BATCH))
    return np.concatenate([session.run(None, {"input": part})[0].argmax(axis=1) for part in parts])


class _Samples(CalibrationDataReader):
    def __init__(self, inputs: npt.NDArray[Any]) -> None:
        self._batches: Iterator[npt.NDArray[Any]] = iter(np.split(inputs, range(BATCH, len(inputs), BATCH)))

    def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"input": batch}


def quantize_by_onnxruntime(case: Case, target: pathlib.Path) -> None:
    """Writes to ``target`` what onnxruntime's tool makes of the model, as its guide says: U8S8, weights by channel."""
    ready = target.with_suffix(".ready.onnx")
    quant_pre_process(str(case.source), str(ready))
    quantize_static(
        str(ready),
        str(target),
        _Samples(case.calibration),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def _size(path: pathlib.Path) -> int:
    return path.stat().st_size
