"""Runs a model file on arrays or on a data set."""

import io
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from qcompile import datasets, runtime
from qcompile.errors import DataError, QCompileError
from qcompile.files import write_atomically

Array = npt.NDArray[Any]
BATCH = 500
FILE_BATCH = 50  # of pictures, which are large


def run_file(
    path: str | pathlib.Path,
    inputs: Mapping[str, Array],
    output: str | pathlib.Path | None = None,
    *,
    threads: int = 1,
    library: bool = True,
) -> list[str]:
    """Runs the model on ``inputs`` (by name), writes its outputs as .npz to ``output``; a line about each output.

    Raises QCompileError if the model does not load or the inputs do not fit it.
    """
    session = runtime.session(path, threads=threads, library=library)
    names = [o.name for o in session.get_outputs()]
    arrays = dict(zip(names, run_session(session, inputs), strict=True))
    if output is not None:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_atomically(output, buffer.getvalue())
    return [f"{name}: {array.dtype} {list(array.shape)}{_summary(array)}" for name, array in arrays.items()]


def error_percent(
    path: str | pathlib.Path,
    dataset: datasets.Dataset | datasets.FileDataset,
    *,
    threads: int = 1,
    library: bool = True,
) -> float:
    """The share of ``dataset``'s test images that the model at ``path`` labels wrongly, in percent.

    Raises QCompileError if the model does not load or does not take such images.
    """
    session = runtime.session(path, threads=threads, library=library)
    name = session.get_inputs()[0].name
    images, labels = dataset.test_images, dataset.test_labels
    wrong = 0
    batch = BATCH if isinstance(dataset, datasets.Dataset) else FILE_BATCH
    for start in range(0, len(images), batch):
        scores = run_session(session, {name: images[start : start + batch]})[0]
        wrong += int((scores.argmax(axis=-1) != labels[start : start + batch]).sum())
    return 100 * wrong / len(images)


def run_session(session: onnxruntime.InferenceSession, inputs: Mapping[str, Array]) -> list[Array]:
    """The outputs of ``session`` for ``inputs``, checked by name, type and shape by onnxruntime.

    Raises DataError where they do not fit.
    """
    wanted = {i.name: f"{i.type} {i.shape}" for i in session.get_inputs()}
    if set(inputs) != set(wanted):
        raise DataError(f"the model takes {wanted}; given {', '.join(sorted(inputs)) or 'nothing'}")
    try:
        return [np.asarray(output) for output in session.run(None, dict(inputs))]
    except Exception as error:  # onnxruntime's errors share no public base class
        given = {name: f"{array.dtype} {list(array.shape)}" for name, array in inputs.items()}
        raise QCompileError(f"given {given}, the model takes {wanted}: {error}") from error


def _summary(array: Array) -> str:
    """The range of a float output."""
    if not array.size or not np.issubdtype(array.dtype, np.floating):
        return ""
    return f", {float(array.min()):.4g} to {float(array.max()):.4g}"
