"""The folder of a run: recipe.toml, checkpoints, metrics.jsonl, reference and results; each file written whole."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from qcompile.errors import DataError, QCompileError, RecipeError
from qcompile.files import write_atomically
from qcompile.frontend.checkpoints import Checkpoint, load_newest, read_tensors, save_checkpoint, to_bytes
from qcompile.frontend.monitor_page import draw_monitors
from qcompile.frontend.recipe_file import AnyRecipe, load_recipe
from qcompile.frontend.tables import write_table

_RECIPE = "recipe.toml"


class RunFolder:
    """Reads and writes the files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, recipe: AnyRecipe, *, resume: bool) -> None:
        """Makes the folder for a new run, or checks that it holds a run of the same recipe.

        Raises QCompileError if the folder holds something and ``resume`` is not set, if it holds no run and it is
        set, or if it cannot be made; RecipeError if the recipe is another.
        """
        if not resume:
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise QCompileError(f"{self.path}: exists already; continue it with --resume, or choose another folder")
            self.write(_RECIPE, write_table(recipe).encode())
            return
        if not (self.path / _RECIPE).is_file():
            raise QCompileError(f"{self.path}: holds no run to resume ({_RECIPE} is missing); leave --resume out")
        before = load_recipe(str(self.path / _RECIPE))
        if before != recipe:
            was, now = (set(write_table(each).splitlines()) for each in (before, recipe))
            raise RecipeError(
                f"{self.path}: was begun with another recipe: {'; '.join(sorted(was - now))}, "
                f"now {'; '.join(sorted(now - was))}; give the same recipe, or start anew in another folder"
            )

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """The path of a file to write inside. Raises QCompileError, naming the file, in place of an OSError."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            yield self.path / name
        except OSError as error:
            raise QCompileError(f"{self.path / name}: cannot be written ({error})") from error

    def write(self, name: str, content: bytes) -> str:
        """Writes a file and gives its SHA-256. Raises QCompileError if it cannot be written."""
        with self.writing(name) as path:
            write_atomically(path, content)
        return hashlib.sha256(content).hexdigest()

    def save(self, checkpoint: Checkpoint) -> str | None:
        """Saves a checkpoint; what went wrong, if it could not: the run can go on."""
        try:
            save_checkpoint(self.path / "checkpoints", checkpoint)
        except OSError as error:
            return f"checkpoint {checkpoint.number} is not saved ({error}); training goes on"
        return None

    def write_monitors(self, metrics: Sequence[Mapping[str, Any]]) -> str | None:
        """Writes metrics.jsonl, a line a record, and monitors.html, the charts of the learning; what went wrong."""
        learning = [record for record in metrics if record["stage"] == "learning"]
        advice = [record["advice"] for record in learning if record.get("advice")]
        try:
            write_atomically(self.path / "metrics.jsonl", "".join(json.dumps(each) + "\n" for each in metrics).encode())
            if learning:
                page = draw_monitors(self.path.resolve().name, learning, advice)
                write_atomically(self.path / "monitors.html", page.encode())
        except OSError as error:
            return f"metrics are not written ({error}); training goes on"
        return None

    def newest(self) -> Checkpoint | None:
        """The newest intact checkpoint, if there is one. Raises DataError if all are damaged."""
        return load_newest(self.path / "checkpoints")

    def write_tensors(self, name: str, tensors: dict[str, torch.Tensor]) -> str:
        """Writes a safetensors file and gives its SHA-256. Raises QCompileError if it cannot be written."""
        return self.write(name, to_bytes(tensors))

    def read_tensors(self, name: str, sha256: str) -> dict[str, torch.Tensor]:
        """The tensors in a file of this run. Raises DataError if it is not the one that was written."""
        path = self.path / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise DataError(f"{path}: is missing or damaged (wanted SHA-256 {sha256}); start the run anew")
        return read_tensors(path)

    def write_plan(self, plan: dict[str, Any]) -> None:
        """Writes plan.json. Raises QCompileError if it cannot be written."""
        self.write("plan.json", json.dumps(plan, indent=2).encode() + b"\n")
