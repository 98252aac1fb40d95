"""A run of ``qcompile learn``: reference, direct compression, learning, export. Each stage resumes where it stopped."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from qcompile.datasets import load
from qcompile.errors import DataError
from qcompile.frontend.checkpoints import Checkpoint, read_tensors
from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.direct import compress_directly, decoded
from qcompile.frontend.export import export_onnx
from qcompile.frontend.interruption import RunInterruptedError
from qcompile.frontend.lc import LearningStep, learn_compressed
from qcompile.frontend.lc_state import IterationRecord, LearningState
from qcompile.frontend.plan import SCHEMA_VERSION, describe_layers
from qcompile.frontend.progress import ProgressReport
from qcompile.frontend.recipe import Recipe
from qcompile.frontend.run_folder import RunFolder
from qcompile.frontend.selection import LayerRules, select_codebooks
from qcompile.frontend.tables import as_table
from qcompile.frontend.training import Optimization, Samples, evaluate, make_optimizer, train_epoch
from qcompile.models import build_network

_NETWORK, _MOMENTUM, _LEARNING = "network.", "momentum.", "learning."


def learn(
    recipe: Recipe,
    data_dir: Path,
    folder: Path,
    *,
    resume: bool = False,
    reference: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Runs ``recipe`` in ``folder`` and gives the plan that it also writes there.

    Leaves reference.safetensors, learned.safetensors, reference.onnx, exported.onnx, plan.json, metrics.jsonl and
    the last checkpoints. ``reference``, a safetensors file of the network's parameters, takes the place of training
    one. ``resume`` continues a run of the same recipe and data: with the same machine, versions and threads the
    result is bit for bit that of a run without a break. ``stop`` is asked after each saved step.

    Raises RunInterruptedError when ``stop`` says so; RecipeError, DataError or QCompileError for what a user can mend.
    """
    torch.set_num_threads(recipe.threads)
    run_folder = RunFolder(folder)
    with ProgressReport() as progress:
        run = _Run(recipe, run_folder, progress, stop, _load_samples(recipe, data_dir))
        run_folder.open(recipe, resume=resume)  # now that data and recipe fit: a mistake leaves no folder behind
        run.restore()
        run.find_reference(reference)
        run.compress_directly()
        return run.finish(run.learn())


@dataclass(eq=False)
class _Data:
    train: Samples
    test: Samples
    fingerprint: str


