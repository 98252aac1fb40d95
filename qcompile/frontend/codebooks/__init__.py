"""The C steps: each kind of codebook finds the values, and an index for each weight, nearest to a weight."""

from qcompile.frontend.codebooks.adaptive import Adaptive
from qcompile.frontend.codebooks.base import Codebook, JointCodebook, Per
from qcompile.frontend.codebooks.fixed import Binary, Fixed, PowersOfTwo, Ternary
from qcompile.frontend.codebooks.integer_adaptive import IntegerAdaptive
from qcompile.frontend.codebooks.integer_scaled import IntegerScaled, UniformGrid
from qcompile.frontend.codebooks.learned_widths import LearnedWidths
from qcompile.frontend.codebooks.optimal_kmeans import OptimalPath, optimal_codebooks
from qcompile.frontend.codebooks.scaled import Scaled
from qcompile.frontend.codebooks.scaled_shifted import ScaledShifted
from qcompile.frontend.codebooks.shared import Shared
from qcompile.frontend.codebooks.symmetric import ScaledBinary, ScaledTernary

__all__ = [
    "Adaptive",
    "Binary",
    "Codebook",
    "Fixed",
    "IntegerAdaptive",
    "IntegerScaled",
    "JointCodebook",
    "LearnedWidths",
    "OptimalPath",
    "Per",
    "PowersOfTwo",
    "Scaled",
    "ScaledBinary",
    "ScaledShifted",
    "ScaledTernary",
    "Shared",
    "Ternary",
    "UniformGrid",
    "optimal_codebooks",
]
