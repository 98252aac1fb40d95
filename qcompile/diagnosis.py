"""What this machine has: versions, the kernel library, instruction sets, kernels."""

import importlib.metadata
import os
import platform
from dataclasses import dataclass

from qcompile import __version__, runtime
from qcompile.errors import QCompileError
from qcompile.json_text import to_json

PACKAGES = ("onnxruntime", "onnx", "onnx-ir", "numpy", "torch", "onnxscript")


@dataclass(frozen=True)
class Diagnosis:
    """The state of an installation; ``problem`` says why kernels cannot run, None where they can."""

    qcompile_version: str
    python_version: str
    machine: str
    packages: dict[str, str | None]
    library: str | None
    isas: tuple[str, ...]
    isa: str | None
    forced_isa: str | None
    kernels: dict[str, tuple[str, ...]]
    problem: str | None

    def as_json(self) -> str:
        """The diagnosis as a JSON object."""
        return to_json(self)

    def as_text(self) -> str:
        """The diagnosis as lines for a terminal."""
        lines = [f"qcompile     {self.qcompile_version}, Python {self.python_version}, {self.machine}"]
        lines += [f"{name:<12} {version or 'not installed'}" for name, version in self.packages.items()]
        lines.append(f"library      {self.library or 'not found'}")
        if self.problem is not None:
            return "\n".join([*lines, f"PROBLEM      {self.problem}"])
        lines.append(f"ISAs found   {', '.join(self.isas)}")
        forced = "" if self.forced_isa is None else " (forced by QCOMPILE_FORCE_ISA)"
        lines.append(f"ISA chosen   {self.isa}{forced}")
        lines += [f"{op}: {_by_name(kernels)}" for op, kernels in self.kernels.items()]
        return "\n".join(lines)


def _by_name(kernels: tuple[str, ...]) -> str:
    """Each kernel with the bits that it serves; a single one serves all."""
    if len(kernels) == 1:
        return kernels[0]
    by_name = {name: [bits for bits, k in enumerate(kernels, 1) if k == name] for name in dict.fromkeys(kernels)}
    return "; ".join(f"{name} for {', '.join(map(str, bits))} bits" for name, bits in by_name.items())


def diagnose() -> Diagnosis:
    """The state of this installation; a missing library or ISA is told, not raised."""
    library, info, problem = None, None, None
    try:
        library = str(runtime.library_path())
        info = runtime.runtime_info()
    except QCompileError as error:
        problem = str(error)
    return Diagnosis(
        qcompile_version=__version__,
        python_version=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        packages={name: _version(name) for name in PACKAGES},
        library=library,
        isas=tuple(info.isas) if info else (),
        isa=info.isa if info else None,
        forced_isa=os.environ.get("QCOMPILE_FORCE_ISA"),
        kernels={op: tuple(kernels) for op, kernels in info.kernels.items()} if info else {},
        problem=problem,
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
