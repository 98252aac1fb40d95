"""What torch computes with the weights that a run learned: the first of the three answers that must agree."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from qcompile.errors import DataError
from qcompile.frontend.checkpoints import read_tensors
from qcompile.frontend.codebook_weight import CodebookWeight, read_codebook_weights
from qcompile.models import build_network

BATCH = 500


def load_learned(folder: Path, network_name: str) -> tuple[torch.nn.Module, dict[str, CodebookWeight]]:
    """The network of the run in ``folder`` and its codebook weights; the network holds the weights decoded from them.

    Raises DataError if learned.safetensors is missing, damaged or of another network.
    """
    tensors = read_tensors(folder / "learned.safetensors")
    try:
        weights = read_codebook_weights(tensors)
        network = build_network(network_name)
        own = {name: tensor for name, tensor in tensors.items() if ":" not in name}
        network.load_state_dict(own | {name: weight.decode() for name, weight in weights.items()})
    except (KeyError, ValueError, RuntimeError) as error:
        raise DataError(f"{folder / 'learned.safetensors'}: does not fit network {network_name} ({error})") from error
    return network.eval(), weights


def torch_outputs(folder: Path, network_name: str, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The logits [count, classes] of ``images`` by torch in float32, with the weights decoded from their codebooks.

    Raises DataError as ``load_learned`` does.
    """
    network, _ = load_learned(folder, network_name)
    tensor = torch.from_numpy(images)
    with torch.no_grad():
        parts = [network(tensor[start : start + BATCH]) for start in range(0, len(tensor), BATCH)]
    return torch.cat(parts).numpy()