@dataclass(eq=False)
class _Run:
    """What the stages share. ``state`` is what a checkpoint holds beside tensors."""

    recipe: Recipe
    folder: RunFolder
    progress: ProgressReport
    stop: Callable[[], bool]
    data: _Data
    state: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        self.network = build_network(self.recipe.network)
        _arrange(self.network, _memory_format(self.recipe))
        self.layers: LayerRules = {pattern: rule.make() for pattern, rule in self.recipe.layers.items()}
        self.codebooks = select_codebooks(self.network, self.layers)
        self.state = {"step": 0, "epoch": 0, "history": [], "metrics": [], **self._environment()}

    def _environment(self) -> dict[str, Any]:
        return {"torch": torch.__version__, "threads": torch.get_num_threads(), "data": self.data.fingerprint}

    def restore(self) -> None:
        """Takes up the newest checkpoint, if there is one."""
        checkpoint = self.folder.newest()
        if checkpoint is None:
            return
        for key, now in self._environment().items():
            before = checkpoint.state[key]
            if key == "data" and before != now:
                raise DataError(
                    "the data set is not the one that the run was begun with; name its folder, or start anew"
                )
            if before != now:
                self.progress.tell(f"{key} was {before} and is {now}: the result may differ in its last bits")
        self.state, self.tensors = checkpoint.state | self._environment(), checkpoint.tensors
        self._load_network({k.removeprefix(_NETWORK): v for k, v in self.tensors.items() if k.startswith(_NETWORK)})

    def find_reference(self, file: Path | None) -> None:
        """Trains the float network, or reads it from ``file``; the network then holds it."""
        if "reference" in self.state:
            return
        if file is None:
            self._train_reference()
        else:
            self._load_network(read_tensors(file), str(file))
        sha256 = self.folder.write_tensors("reference.safetensors", dict(self.network.state_dict()))
        self.state["reference"] = {"sha256": sha256, **self._measure()}
        self._save({})

    def _train_reference(self) -> None:
        settings, epochs = self.recipe.reference.optimization, self.recipe.reference.epochs
        optimizer = make_optimizer(self.network, settings, settings.learning_rate)
        _load_momentum(optimizer, self.network, self.tensors)
        for epoch in range(self.state["epoch"], epochs):
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * settings.learning_rate_decay**epoch
            loss = self._train_epoch(optimizer, settings, f"reference {epoch}")
            self._record("reference", epoch=epoch, loss=loss)
            self.state["epoch"] = epoch + 1
            self._save(_momentum(optimizer, self.network))
            self.progress.show("reference", epoch + 1, epochs, f"loss {loss:.5f}")

    def compress_directly(self) -> None:
        """Measures direct compression, the baseline."""
        if "direct" in self.state:
            return
        own = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        compress_directly(self.network, self.layers)
        self.state["direct"] = self._measure()
        self._load_network(own)
        self._save({})

    def learn(self) -> dict[str, CodebookWeight]:
        """The codebook weights that the recipe's method gives; the network then holds them."""
        if self.recipe.method == "direct":
            return compress_directly(self.network, self.layers)
        learned = {k.removeprefix(_LEARNING): v for k, v in self.tensors.items() if k.startswith(_LEARNING)}
        history = tuple(IterationRecord(**record) for record in self.state["history"])
        state = LearningState.from_tensors(learned, len(history), history) if history else None
        result = learn_compressed(
            self.network,
            self.layers,
            self._train_step,
            self.recipe.schedule,
            state=state,
            on_iteration=self._after_iteration,
        )
        return result.weights

    def _train_step(self, step: LearningStep) -> float:
        settings, learning = self.recipe.learning.optimization, self.recipe.learning
        rate = settings.learning_rate * settings.learning_rate_decay**step.iteration
        optimizer = make_optimizer(self.network, settings, step.clip(rate))
        epochs = learning.first_epochs if step.iteration == 0 else learning.epochs
        losses = [
            self._train_epoch(optimizer, settings, f"learning {step.iteration} {epoch}") for epoch in range(epochs)
        ]
        return losses[-1]

    def _after_iteration(self, state: LearningState) -> None:
        with decoded(self.network, state.weights):
            measured = self._measure()
        record = asdict(state.history[-1])
        self._record("learning", **record, decoded=measured)
        self.state["history"] = [asdict(each) for each in state.history]
        note = f"distance {record['distance']:.4f}, loss {record['loss']:.5f}, decoded {measured['train_loss']:.5f}"
        self.progress.show("learning", state.iteration, self.recipe.schedule.iterations, note)
        self._save({_LEARNING + name: tensor for name, tensor in state.to_tensors().items()})

    def finish(self, weights: dict[str, CodebookWeight]) -> dict[str, Any]:
        """Measures and exports the result; gives the plan."""
        _arrange(self.network, torch.contiguous_format)
        plan = self._plan(weights, self._measure())
        tensors = dict(self.network.state_dict())
        for name, weight in weights.items():
            tensors |= weight.to_tensors(name)
        self.folder.write_tensors("learned.safetensors", tensors)
        example = (torch.zeros(2, *self.network.input_shape),)
        export_onnx(self.network, weights, example, self.folder.path / "exported.onnx", plan=plan)
        self._load_network(self.folder.read_tensors("reference.safetensors", self.state["reference"]["sha256"]))
        export_onnx(self.network, {}, example, self.folder.path / "reference.onnx")
        self.folder.write_plan(plan)
        return plan

    def _plan(self, weights: dict[str, CodebookWeight], learned: dict[str, float]) -> dict[str, Any]:
        measured = {"reference": self.state["reference"], "direct": self.state["direct"], "learned": learned}
        return {
            "schema_version": SCHEMA_VERSION,
            "network": self.recipe.network,
            "data": self.recipe.data,
            "method": self.recipe.method,
            "test_error_percent": {stage: each["test_error_percent"] for stage, each in measured.items()},
            "train_loss": {stage: each["train_loss"] for stage, each in measured.items()},
            "iterations": len(self.state["history"]),
            "layers": describe_layers(self.network, self.codebooks, weights, self.recipe.method),
            "recipe": as_table(self.recipe),
        }

    def _train_epoch(self, optimizer: torch.optim.Optimizer, settings: Optimization, place: str) -> float:
        """One epoch, its randomness a function of the seed and the place alone: nothing of it need be saved."""
        digest = hashlib.sha256(f"{self.recipe.seed} {place}".encode()).digest()
        generator = torch.manual_seed(int.from_bytes(digest[:7], "little"))
        return train_epoch(self.network, optimizer, self.data.train, settings, generator)

    def _measure(self) -> dict[str, float]:
        train_loss, _ = evaluate(self.network, self.data.train)
        _, test_error = evaluate(self.network, self.data.test)
        return {"train_loss": train_loss, "test_error_percent": test_error}

    def _record(self, stage: str, **values: Any) -> None:
        self.state["metrics"].append({"stage": stage, **values})

    def _save(self, extra: dict[str, torch.Tensor]) -> None:
        """Saves the network with ``extra`` tensors. Raises RunInterruptedError if a stop was asked for."""
        self.state["step"] += 1
        self.tensors = {_NETWORK + name: tensor for name, tensor in self.network.state_dict().items()} | extra
        problem = self.folder.save(Checkpoint(self.state["step"], self.state, self.tensors))
        if problem:
            self.progress.tell(problem)
        if self.stop():
            saved = "stopped at an earlier checkpoint" if problem else "stopped and saved"
            raise RunInterruptedError(f"{self.folder.path}: {saved}; continue with --resume")

    def _load_network(self, tensors: dict[str, torch.Tensor], source: str = "the checkpoint") -> None:
        try:
            self.network.load_state_dict(tensors)
        except RuntimeError as error:
            raise DataError(f"{source}: does not fit network {self.recipe.network} ({error})") from error
        if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
            raise DataError(f"{source}: holds values that are not finite; was training cut short?")


