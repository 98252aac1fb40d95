"""Checkpoints that survive a crash, a full disk and bit rot: whole files, their SHA-256 beside them, the last two kept.

A checkpoint is one safetensors file: the tensors, and the state as JSON in its metadata, so that neither can be newer
than the other. No pickle is read or written.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load, save

from qcompile.errors import DataError
from qcompile.files import write_atomically

_KEPT = 2
_STATE_KEY = "state"
_TENSORS = ".safetensors"
_MANIFEST = ".json"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """``state`` is what JSON can hold; ``tensors`` go by name."""

    number: int
    state: dict[str, Any]
    tensors: dict[str, torch.Tensor]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes ``checkpoint`` to ``folder`` and removes all but the last two.

    Raises OSError if it cannot be written; those before it stay then, and nothing is left of it.
    """
    folder.mkdir(exist_ok=True)
    content = to_bytes(checkpoint.tensors, {_STATE_KEY: json.dumps(checkpoint.state)})
    manifest = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    stem = folder / f"{checkpoint.number:08d}"
    write_atomically(stem.with_suffix(_TENSORS), content)
    try:
        write_atomically(stem.with_suffix(_MANIFEST), json.dumps(manifest).encode())
    except OSError:
        stem.with_suffix(_TENSORS).unlink(missing_ok=True)  # a full disk needs the room
        raise
    for old in _manifests(folder)[_KEPT:]:
        old.unlink()
        old.with_suffix(_TENSORS).unlink(missing_ok=True)


def load_newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint in ``folder`` whose bytes are those that were written; None before the first save.

    What an interrupted save left behind is removed. Raises DataError if there are checkpoints and all are damaged.
    """
    for leftover in folder.glob(".*"):
        leftover.unlink()
    manifests = _manifests(folder)
    for manifest in manifests:
        content = _read_verified(manifest)
        if content is not None:
            state = json.loads(read_metadata(content)[_STATE_KEY])
            return Checkpoint(int(manifest.stem), state, load(content))
    if manifests:
        raise DataError(
            f"{folder}: none of {len(manifests)} checkpoints has the SHA-256 it was written with; start anew"
        )
    return None


def to_bytes(tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """A safetensors file."""
    return save({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, metadata)


def read_metadata(content: bytes) -> dict[str, str]:
    """The metadata of a safetensors file, which the library reads only from a path."""
    header_bytes = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + header_bytes]).get("__metadata__", {})
    return metadata


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors in a safetensors file. Raises DataError if it cannot be read or is none."""
    try:
        return load(path.read_bytes())
    except (OSError, safetensors.SafetensorError) as error:
        raise DataError(f"{path}: no readable safetensors file ({error})") from error


def _manifests(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"[0-9]*{_MANIFEST}"), reverse=True)


def _read_verified(manifest: Path) -> bytes | None:
    try:
        wanted = json.loads(manifest.read_bytes())
        content = manifest.with_suffix(_TENSORS).read_bytes()
    except (OSError, ValueError):
        return None
    intact = isinstance(wanted, dict) and wanted.get("sha256") == hashlib.sha256(content).hexdigest()
    return content if intact else None
