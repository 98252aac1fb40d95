"""The ranges of a model's activations, from sample inputs or from a cache of what they showed."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import onnx

from qcompile.calibration.cache import Cache, model_digest
from qcompile.calibration.collecting import check_names, collect
from qcompile.calibration.methods import MeanSquareError, Method
from qcompile.calibration.ranges import Range
from qcompile.calibration.readers import Reader
from qcompile.calibration.statistics import Statistics, no_statistics
from qcompile.errors import QCompileError

SECONDS_BETWEEN_WRITES = 5.0  # what a crash may cost


def calibrate(
    model: onnx.ModelProto,
    tensors: Sequence[str],
    reader: Reader,
    *,
    bits: int | Mapping[str, int] = 8,
    method: Method = MeanSquareError(),  # noqa: B008 (a frozen value)
    cache: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Range]:
    """The range of each of ``tensors``, inputs or computed tensors of ``model``, over all batches of ``reader``.

    ``bits`` is for all tensors or by name. ``progress`` is told the number of batches after each one. With the file
    ``cache`` a run that was stopped goes on where it was when the same reader is given, and one that had ended is not
    run again: another method or other bits cost nothing. The cache cannot tell readers apart.

    Raises QCompileError if a name is unknown, a tensor is not float or not finite, there is no batch, the model does
    not run on a batch, or the cache is damaged or of another model or other tensors.
    """
    names = list(dict.fromkeys(tensors))
    check_names(model, names)
    widths = {name: _bits_of(name, bits) for name in names}
    if not names:
        return {}
    statistics = _statistics(model, names, reader, cache, progress or (lambda batches: None))
    return {name: method.range_of(statistics.histograms[name], width) for name, width in widths.items()}


def _statistics(
    model: onnx.ModelProto, names: list[str], reader: Reader, path: Path | None, progress: Callable[[int], None]
) -> Statistics:
    """The finished statistics: read, continued or collected anew."""
    cache = None if path is None else Cache(Path(path), model_digest(model), tuple(names))
    begun = (cache.read() if cache else None) or no_statistics(names)
    if begun.finished:
        return begun
    written = time.monotonic()
    for statistics in collect(model, reader, begun):
        if not statistics.finished:
            progress(statistics.batches)
        if cache and (statistics.finished or time.monotonic() - written >= SECONDS_BETWEEN_WRITES):
            cache.write(statistics)
            written = time.monotonic()
    return statistics


def _bits_of(name: str, bits: int | Mapping[str, int]) -> int:
    if isinstance(bits, Mapping) and name not in bits:
        raise QCompileError(f"no bits are given for tensor {name}; given are {', '.join(bits) or 'none'}")
    width = bits[name] if isinstance(bits, Mapping) else bits
    if not 1 <= width <= 8:
        raise QCompileError(f"tensor {name}: codes of {width} bits, wanted 1 to 8")
    return width
