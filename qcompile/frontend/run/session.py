"""What the stages of a run share: the network, the data, and the state that a checkpoint saves."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from qcompile.errors import DataError
from qcompile.frontend.batch_norm import has_batch_statistics
from qcompile.frontend.checkpoints import Checkpoint
from qcompile.frontend.distillation import Criterion, label_loss
from qcompile.frontend.distributed import Team
from qcompile.frontend.interruption import RunInterruptedError
from qcompile.frontend.progress import ProgressReport
from qcompile.frontend.recipe import Recipe
from qcompile.frontend.recipe_file import AnyRecipe
from qcompile.frontend.run.data import RunData, calibration_batches, memory_format
from qcompile.frontend.run_folder import RunFolder
from qcompile.frontend.selection import LayerRules, select_codebooks
from qcompile.frontend.training import Optimization, train_epoch
from qcompile.models import build_network

_NETWORK = "network."


@dataclass(eq=False)
class Session:
    """``state`` is what a checkpoint holds beside tensors: how far each stage is, what was measured, the metrics."""

    recipe: AnyRecipe
    folder: RunFolder
    progress: ProgressReport
    stop: Callable[[], bool]
    team: Team
    data: RunData
    state: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        self.network = build_network(self.recipe.network)
        arrange(self.network, memory_format(self.recipe))
        self.trained = self.team.parallel(self.network)
        self.state = {"step": 0, "epoch": 0, "metrics": [], **self._environment()}
        if len(set(self.team.gather(self.data.fingerprint))) > 1:
            raise DataError("the processes found different data; give all of them the same data set")

    @property
    def calibration(self) -> Iterable[torch.Tensor] | None:
        """Training images for the batch statistics of compressed weights; None for a network that has none."""
        if not has_batch_statistics(self.network):
            return None
        augmentation = self.recipe.learning.optimization.augmentation
        return calibration_batches(self.data.train, self.recipe.calibration_images, augmentation)

    def restore(self) -> None:
        """Takes up the newest checkpoint, if there is one. Raises DataError if it is damaged or of other data."""
        checkpoint = self.team.on_first(self.folder.newest)
        if checkpoint is None:
            return
        for key, now in self._environment().items():
            self._compare(key, checkpoint.state.get(key, now), now)
        self.state, self.tensors = checkpoint.state | self._environment(), checkpoint.tensors
        self.load_network(self.saved(_NETWORK))

    def _environment(self) -> dict[str, Any]:
        return {
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "processes": self.team.size,
            "data": self.data.fingerprint,
        }

    def _compare(self, key: str, before: object, now: object) -> None:
        if key == "data" and before != now:
            raise DataError("the data set is not the one that the run was begun with; name its folder, or start anew")
        if before != now:
            self.progress.tell(f"{key} was {before} and is {now}: the result may differ in its last bits")

    def saved(self, prefix: str) -> dict[str, torch.Tensor]:
        """The tensors of the last checkpoint whose names begin with ``prefix``, without it."""
        return {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}

    def record(self, stage: str, **values: Any) -> None:
        """Adds a line to metrics.jsonl, which is written with the next checkpoint."""
        self.state["metrics"].append({"stage": stage, **values})

    def save(self, extra: dict[str, torch.Tensor]) -> None:
        """Saves the network with ``extra`` tensors. Raises RunInterruptedError if a stop was asked for."""
        self.state["step"] += 1
        self.tensors = {_NETWORK + name: tensor for name, tensor in self.network.state_dict().items()} | extra
        problem = self.team.on_first(self._write)
        if any(self.team.gather(self.stop())):
            saved = "stopped at an earlier checkpoint" if problem else "stopped and saved"
            raise RunInterruptedError(f"{self.folder.path}: {saved}; continue with --resume")

    def _write(self) -> str | None:
        """Writes a checkpoint and the metrics; what went wrong with the checkpoint, if anything did."""
        problem = self.folder.save(Checkpoint(self.state["step"], self.state, self.tensors))
        for trouble in (problem, self.folder.write_monitors(self.state["metrics"])):
            if trouble:
                self.progress.tell(trouble)
        return problem

    def load_network(self, tensors: dict[str, torch.Tensor], source: str | Path = "the checkpoint") -> None:
        """Puts ``tensors`` into the network. Raises DataError, naming ``source``, if they do not fit it."""
        try:
            self.network.load_state_dict(tensors)
        except RuntimeError as error:
            raise DataError(f"{source}: does not fit network {self.recipe.network} ({error})") from error
        if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
            raise DataError(f"{source}: holds values that are not finite; was training cut short?")

    def read_reference(self) -> dict[str, torch.Tensor]:
        """The float network. Raises DataError if its file is not the one that was written."""
        return self.folder.read_tensors("reference.safetensors", self.state["reference"]["sha256"])

    def train_epoch(
        self,
        optimizer: torch.optim.Optimizer,
        settings: Optimization,
        place: str,
        share: float = 1.0,
        criterion: Criterion = label_loss,
    ) -> float:
        """An epoch or a share of it, with the randomness of ``place``."""
        generator = self.randomness(place)
        return train_epoch(self.trained, optimizer, self.data.train, settings, generator, self.team, share, criterion)

    def randomness(self, place: str) -> torch.Generator:
        """A generator that is a function of the seed and the place, as torch's global one is then: none need be saved.

        It is the same on all processes, for order and augmentation; the global one, for dropout, is another on each.
        """
        torch.manual_seed(self._seed(f"{place} process {self.team.rank}"))
        return torch.Generator().manual_seed(self._seed(place))

    def _seed(self, place: str) -> int:
        digest = hashlib.sha256(f"{self.recipe.seed} {place}".encode()).digest()
        return int.from_bytes(digest[:7], "little")


@dataclass(eq=False)
class CodebookSession(Session):
    """A session that learns codebook weights: ``layers`` are the recipe's rules, ``codebooks`` whom they name."""

    recipe: Recipe

    def __post_init__(self) -> None:
        super().__post_init__()
        self.layers: LayerRules = {pattern: rule.make() for pattern, rule in self.recipe.layers.items()}
        self.codebooks = select_codebooks(self.network, self.layers)


def arrange(network: torch.nn.Module, layout: torch.memory_format) -> None:
    """Lays the parameters of ``network`` out anew, in place."""
    network.to(memory_format=layout)  # type: ignore[call-overload]  # missing in torch's annotations
