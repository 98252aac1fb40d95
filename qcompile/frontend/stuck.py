"""Tells when LC is stuck at direct compression: the penalty grew too fast for the codebooks to move.

The symptom is described in Carreira-Perpinan, arXiv 1707.01209, section 4.1. The figures here were chosen on digits
with 2, 16 and 256 entries, first penalties of 1e-3 to 10 and growths of 1.2 to 10: they part the runs that end far
above the best training loss from the others.
"""

from dataclasses import replace

from qcompile.frontend.lc_state import LearningState
from qcompile.frontend.schedule import Schedule

NEAR = 1 / 4  # of direct compression's distance: from here on the penalty decides, and little changes any more
EARLY = 10  # iterations: a path that takes longer had the time to move, and found nothing better
FEW_CHANGED = 0.005  # of the indices, summed over the iterations
LITTLE_MOVED = 1 / 2  # of direct compression's distance, summed over the iterations


class StuckAtDirectCompressionWarning(UserWarning):
    """Learning brought the weights to their codebooks before those had left direct compression."""


def with_advice(state: LearningState, schedule: Schedule) -> LearningState:
    """``state`` with advice in its last record, if that is where learning turned out to be stuck.

    It is looked at once: when ||w - decode|| first falls below a quarter of that of direct compression. Learning is
    stuck if that is within the first ten iterations and by then, summed over them, fewer than 0.5 % of the indices
    have changed and the C steps have moved the decoded weights by less than half of direct compression's distance.
    """
    *earlier, last = state.history
    near = NEAR * state.start_distance
    if last.iteration >= EARLY or last.distance >= near or any(record.distance < near for record in earlier):
        return state
    changed = sum(record.changed for record in state.history)
    moved = sum(record.moved for record in state.history)
    if changed >= FEW_CHANGED or moved >= LITTLE_MOVED * state.start_distance:
        return state
    advice = (
        f"iteration {last.iteration}: the weights are near their codebooks (distance {last.distance:.3g}, at first "
        f"{state.start_distance:.3g}), but these are almost those of direct compression ({100 * changed:.2g} % of the "
        f"indices changed): the penalty grew too fast; lower first_penalty ({schedule.first_penalty:.3g}) or growth "
        f"({schedule.growth:.3g}) and learn again"
    )
    return replace(state, history=(*earlier, replace(last, advice=advice)))
