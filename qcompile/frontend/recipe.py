"""A recipe: everything that decides the outcome of ``qcompile learn``, read from TOML."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from qcompile.datasets import DATASET_NAMES, IN_FILES
from qcompile.errors import RecipeError
from qcompile.frontend.drawn_images import Augmentation, check_augmentation
from qcompile.frontend.layer_rule import LayerRule
from qcompile.frontend.ranges import check_range
from qcompile.frontend.schedule import Schedule
from qcompile.frontend.training import Optimization
from qcompile.models import NETWORK_NAMES

Method = Literal["lc", "direct", "iterated-direct", "straight-through"]


@dataclass(frozen=True)
class ReferenceSettings:
    """How the float network is trained."""

    epochs: int = 40
    optimization: Optimization = field(default_factory=Optimization)

    def __post_init__(self) -> None:
        check_range("epochs", self.epochs, 1, 100_000)


@dataclass(frozen=True)
class LearningSettings:
    """How one L step trains. ``learning_rate_decay`` acts from one L step to the next, not inside one.

    A part of an epoch takes that share of the samples, drawn anew each time: C steps may come several times an epoch.
    The decoded network is measured after every ``measure_every`` iterations. ``distillation`` (0 to 1) is the share
    of the loss that asks for the float network's answers, at ``temperature``, and not for the labels.
    ``refit_every`` is for straight-through training: the optimizer steps from one fit of the codebooks to the next.
    """

    epochs: float = 6.0
    first_epochs: float = 12.0
    refit_every: int = 1
    measure_every: int = 1
    distillation: float = 0.0
    temperature: float = 2.0
    optimization: Optimization = field(default_factory=lambda: Optimization(0.09, 0.98))

    def __post_init__(self) -> None:
        check_range("epochs", self.epochs, 0.001, 10_000)
        check_range("first_epochs", self.first_epochs, 0.001, 10_000)
        check_range("refit_every", self.refit_every, 1, 1_000_000)
        check_range("measure_every", self.measure_every, 1, 1_000_000)
        check_range("distillation", self.distillation, 0, 1)
        check_range("temperature", self.temperature, 0.01, 1000)


@dataclass(frozen=True)
class Recipe:
    """``layers`` maps patterns on module names to rules; the first match wins.

    The methods but "direct" train ``schedule.iterations`` times by ``learning``; only "lc" has a penalty.
    A network with batch normalization gets its statistics for compressed weights from the first
    ``calibration_images`` of the training images, augmented as in learning. Raises RecipeError on construction.
    """

    network: str
    data: str
    layers: dict[str, LayerRule]
    method: Method = "lc"
    seed: int = 1
    threads: int = 2
    calibration_images: int = 5000
    reference: ReferenceSettings = field(default_factory=ReferenceSettings)
    learning: LearningSettings = field(default_factory=LearningSettings)
    schedule: Schedule = field(default_factory=Schedule)

    def __post_init__(self) -> None:
        check_run(
            self.network,
            self.data,
            (self.reference.optimization.augmentation, self.learning.optimization.augmentation),
            seed=self.seed,
            threads=self.threads,
            calibration_images=self.calibration_images,
        )
        if not self.layers:
            raise RecipeError('layers is empty; give at least "*" = { codebook = "adaptive", entries = 2 }')


def check_run(
    network: str, data: str, augmentations: Iterable[Augmentation], *, seed: int, threads: int, calibration_images: int
) -> None:
    """What all recipes have. Raises RecipeError for an unknown network or data set, or a setting out of range."""
    for key, name, names in (("network", network, NETWORK_NAMES), ("data", data, DATASET_NAMES)):
        if name not in names:
            raise RecipeError(f'{key} is "{name}", wanted one of {", ".join(names)}')
    for augmentation in augmentations:
        check_augmentation(augmentation, in_files=data in IN_FILES)
    check_range("seed", seed, 0, 2**63 - 1)
    check_range("threads", threads, 1, 1024)
    check_range("calibration_images", calibration_images, 1, 10_000_000)
