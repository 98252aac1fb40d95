"""The peak of one core, measured beside the rest: bytes multiplied and added, and floats, from registers alone.

bench/peak.cc is built in a temporary folder by the machine's own compiler ($CXX, or c++, g++, clang++). Without one, or
on a processor it does not know, there is no peak, and ``missing`` says why.
"""

import ctypes
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import tempfile
from dataclasses import dataclass, field

SOURCE = pathlib.Path(__file__).parent / "peak.cc"
FLAGS = ("-O2", "-std=c++17", "-march=native", "-fPIC", "-shared")
COMPILERS = ("c++", "g++", "clang++")
SLICE_SECONDS = 0.01


@dataclass
class Peak:
    """What was measured so far, a figure a round, in billions of multiplications and additions a second."""

    missing: str = ""
    library: ctypes.CDLL | None = None
    int8: list[float] = field(default_factory=list)
    floats: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """One round; nothing where there is no peak."""
        if self.library is not None:
            self.int8.append(self.library.int8_giga_operations(SLICE_SECONDS))
            self.floats.append(self.library.float_giga_operations(SLICE_SECONDS))

    def percent_of_int8(self, giga_operations: list[float], threads: int = 1) -> float | None:
        """The median of the rounds' parts of the peak of ``threads`` cores; the last of its rounds are those meant."""
        if self.library is None or not giga_operations:
            return None
        peaks = self.int8[-len(giga_operations) :]
        parts = [own / (peak * threads) for own, peak in zip(giga_operations, peaks, strict=True)]
        return 100 * statistics.median(parts)

    def as_setting(self) -> str:
        """What a result says of the peak."""
        if self.library is None:
            return f"not measured: {self.missing}"
        kinds = (
            ("int8", self.int8, self.library.int8_instruction),
            ("float", self.floats, self.library.float_instruction),
        )
        said = [f"{kind} {statistics.median(own):,.0f} GOP/s ({name().decode()})" for kind, own, name in kinds if own]
        return ", ".join([*said, "one core, medians of the same rounds"])


def build_peak() -> Peak:
    """A peak to measure, or one that says why there is none."""
    compiler = os.environ.get("CXX") or next(filter(None, map(shutil.which, COMPILERS)), "")
    if not compiler:
        return Peak("there is no C++ compiler")
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder, "peak.so")
        try:
            subprocess.run(
                [*shlex.split(compiler), *FLAGS, SOURCE, "-o", target], capture_output=True, text=True, check=True
            )
        except OSError as error:
            return Peak(f"{compiler}: {error.strerror}")
        except subprocess.CalledProcessError as error:
            return Peak(f"{compiler}: {(error.stderr.strip().splitlines() or ['it failed'])[0]}")
        library = ctypes.CDLL(str(target))  # stays loaded when the file is gone
    for name in ("int8", "float"):
        getattr(library, f"{name}_instruction").restype = ctypes.c_char_p
        operations = getattr(library, f"{name}_giga_operations")
        operations.argtypes, operations.restype = [ctypes.c_double], ctypes.c_double
    if not library.int8_instruction() or not library.float_instruction():
        return Peak("bench/peak.cc knows no such instructions of this processor")
    return Peak(library=library)


def percent(value: float | None) -> str:
    """A cell of a table."""
    return "" if value is None else f"{value:.0f} %"
