"""The middle stage of a run: the recipe's method turns the float network into codebook weights."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.direct import compress_directly
from qcompile.frontend.distillation import Criterion, Distillation, label_loss
from qcompile.frontend.iterated_direct import iterate_direct_compression
from qcompile.frontend.lc import learn_compressed
from qcompile.frontend.lc_state import IterationRecord, LearningState
from qcompile.frontend.learning_step import LearningStep
from qcompile.frontend.run.measuring import measure_decoded
from qcompile.frontend.run.session import CodebookSession
from qcompile.frontend.straight_through import train_straight_through
from qcompile.frontend.stuck import StuckAtDirectCompressionWarning
from qcompile.frontend.training import make_optimizer

_LEARNING, _STAGE = "learning.", "learning"


def learn_weights(session: CodebookSession) -> dict[str, CodebookWeight]:
    """The codebook weights that the recipe's method gives; the network then holds them."""
    if session.recipe.method == "direct":
        return compress_directly(session.network, session.layers, calibration=session.calibration)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StuckAtDirectCompressionWarning)  # told as a line of progress
        learned = _learning_function(session)(
            state=_restore(session),
            on_iteration=lambda state: _after_iteration(session, state),
            calibration=session.calibration,
        )
    return learned.weights


def _learning_function(session: CodebookSession) -> Callable[..., LearningState]:
    schedule, learning = session.recipe.schedule, session.recipe.learning
    criterion = _criterion(session)
    basis = (session.network, session.layers, lambda step: _train(session, step, criterion))
    match session.recipe.method:
        case "iterated-direct":
            return partial(iterate_direct_compression, *basis, schedule.iterations)
        case "straight-through":
            return partial(train_straight_through, *basis, schedule.iterations, refit_every=learning.refit_every)
    return partial(learn_compressed, *basis, schedule)


def _restore(session: CodebookSession) -> LearningState | None:
    records = [record for record in session.state["metrics"] if record["stage"] == _STAGE]
    history = tuple(IterationRecord.from_json(record) for record in records)
    return LearningState.from_tensors(session.saved(_LEARNING), len(history), history) if history else None


def _criterion(session: CodebookSession) -> Criterion:
    """The loss of every L step."""
    learning = session.recipe.learning
    if learning.distillation == 0:
        return label_loss
    teacher = copy.deepcopy(session.network).eval()
    teacher.load_state_dict(session.team.on_first(session.read_reference))
    return Distillation(teacher, learning.distillation, learning.temperature, learning.optimization.bfloat16)


def _train(session: CodebookSession, step: LearningStep, criterion: Criterion) -> float:
    settings, learning = session.recipe.learning.optimization, session.recipe.learning
    rate = settings.learning_rate * settings.learning_rate_decay**step.iteration
    optimizer = make_optimizer(session.network, settings, step.clip(rate))
    epochs = learning.first_epochs if step.iteration == 0 else learning.epochs
    shares = [1.0] * int(epochs) + ([epochs % 1] if epochs % 1 else [])
    losses = [
        session.train_epoch(optimizer, settings, f"{_STAGE} {step.iteration} {epoch}", share, criterion)
        for epoch, share in enumerate(shares)
    ]
    return losses[-1]


def _after_iteration(session: CodebookSession, state: LearningState) -> None:
    wanted = state.iteration % session.recipe.learning.measure_every == 0
    measured = measure_decoded(session, state.weights) if wanted else None
    record = state.history[-1]
    session.record(_STAGE, **asdict(record), decoded=measured)
    note = f"distance {record.distance:.4f}, loss {record.loss:.5f}"
    if measured is not None:
        note += f", decoded {measured['train_loss']:.5f}"
    if record.advice:
        session.progress.tell(record.advice)
    session.progress.show(_STAGE, state.iteration, session.recipe.schedule.iterations, note)
    session.save({_LEARNING + name: tensor for name, tensor in state.to_tensors().items()})
