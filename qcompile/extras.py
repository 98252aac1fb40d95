"""Optional dependencies."""

import importlib.util

from qcompile.errors import QCompileError

TRAINING = ("torch", "onnxscript", "safetensors", "sklearn")


def require_training(what: str) -> None:
    """Raises QCompileError, saying what to install, unless all packages that learning needs are here."""
    missing = [name for name in TRAINING if importlib.util.find_spec(name) is None]
    if missing:
        raise QCompileError(f"{what} needs {', '.join(missing)}, missing here: pip install 'qcompile[train]'")
