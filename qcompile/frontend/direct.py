"""Direct compression: the codebooks nearest to trained weights, without learning. Also the start of the LC path."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from qcompile.errors import QCompileError, RecipeError
from qcompile.frontend.batch_norm import recompute_batch_statistics
from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks import Codebook, JointCodebook
from qcompile.frontend.distributed import current_team
from qcompile.frontend.selection import LayerRules, select_codebooks


def compress_directly(
    network: nn.Module, layers: LayerRules, *, calibration: Iterable[torch.Tensor] | None = None
) -> dict[str, CodebookWeight]:
    """The codebook weights nearest to those of ``network``, by parameter name; ``network`` then holds them.

    ``layers`` as in ``select_codebooks``. A network with batch normalization gets its statistics anew from
    ``calibration``, batches of inputs, where that is given.

    Raises RecipeError as ``select_codebooks`` does, QCompileError if a weight is not finite.
    """
    codebooks = select_codebooks(network, layers)
    parameters = {name: network.get_parameter(name) for name in codebooks}
    weights = current_team().on_first(lambda: fit_all(parameters, codebooks))
    place_compressed(network, weights, calibration)
    current_team().adopt(network.state_dict())
    return weights


def fit_all(
    tensors: Mapping[str, torch.Tensor],
    codebooks: Mapping[str, Codebook],
    previous: Mapping[str, CodebookWeight] | None = None,
) -> dict[str, CodebookWeight]:
    """The C step of every layer; those that have the same joint codebook object take one step together.

    Raises QCompileError, with the layer's name, if a weight is not finite; RecipeError, with it, if the codebook does
    not suit the layer.
    """
    for name in codebooks:
        _check_finite(name, tensors[name])
    fitted: dict[str, CodebookWeight] = {}
    for name, codebook in codebooks.items():
        if isinstance(codebook, JointCodebook):
            together = [other for other in codebooks if codebooks[other] is codebook]
            if name == together[0]:
                fitted |= _fit_jointly(codebook, {each: tensors[each] for each in together}, previous)
        else:
            fitted[name] = _fit(name, codebook, tensors[name], previous)
    return {name: fitted[name] for name in codebooks}


def _fit(
    name: str, codebook: Codebook, tensor: torch.Tensor, previous: Mapping[str, CodebookWeight] | None
) -> CodebookWeight:
    try:
        return codebook.fit(tensor, previous[name] if previous else None)
    except RecipeError as error:
        raise RecipeError(f"{name}: {error}") from error


def _fit_jointly(
    codebook: JointCodebook, tensors: Mapping[str, torch.Tensor], previous: Mapping[str, CodebookWeight] | None
) -> dict[str, CodebookWeight]:
    try:
        return codebook.fit_jointly(tensors, {name: previous[name] for name in tensors} if previous else None)
    except RecipeError as error:
        raise RecipeError(f"{', '.join(tensors)}: {error}") from error


def _check_finite(name: str, tensor: torch.Tensor) -> None:
    wrong = int((~torch.isfinite(tensor)).sum())
    if wrong:
        raise QCompileError(
            f"{name}: {wrong} of {tensor.numel()} weights are not finite; training diverged, lower the learning rate"
        )


def place_weights(network: nn.Module, weights: Mapping[str, CodebookWeight]) -> None:
    """Writes the decoded weights into the parameters of ``network``."""
    with torch.no_grad():
        for name, weight in weights.items():
            network.get_parameter(name).copy_(weight.decode())


@contextmanager
def decoded(
    network: nn.Module, weights: Mapping[str, CodebookWeight], *, calibration: Iterable[torch.Tensor] | None = None
) -> Iterator[nn.Module]:
    """``network`` with the decoded weights in it; on leaving, with its own again.

    With ``calibration``, batches of inputs, it also has the batch statistics of these weights meanwhile.
    """
    own = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    place_compressed(network, weights, calibration)
    try:
        yield network
    finally:
        with torch.no_grad():
            for name, tensor in network.state_dict().items():
                tensor.copy_(own[name])


def place_compressed(
    network: nn.Module, weights: Mapping[str, CodebookWeight], calibration: Iterable[torch.Tensor] | None
) -> None:
    """Writes the decoded weights into ``network``, and their batch statistics where there is a ``calibration``."""
    place_weights(network, weights)
    if calibration is not None:
        recompute_batch_statistics(network, calibration)
