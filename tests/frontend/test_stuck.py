import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from qcompile.frontend import Adaptive, Schedule, StuckAtDirectCompressionWarning, learn_compressed
from qcompile.frontend.lc_state import IterationRecord, LearningState
from qcompile.frontend.stuck import with_advice

SCHEDULE = Schedule(0.5, 1.5)


def make_state(*figures, start_distance=0.8):
    """A state with a record for each (distance, changed, moved)."""
    history = tuple(
        IterationRecord(k, 0.5, distance, None, changed, moved) for k, (distance, changed, moved) in enumerate(figures)
    )
    return LearningState(len(history), {}, {}, history, start_distance)


def advice_of(*figures, **options):
    return with_advice(make_state(*figures, **options), SCHEDULE).history[-1].advice


def test_near_the_codebooks_of_direct_compression_it_says_what_to_do():
    advice = advice_of((0.7, 0.001, 0.01), (0.19, 0.002, 0.02))
    assert advice == (
        "iteration 1: the weights are near their codebooks (distance 0.19, at first 0.8), but these are almost those "
        "of direct compression (0.3 % of the indices changed): the penalty grew too fast; lower first_penalty (0.5) or "
        "growth (1.5) and learn again"
    )


@pytest.mark.parametrize(
    "figures",
    [
        [(0.21, 0.0, 0.0)],  # not near
        [(0.7, 0.004, 0.0), (0.1, 0.002, 0.0)],  # indices have changed
        [(0.7, 0.0, 0.3), (0.1, 0.0, 0.15)],  # codebooks have moved
        [(0.1, 0.0, 0.0), (0.05, 0.0, 0.0)],  # said before
        [*[(0.7, 0.0, 0.0)] * 10, (0.1, 0.0, 0.0)],  # took its time
    ],
)
def test_else_it_says_nothing(figures):
    assert advice_of(*figures) is None


def test_a_state_of_an_older_version_gives_no_advice():
    assert advice_of((0.0, 0.0, 0.0), start_distance=0.0) is None


INPUTS = torch.randn(200, 6, generator=torch.Generator().manual_seed(1))
LABELS = (INPUTS[:, 0] * INPUTS[:, 1] > 0).long()


def learn(schedule):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))

    def train(step, rate, steps=60):
        optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = F.cross_entropy(network(INPUTS), LABELS)
            loss.backward()
            optimizer.step()
        return loss.item()

    train(None, 0.1, 400)
    state = learn_compressed(network, {"*": Adaptive(2)}, lambda step: train(step, step.clip(0.1)), schedule)
    return state, F.cross_entropy(network(INPUTS), LABELS).item()


def test_a_huge_first_penalty_warns_once_and_a_healthy_path_does_not():
    with pytest.warns(
        StuckAtDirectCompressionWarning, match=r"lower first_penalty \(10\) or growth \(1\.2\)"
    ) as caught:
        stuck, stuck_loss = learn(Schedule(10.0, 1.2, 5, tolerance=0))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert sum(record.advice is not None for record in stuck.history) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        healthy, healthy_loss = learn(Schedule(5e-3, 1.3, 20, tolerance=0))
    assert healthy.distance < healthy.start_distance / 4, "the criterion was looked at"
    assert healthy_loss < 0.5 * stuck_loss
