"""What the codebooks of integers share."""

from typing import Literal

from qcompile.errors import RecipeError

ScalePer = Literal["tensor", "channel"]


def check_scale_per(scale_per: str) -> None:
    """Raises RecipeError unless ``scale_per`` is one."""
    if scale_per not in ("tensor", "channel"):
        raise RecipeError(f'a scale is per {scale_per!r}, wanted "tensor" or "channel"')
