"""Writes a file whole or not at all."""

import contextlib
import os
import pathlib
import tempfile

from qcompile.errors import QCompileError

NEW_FILE_MODE = 0o644


def write_atomically(path: str | pathlib.Path, data: bytes) -> None:
    """Writes ``data`` to ``path``: a reader, or a crash at any moment, finds the old file or the new one.

    A file that is replaced keeps its permissions. Raises OSError, and leaves nothing behind, if it cannot be written.
    """
    path = pathlib.Path(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), _mode(path))  # mkstemp made it readable by the owner alone
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def write_result(path: str | pathlib.Path, data: bytes) -> None:
    """As ``write_atomically``, for a file that a user asked for. Raises QCompileError if it cannot be written."""
    try:
        write_atomically(path, data)
    except OSError as error:
        raise QCompileError(f"{path}: cannot be written: {error.strerror}") from error


def _mode(path: pathlib.Path) -> int:
    try:
        return path.stat().st_mode & 0o7777
    except FileNotFoundError:
        return NEW_FILE_MODE


def _sync_folder(folder: pathlib.Path) -> None:
    """Makes the new name itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
