"""The first stage of a run: the float network, trained or given, and what direct compression makes of it."""

from pathlib import Path

import torch

from qcompile.frontend.direct import fit_all
from qcompile.frontend.pretrained import read_parameters
from qcompile.frontend.run.measuring import measure, measure_decoded
from qcompile.frontend.run.session import CodebookSession, Session
from qcompile.frontend.training import make_optimizer

_MOMENTUM = "momentum."


def find_reference(session: Session, file: Path | None) -> None:
    """Trains the float network, or reads it from ``file``; the network then holds it."""
    if "reference" in session.state:
        return
    if file is None:
        _train(session)
    else:
        session.load_network(session.team.on_first(lambda: read_parameters(file)), file)
    tensors = dict(session.network.state_dict())
    sha256 = session.team.on_first(lambda: session.folder.write_tensors("reference.safetensors", tensors))
    session.state["reference"] = {"sha256": sha256, **measure(session)}
    session.save({})


def measure_direct_compression(session: CodebookSession) -> None:
    """Measures direct compression, with which every other method is compared; the network stays float."""
    if "direct" in session.state:
        return
    weights = {name: session.network.get_parameter(name) for name in session.codebooks}
    fitted = session.team.on_first(lambda: fit_all(weights, session.codebooks))
    session.state["direct"] = measure_decoded(session, fitted)
    session.save({})


def _train(session: Session) -> None:
    settings, epochs = session.recipe.reference.optimization, session.recipe.reference.epochs
    optimizer = make_optimizer(session.network, settings, settings.learning_rate)
    _load_momentum(optimizer, session.network, session.saved(_MOMENTUM))
    for epoch in range(session.state["epoch"], epochs):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * settings.learning_rate_decay**epoch
        loss = session.train_epoch(optimizer, settings, f"reference {epoch}")
        session.record("reference", epoch=epoch, loss=loss)
        session.state["epoch"] = epoch + 1
        session.save(_momentum(optimizer, session.network))
        session.progress.show("reference", epoch + 1, epochs, f"loss {loss:.5f}")


def _momentum(optimizer: torch.optim.Optimizer, network: torch.nn.Module) -> dict[str, torch.Tensor]:
    parameters = network.named_parameters()
    return {_MOMENTUM + name: optimizer.state[parameter]["momentum_buffer"] for name, parameter in parameters}


def _load_momentum(
    optimizer: torch.optim.Optimizer, network: torch.nn.Module, buffers: dict[str, torch.Tensor]
) -> None:
    for name, parameter in network.named_parameters():
        if name in buffers:
            buffer = torch.empty_like(parameter).copy_(buffers[name])
            optimizer.state[parameter]["momentum_buffer"] = buffer
