"""Static calibration: which range of real numbers the codes of each activation should cover, from sample inputs."""

from qcompile.calibration.calibrating import calibrate
from qcompile.calibration.methods import MeanSquareError, Method, MinMax, Percentile
from qcompile.calibration.ranges import Range
from qcompile.calibration.readers import ArrayReader, BatchReader, FirstBatch, Reader, read_all

__all__ = [
    "ArrayReader",
    "BatchReader",
    "FirstBatch",
    "MeanSquareError",
    "Method",
    "MinMax",
    "Percentile",
    "Range",
    "Reader",
    "calibrate",
    "read_all",
]
