"""Reads trained parameters from the files that people publish."""

import pickle
from pathlib import Path

import torch

from qcompile.errors import DataError
from qcompile.frontend.checkpoints import read_tensors

_DATA_PARALLEL = "module."  # what torch's DataParallel puts before each name


def read_parameters(path: Path) -> dict[str, torch.Tensor]:
    """The parameters and statistics in ``path`` by name: a safetensors file, or one that ``torch.save`` wrote.

    The latter holds the tensors by name, alone or under "state_dict", perhaps with "module." before each name. It is
    read without running any code in it. Raises DataError if it cannot be read or holds something else.
    """
    if path.suffix == ".safetensors":
        return read_tensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: no readable .safetensors or torch file of plain tensors ({reason})") from error
    if isinstance(content, dict):
        content = content.get("state_dict", content)
    if not isinstance(content, dict) or not content or not all(_is_entry(*entry) for entry in content.items()):
        raise DataError(f'{path}: wanted tensors by name, alone or under "state_dict"')
    return {name.removeprefix(_DATA_PARALLEL): tensor for name, tensor in content.items()}


def _is_entry(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, torch.Tensor)
