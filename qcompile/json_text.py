"""Dataclasses as JSON text."""

import dataclasses
import json
import math
from typing import Any


def to_json(value: Any, **more: Any) -> str:
    """The dataclass ``value``, with ``more`` beside its fields, as indented JSON.

    JSON has no infinity: a float that is not finite becomes a string.
    """
    return json.dumps(_plain(dataclasses.asdict(value) | more), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
