"""The recipe of a supernet: one training for many plans of bits, read from TOML as every recipe."""

from dataclasses import dataclass, field
from typing import Literal

from qcompile.frontend.mixed.bit_scheduler import (
    BitScheduler,
    FlipRate,
    FullSetTurbulence,
    NoFreezing,
    PublishedTurbulence,
    RandomFreezing,
    RarerSmallest,
)
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.freezing import Freezing
from qcompile.frontend.mixed.quantized_layer import StepsPer
from qcompile.frontend.mixed.supernet_optimizer import SupernetOptimization
from qcompile.frontend.mixed.supernet_training import SupernetSettings
from qcompile.frontend.mixed.training_step import Passes
from qcompile.frontend.ranges import check_range
from qcompile.frontend.recipe import ReferenceSettings, check_run

ONE_SHOT = "one-shot"


@dataclass(frozen=True)
class SupernetLearning:
    """How long a supernet is trained, and how; the parts are described where they are defined.

    ``freezing`` is for the schedulers that freeze. An epoch takes as many passes over the images as a step has: over
    all that are trained on, or a ``share`` of them, drawn anew for each. A run can be continued after each epoch.
    """

    epochs: int = 30
    share: float = 1.0
    scheduler: Literal["none", "published", "full-set", "flip-rate", "random", "rarer-smallest"] = "none"
    freezing: Freezing = field(default_factory=Freezing)
    average_horizon: float = 0.04
    passes: Passes = field(default_factory=Passes)
    optimization: SupernetOptimization = field(default_factory=SupernetOptimization)

    def __post_init__(self) -> None:
        check_range("epochs", self.epochs, 1, 100_000)
        check_range("share", self.share, 1e-6, 1.0)
        self.settings()

    def settings(self) -> SupernetSettings:
        """What the training itself is told. Raises RecipeError for a value out of range."""
        return SupernetSettings(self.optimization, self.passes, self._scheduler(), self.average_horizon)

    def _scheduler(self) -> BitScheduler:
        match self.scheduler:
            case "published":
                return PublishedTurbulence(self.freezing)
            case "full-set":
                return FullSetTurbulence(self.freezing)
            case "flip-rate":
                return FlipRate(self.freezing)
            case "random":
                return RandomFreezing(self.freezing)
            case "rarer-smallest":
                return RarerSmallest()
        return NoFreezing()


@dataclass(frozen=True)
class OneShotRecipe:
    """``layers`` maps patterns on module names to candidate bits; what matches none has the usual ones.

    The last ``held_out_images`` of the training images are not trained on: a search judges plans by them. Statistics
    of a measured plan come from the first ``calibration_images``, augmented as in training. Raises RecipeError on
    construction.
    """

    network: str
    data: str
    method: Literal["one-shot"]
    layers: dict[str, Candidates] = field(default_factory=dict)
    steps_per: StepsPer = "layer"
    seed: int = 1
    threads: int = 2
    calibration_images: int = 2000
    held_out_images: int = 2000
    reference: ReferenceSettings = field(default_factory=ReferenceSettings)
    learning: SupernetLearning = field(default_factory=SupernetLearning)

    def __post_init__(self) -> None:
        check_run(
            self.network,
            self.data,
            (self.reference.optimization.augmentation, self.learning.optimization.augmentation),
            seed=self.seed,
            threads=self.threads,
            calibration_images=self.calibration_images,
        )
        check_range("held_out_images", self.held_out_images, 1, 10_000_000)
