"""Which layer of a float network gets how many bits: by what rounding each does to the network's outputs."""

from qcompile.allocation.agreement import Agreement
from qcompile.allocation.allocating import WIDTHS, Choice, allocate_bits
from qcompile.allocation.budgets import Drop, Target, read_target
from qcompile.allocation.layers import layer_names_of
from qcompile.allocation.patterns import bits_by_pattern, read_patterns
from qcompile.allocation.result import AllocationResult, PlanTrial
from qcompile.allocation.sensitivity import Measuring, Sensitivity, measure_sensitivities
from qcompile.allocation.timing import measure_latencies
from qcompile.allocation.verifying import Verification, verify_plan

__all__ = [
    "WIDTHS",
    "Agreement",
    "AllocationResult",
    "Choice",
    "Drop",
    "Measuring",
    "PlanTrial",
    "Sensitivity",
    "Target",
    "Verification",
    "allocate_bits",
    "bits_by_pattern",
    "layer_names_of",
    "measure_latencies",
    "measure_sensitivities",
    "read_patterns",
    "read_target",
    "verify_plan",
]
