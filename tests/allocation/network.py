"""A network of which one layer matters far more than the other."""

import numpy as np

from tests.network import Network

WEAK_FACTOR = 0.01


def uneven(width=16):
    """Both layers read x; of what ``weak`` gives a hundredth is added to what ``strong`` gives."""
    made = Network((width,))
    strong = made.gemm("x", (width, width), "strong")
    weak = made.add("Mul", [made.gemm("x", (width, width), "weak"), made.number(np.float32(WEAK_FACTOR))])
    return made.gives(made.add("Add", [strong, weak]))
