"""The arguments and options that several commands share."""

import pathlib
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from qcompile.errors import DataError

EXISTING = click.Path(exists=True, dir_okay=False, path_type=pathlib.Path)
TO_FILE = click.Path(dir_okay=False, path_type=pathlib.Path)
FOLDER = click.Path(file_okay=False, path_type=pathlib.Path)
MAX_SIZE = 2**31  # of an axis

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def packed_argument() -> Decorator:
    """The argument PACKED, an existing file."""
    return click.argument("packed", type=EXISTING)


def against_option() -> Decorator:
    """The option --against FLOAT.onnx."""
    return click.option("--against", type=EXISTING, help="The float model to compare with (reference.onnx of a run).")


def inputs_option(*, required: bool = False) -> Decorator:
    """The option --inputs FILE.npz, one array for each input of the model."""
    return click.option(
        "--inputs", type=EXISTING, required=required, help="Inputs: an .npz, one array [batch, ...] a model input."
    )


def json_option() -> Decorator:
    """The flag --json: the result as data on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def threads_option() -> Decorator:
    """The option --threads, 1 by default."""
    return click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads.")


def read_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The shapes by input that ``texts`` say, each INPUT=1x3x224x224.

    Raises DataError where one says something else.
    """
    shapes = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        numbers = sizes.split("x")
        if not name or not all(size.isascii() and size.isdigit() and 0 < int(size) < MAX_SIZE for size in numbers):
            raise DataError(f"--shape {text}: wanted INPUT=SIZExSIZE..., such as input=1x3x224x224")
        shapes[name] = tuple(map(int, numbers))
    return shapes


def read_inputs(path: pathlib.Path | None) -> dict[str, npt.NDArray[Any]] | None:
    """The arrays of an .npz by name, or None without a path.

    Raises DataError if the file is no .npz of plain arrays.
    """
    if path is None:
        return None
    try:
        arrays = np.load(path, allow_pickle=False)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise DataError(f"{path}: a single array; wanted an .npz with one array for each input of the model")
        with arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not an .npz of plain arrays: {error}") from error


def read_text(path: pathlib.Path) -> str:
    """The text of a file. Raises DataError if it cannot be read or is no UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: no readable text ({error})") from error
