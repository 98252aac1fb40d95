"""The figures by which the stages of a run are compared."""

from collections.abc import Mapping

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.direct import decoded
from qcompile.frontend.run.session import Session
from qcompile.frontend.training import evaluate


def measure(session: Session) -> dict[str, float]:
    """The training loss and the test error of the network as it stands; the first process finds them out for all."""
    return session.team.on_first(lambda: measure_alone(session))


def measure_decoded(session: Session, weights: Mapping[str, CodebookWeight]) -> dict[str, float]:
    """The same with the decoded ``weights``, and their batch statistics; the network then is as it was."""
    return session.team.on_first(lambda: _measure_decoded(session, weights))


def measure_alone(session: Session) -> dict[str, float]:
    """What ``measure`` gives, for work that only one process does."""
    train_loss, _ = evaluate(session.network, session.data.train)
    _, test_error = evaluate(session.network, session.data.test)
    return {"train_loss": train_loss, "test_error_percent": test_error}


def _measure_decoded(session: Session, weights: Mapping[str, CodebookWeight]) -> dict[str, float]:
    with decoded(session.network, weights, calibration=session.calibration):
        return measure_alone(session)