def _load_samples(recipe: Recipe, data_dir: Path) -> _Data:
    data = load(recipe.data, data_dir)
    arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    images = [torch.from_numpy(array).contiguous(memory_format=_memory_format(recipe)) for array in arrays[::2]]
    labels = [torch.from_numpy(array) for array in arrays[1::2]]
    return _Data(Samples(images[0], labels[0]), Samples(images[1], labels[1]), digest.hexdigest())


def _memory_format(recipe: Recipe) -> torch.memory_format:
    """Convolutions in bfloat16 are several times faster with the channels last."""
    bfloat16 = recipe.reference.optimization.bfloat16 or recipe.learning.optimization.bfloat16
    return torch.channels_last if bfloat16 else torch.contiguous_format


def _arrange(network: torch.nn.Module, memory_format: torch.memory_format) -> None:
    network.to(memory_format=memory_format)  # type: ignore[call-overload]  # missing in torch's annotations


def _momentum(optimizer: torch.optim.Optimizer, network: torch.nn.Module) -> dict[str, torch.Tensor]:
    parameters = network.named_parameters()
    return {_MOMENTUM + name: optimizer.state[parameter]["momentum_buffer"] for name, parameter in parameters}


def _load_momentum(
    optimizer: torch.optim.Optimizer, network: torch.nn.Module, tensors: dict[str, torch.Tensor]
) -> None:
    for name, parameter in network.named_parameters():
        if _MOMENTUM + name in tensors:
            buffer = torch.empty_like(parameter).copy_(tensors[_MOMENTUM + name])
            optimizer.state[parameter]["momentum_buffer"] = buffer
