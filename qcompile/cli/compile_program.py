"""`qcompile compile` of a program that torch.export.save wrote: it becomes an ONNX file first."""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace

from qcompile.cli.compile_options import CompileOptions
from qcompile.errors import QCompileError
from qcompile.extras import require_training

ZIP, PICKLE = b"PK\x03\x04", b"\x80"


@contextlib.contextmanager
def as_onnx(options: CompileOptions) -> Iterator[CompileOptions]:
    """``options`` of an ONNX file: where a user gave what torch wrote it is converted to one, gone afterwards.

    Raises QCompileError where torch is not here, or for what it wrote that is no program.
    """
    if not _is_of_torch(options.exported):
        yield options
        return
    require_training(f"{options.exported}: compiling what torch wrote")
    from qcompile.frontend import export_program, load_program

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "exported.onnx")
        export_program(load_program(options.exported), path)
        try:
            yield replace(options, exported=path)
        except QCompileError as error:  # a user knows no such file
            raise type(error)(str(error).replace(str(path), str(options.exported))) from error


def _is_of_torch(path: pathlib.Path) -> bool:
    """Whether ``path`` is a file that begins as a zip archive or a pickle does: no ONNX model does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(len(ZIP))
    return start == ZIP or start.startswith(PICKLE)
