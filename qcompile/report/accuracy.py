"""The accuracy that was measured when a network was learned, as the plan in its file has it."""

import math
from collections.abc import Mapping
from typing import Any


def accuracy_percent(plan: Mapping[str, Any] | None) -> tuple[float | None, float | None]:
    """The accuracy of the learned network and of the float one, in percent; None where ``plan`` does not tell."""
    errors = None if plan is None else plan.get("test_error_percent")
    if not isinstance(errors, dict):
        return None, None
    return _accuracy(errors.get("learned")), _accuracy(errors.get("reference"))


def _accuracy(error: object) -> float | None:
    if not isinstance(error, int | float) or isinstance(error, bool) or not math.isfinite(error):
        return None
    return round(100 - error, 9)  # what a test set tells has fewer digits
