"""The arms of the ablation: which settings each has, and the epochs that give all as many forward passes."""

from collections.abc import Sequence
from dataclasses import dataclass

from qcompile.errors import QCompileError
from qcompile.frontend.one_shot_recipe import OneShotRecipe

FIRST = "none"
SCHEDULERS = ("published", "full-set", "flip-rate", "random", "rarer-smallest")
MITIGATION = ("0.01", "0.1", "1")
RANDOM_PASSES = (1, 2, 3)
PLAIN = (
    "learning.scheduler='none'",
    "learning.passes.mitigation.weight=0.0",
    "learning.passes.draw='even'",
    "steps_per='layer'",
)


@dataclass(frozen=True)
class Arm:
    """``overrides`` of the recipe, that of the epochs too; ``passes`` of each step, all of them."""

    name: str
    overrides: tuple[str, ...]
    passes: int


def arms(base: OneShotRecipe, names: Sequence[str] | None = None) -> list[Arm]:
    """The arms called ``names``, or all, the first being that with which the others are compared.

    ``base`` says how many passes over the images each has: as many as it has itself. Raises QCompileError for an
    unknown name, or one whose passes a step do not divide them.
    """
    own = base.learning.passes.random
    changes = {FIRST: ((), own)}
    changes |= {name: ((f"learning.scheduler='{name}'",), own) for name in SCHEDULERS}
    changes |= {f"mitigation-{w}": ((f"learning.passes.mitigation.weight={float(w)}",), own) for w in MITIGATION}
    changes |= {f"passes-{1 + random}": ((), random) for random in RANDOM_PASSES if random != own}
    changes |= {"ceilings": (("learning.passes.draw='ceilings'",), own)}
    changes |= {"steps-channel": (("steps_per='channel'",), own)}
    wanted = list(changes) if names is None else [FIRST, *(name for name in names if name != FIRST)]
    if unknown := [name for name in wanted if name not in changes]:
        raise QCompileError(f"--arms {','.join(unknown)}: wanted some of {', '.join(changes)}")
    return [_arm(base, name, *changes[name]) for name in wanted]


def epochs_for(base: OneShotRecipe, passes_a_step: int) -> int:
    """The epochs of ``passes_a_step`` that are as many passes as ``base`` has. Raises QCompileError if not whole."""
    total = base.learning.epochs * (1 + base.learning.passes.random)
    if total % passes_a_step:
        raise QCompileError(
            f"{total} passes over the images are no whole number of epochs with {passes_a_step} passes a step: set "
            "learning.epochs to a multiple of that, or leave the arm out (--arms)"
        )
    return total // passes_a_step


def _arm(base: OneShotRecipe, name: str, changes: tuple[str, ...], random: int) -> Arm:
    length = (f"learning.epochs={epochs_for(base, 1 + random)}", f"learning.passes.random={random}")
    return Arm(name, (*PLAIN, *length, *changes), 1 + random)
