"""What QuantizeLayerNormalization and QuantizeSoftmax mean, in numpy: each row of floats by itself becomes codes.

docs/packed-format.md, section 6, is the contract in words. Sums are of whole numbers and exact, whatever their order,
so that all ways to run a file give the same codes. Operations are in float32 where nothing else is said, each rounded
by itself.
"""

import numpy as np
import numpy.typing as npt

from qcompile.integer_ops import Codes, Floats, to_codes

QUANTIZE_LAYER_NORMALIZATION = "QuantizeLayerNormalization"
QUANTIZE_SOFTMAX = "QuantizeSoftmax"
ROW_OPERATORS = frozenset([QUANTIZE_LAYER_NORMALIZATION, QUANTIZE_SOFTMAX])
MAX_COLUMNS = 32768  # squares of that many numbers stay below 2^53
NORMALIZATION_UNITS = 2**19  # what the largest of a row becomes
SMALLEST_ROW = 2.0**-100  # rows whose largest number is smaller are not scaled up further
SOFTMAX_UNITS = 2**20  # what an exponential of 1 becomes
LOG2_E = 1.4426950216293335
LEAST_EXPONENT = -32  # of 2; such an exponential is 0 units
# 2^f for f in [-0.5, 0.5] is 1 + POWER[0] f + POWER[1] f^2 + POWER[2] f^3, to 1.1e-4 of it: a 40th of a code of 255.
POWER = (0.6932829022407532, 0.2422109693288803, 0.05500892922282219)

Wide = npt.NDArray[np.float64]


def quantize_layer_normalization(
    x: Floats, scale: Floats, bias: Floats, *, epsilon: float, y_min: int, y_max: int
) -> Codes:
    """The codes of each row of ``x`` [..., k] less its mean, over its deviation, times ``scale`` plus ``bias`` [k].

    A row that is not finite becomes y_min.
    """
    if x.size == 0:
        return x.astype(np.uint8)
    finite = np.isfinite(x).all(axis=-1, keepdims=True)
    known = np.where(finite, x, np.float32(0))
    largest = np.maximum(np.abs(known).max(axis=-1, keepdims=True), np.float32(SMALLEST_ROW))
    units = np.float32(NORMALIZATION_UNITS) / largest
    numbers = np.rint(known * units)
    centers, gains = _moments(numbers.astype(np.float64), units.astype(np.float64), epsilon)
    with np.errstate(over="ignore", invalid="ignore"):
        values = (numbers - centers) * gains * scale + bias
    return to_codes(np.where(finite, values, np.float32(np.nan)), y_min, y_max)


def _moments(numbers: Wide, units: Wide, epsilon: float) -> tuple[Floats, Floats]:
    """The means [..., 1] and one over the deviations of rows of whole numbers, ``units`` of them to 1; in float64."""
    count = np.float64(numbers.shape[-1])
    means = numbers.sum(axis=-1, keepdims=True) / count
    squares = (numbers * numbers).sum(axis=-1, keepdims=True) / count
    variances = np.maximum(squares - means * means, 0.0)
    deviations = np.sqrt(variances + np.float64(np.float32(epsilon)) * (units * units))
    return means.astype(np.float32), (1.0 / deviations).astype(np.float32)


def quantize_softmax(x: Floats, *, scale: float, bias: float, y_min: int, y_max: int) -> Codes:
    """The codes of the softmax of each row of ``x`` [..., k], times ``scale`` plus ``bias``.

    A row with NaN or infinity, or of nothing but minus infinity, becomes y_min.
    """
    if x.size == 0:
        return x.astype(np.uint8)
    largest = x.max(axis=-1, keepdims=True)
    defined = ~np.isnan(x).any(axis=-1, keepdims=True) & np.isfinite(largest)
    units = _exponentials(np.where(defined, x, np.float32(0)), np.where(defined, largest, np.float32(0)))
    gains = np.float32(scale) / units.sum(axis=-1, keepdims=True, dtype=np.float64).astype(np.float32)
    values = units * gains + np.float32(bias)
    return to_codes(np.where(defined, values, np.float32(np.nan)), y_min, y_max)


def _exponentials(x: Floats, largest: Floats) -> Floats:
    """e^(x - largest) in whole units of 1 / SOFTMAX_UNITS."""
    with np.errstate(over="ignore"):
        exponents = np.maximum((x - largest) * np.float32(LOG2_E), np.float32(LEAST_EXPONENT))
    whole = np.rint(exponents)
    rest = exponents - whole
    powers = np.full_like(rest, POWER[-1])
    for factor in (*POWER[-2::-1], 1.0):
        powers = powers * rest + np.float32(factor)
    units: Floats = np.rint(np.ldexp(powers, whole.astype(np.int32)) * np.float32(SOFTMAX_UNITS))
    return units
