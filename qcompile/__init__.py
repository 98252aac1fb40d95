"""qcompile: learns low-bit weights, compiles them into packed ONNX files, runs and reports them.

Importing this package imports neither torch nor onnxruntime.
"""

__version__ = "0.1.0"
