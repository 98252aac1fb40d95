"""One-shot mixed precision: one training for many plans of bits (Tang et al., arXiv 2401.01543)."""

from qcompile.frontend.mixed.bit_scheduler import (
    FlipRate,
    FullSetTurbulence,
    NoFreezing,
    PublishedTurbulence,
    RandomFreezing,
    RarerSmallest,
)
from qcompile.frontend.mixed.candidates import Candidates, select_candidates
from qcompile.frontend.mixed.distortion import Mitigation
from qcompile.frontend.mixed.export_plan import export_supernet
from qcompile.frontend.mixed.layer_costs import layer_costs
from qcompile.frontend.mixed.moving_average import averaged
from qcompile.frontend.mixed.plan_score import PlanScore
from qcompile.frontend.mixed.supernet import Supernet, build_supernet, recalibrate
from qcompile.frontend.mixed.supernet_optimizer import SupernetOptimization
from qcompile.frontend.mixed.supernet_training import Span, SupernetSettings, SupernetTraining, train_supernet_epoch
from qcompile.frontend.mixed.training_step import Passes

__all__ = [
    "Candidates",
    "FlipRate",
    "FullSetTurbulence",
    "Mitigation",
    "NoFreezing",
    "Passes",
    "PlanScore",
    "PublishedTurbulence",
    "RandomFreezing",
    "RarerSmallest",
    "Span",
    "Supernet",
    "SupernetOptimization",
    "SupernetSettings",
    "SupernetTraining",
    "averaged",
    "build_supernet",
    "export_supernet",
    "layer_costs",
    "recalibrate",
    "select_candidates",
    "train_supernet_epoch",
]
