"""Makes the report of a packed file out of all that was asked for."""

import pathlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy.typing as npt
import onnx

from qcompile.debugging import debug_files
from qcompile.errors import DataError
from qcompile.loading import load_model, stored_bytes
from qcompile.packed_model import embedded_plan, packed_layers
from qcompile.report.counting import count_report
from qcompile.report.front import chosen_plan, make_front, read_plans
from qcompile.report.known import Known
from qcompile.report.learning import read_learning
from qcompile.report.measured import describe_machine, measure
from qcompile.report.result import Report
from qcompile.tensor_shapes import tensor_shapes
from qcompile.weight_error import load_float

KernelsOf = Callable[[onnx.ModelProto], Mapping[str, str]]
Path = str | pathlib.Path


def report_file(
    path: Path,
    *,
    against: Path | None = None,
    kernels_of: KernelsOf | None = None,
    inputs: Mapping[str, npt.NDArray[Any]] | None = None,
    seconds: float | None = None,
    threads: int = 1,
    plans: Path | None = None,
    run: Path | None = None,
) -> Report:
    """The report of the packed file ``path``.

    ``against`` is the float model, for the weights' signal-to-noise ratio and the ratio of real file sizes;
    ``kernels_of`` names the kernels that this machine runs, by the output of a layer (``qcompile.kernel_choice``).
    With ``inputs``, arrays [rows, ...] by name, both models are run, for the SQNR of what layers give. With ``seconds``
    the file is timed on this machine for about three times as long, on ``threads`` threads. ``plans`` is a folder of
    ``qcompile search`` or one plan, ``run`` the folder of a run of ``qcompile learn``.

    Raises ModelError if a file is not what it must be; DataError if ``inputs`` are given without ``against`` or do not
    fit, or a plan or run cannot be read; QCompileError if the kernel library is missing and needed.
    """
    if inputs is not None and against is None:
        raise DataError("inputs are given, but no float model to compare with: name it, too (--against)")
    model = load_model(path)
    layers = packed_layers(model)
    read = [] if plans is None else read_plans(plans)
    known = Known(
        floats=None if against is None else load_float(against, layers),
        kernels={} if kernels_of is None else kernels_of(model),
        debugged=None if inputs is None or against is None else debug_files(against, path, inputs),
        measured=None if seconds is None else measure(path, layers, against=against, threads=threads, seconds=seconds),
        chosen=chosen_plan(read, layers),
        shapes=tensor_shapes(model),
        plan=embedded_plan(model),
    )
    counted = count_report(pathlib.Path(path), model, layers, known)
    float_bytes = None if against is None else stored_bytes(against)
    return replace(
        counted,
        float_file_bytes=float_bytes,
        file_ratio=None if float_bytes is None else float_bytes / counted.file_bytes,
        machine=describe_machine() if kernels_of is not None or seconds is not None else None,
        front=make_front(read, known.chosen),
        learning=None if run is None else read_learning(run),
    )
