"""How much memory a packed file needs to load and run once: measured in a process of its own."""

import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from qcompile import runtime
from qcompile.errors import QCompileError

STATUS = pathlib.Path("/proc/self/status")


def peak_memory_bytes(
    path: str | pathlib.Path, feeds: Mapping[str, npt.NDArray[Any]], *, threads: int = 1
) -> int | None:
    """By how many bytes loading ``path`` with our kernels, and one call, raise a process's largest resident memory.

    The process has onnxruntime loaded already. None where the system does not tell. Raises QCompileError if the file
    does not run on ``feeds``.
    """
    if not STATUS.exists():
        return None
    with tempfile.TemporaryDirectory(prefix="qcompile-") as folder:
        inputs = pathlib.Path(folder, "inputs.npz")
        np.savez(inputs, *feeds.values())
        command = [sys.executable, "-m", "qcompile.peak_memory", str(path), str(inputs), str(threads), *feeds]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise QCompileError(f"{path}: its memory could not be measured: {why}")
    return int(done.stdout)


def _peak_bytes() -> int:
    """The largest resident memory of this process so far; the one that getrusage gives begins with its parent's."""
    lines = STATUS.read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _main(path: str, inputs: str, threads: str, *names: str) -> None:
    with np.load(inputs, allow_pickle=False) as arrays:
        feeds = {name: arrays[f"arr_{number}"] for number, name in enumerate(names)}  # as savez names them
    before = _peak_bytes()
    runtime.session(path, threads=int(threads)).run(None, feeds)
    print(_peak_bytes() - before)


if __name__ == "__main__":
    _main(*sys.argv[1:])
