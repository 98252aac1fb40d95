"""Writes files so that a reader sees the old one or the whole new one, never a part."""

import os
import pathlib
import tempfile


def write_atomically(path: str | pathlib.Path, content: bytes) -> None:
    """Replaces ``path`` by ``content``: a temporary file beside it, fsync, rename, fsync of the folder.

    Keeps the mode of a file that it replaces. Raises OSError, and then leaves ``path`` as it was.
    """
    path = pathlib.Path(path)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_current_umask()
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: pathlib.Path) -> None:
    """Makes the rename itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
