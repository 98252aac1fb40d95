"""Figures that took long are kept in files of their own: what was interrupted goes on where it stopped."""

import json
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from qcompile.files import write_atomically


def kept(path: pathlib.Path, settings: Mapping[str, Any], measure: Callable[[], Any]) -> Any:
    """What ``measure`` gives, as JSON has it: read from ``path`` if that was written for the same ``settings``.

    Otherwise it is measured now and written to ``path``, in the place of what was there.
    """
    wanted = as_json(settings)
    found = json.loads(path.read_text()) if path.exists() else {}
    if found.get("settings") == wanted:
        return found["result"]
    result = as_json(measure())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps({"settings": wanted, "result": result}) + "\n").encode())
    return result


def as_json(value: Any) -> Any:
    """``value`` as it is when it was written as JSON and read again: tuples are lists, all keys are texts."""
    return json.loads(json.dumps(value))


def timed(measure: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """What ``measure`` gives, with the "seconds" that it took on the clock."""
    start = time.perf_counter()
    result = measure()
    return {**result, "seconds": time.perf_counter() - start}
