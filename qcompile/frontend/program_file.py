"""A program that torch.export.save wrote, read from its file."""

import logging
import pathlib
import warnings

import torch

from qcompile.errors import DataError
from qcompile.frontend.program_archive import EXPORT, checked_archive


def load_program(path: str | pathlib.Path) -> torch.export.ExportedProgram:
    """The program in the file ``path``; without example inputs, notes and guards, which no conversion needs.

    What loading is known to run as code is refused; torch itself says to load only files that you trust, and so do we.
    Raises DataError for what is no program of torch.export, is damaged, or would run code.
    """
    path = pathlib.Path(path)
    archive = checked_archive(path)
    logging.getLogger("torch.export").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.load(archive)
    except Exception as error:  # torch has no error of its own for what it cannot read
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: torch {torch.__version__} cannot read the program: {text}. {EXPORT}") from error
