"""qcompile: learns low-bit weights, compiles them into packed ONNX files, runs and reports them.

Importing this package imports neither torch nor onnxruntime; ``quantize_static`` is imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qcompile.onnxruntime_names import quantize_static

__all__ = ["__version__", "quantize_static"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``quantize_static``. Raises AttributeError for another name."""
    if name != "quantize_static":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from qcompile.onnxruntime_names import quantize_static

    return quantize_static
