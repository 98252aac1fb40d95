"""Whole networks against their rivals: one image, interleaved; writes docs/results/networks.md and .json.

    python bench/networks.py [--networks resnet18,resnet20] [--rivals PYTHON] [--litert PYTHON] [--isa avx2]
        [--output docs/results/networks]

Random weights of the right shapes: what is measured is time, memory and bytes. A rival runs in the Python that has its
packages: --rivals that of `pip install "qcompile[bench]"`, --litert that of `pip install litert-torch
ai-edge-quantizer`, with the torch that qcompile has. A rival that is not there is left out, and the table says why.
Every system runs in a process of its own and they take turns, with the peak of a core as one of them; a ratio is the
median of the rounds' ratios. With --isa all of them do without what later processors have; those that cannot be told to
are left out.
"""

import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

import click
import numpy as np
import torch
from encoder import Encoder
from interleaved import SEED, publish, settings_of
from network_cost import network_multiply_adds
from peak import Peak, build_peak, percent

from qcompile import runtime
from qcompile.calibration import ArrayReader, MinMax
from qcompile.compiler import Integers, compile_file
from qcompile.frontend import export_onnx
from qcompile.models import build_network
from qcompile.rounding import Plain

HERE = pathlib.Path(__file__).parent
NETWORKS = ("resnet18", "mobilenetv2", "efficientnet-lite0", "resnet20", "lenet300", "lenet5", "encoder")
PLANS = {"w4a8": (4, 8), "w4a6": (4, 6)}  # bits of weights, of activations
RIVALS = (
    ("onnxruntime-int8", "onnxruntime", "ort_int8.onnx"),
    ("onnxruntime-nbits", "onnxruntime", "ort_nbits.onnx"),
    ("openvino-int8", "openvino", "ov_int8.xml"),
    ("litert-int8", "litert", "litert_int8.tflite"),
)
# By instruction set, what the environment tells a system; others cannot be told.
LIMITS = {"avx2": {"qcompile": {"QCOMPILE_FORCE_ISA": "avx2"}, "openvino": {"ONEDNN_MAX_CPU_ISA": "AVX2"}}}
SLICE_SECONDS = 0.15
PAUSE_SECONDS = 0.3  # between systems of several threads: those of the last one go on spinning for a while
SAMPLES = 8


@dataclass
class Rival:
    """A system with its file and Python, and its number of threads where that is not everybody's.

    ``worker`` is None where it could not be made; ``missing`` says why.
    """

    name: str
    system: str
    path: pathlib.Path
    python: str
    threads: int | None = None
    worker: subprocess.Popen[str] | None = None
    missing: str = ""
    load_ms: float = 0.0
    memory_mb: float = 0.0
    times_us: list[float] = field(default_factory=list)

    def environment(self, isa: str) -> dict[str, str] | None:
        """What tells it to do with ``isa``, all of this machine where that is empty; None if nothing does."""
        who = "qcompile" if self.name.startswith("qcompile") else self.system
        return LIMITS[isa].get(who) if isa else {}


@dataclass(frozen=True)
class Figures:
    """Medians over rounds; ``ratios`` are this system's speed over that of each other, by name.

    ``percent_of_peak`` is the network's multiply-adds by the time, as a part of what int8 instructions can do; None
    where that is not known.
    """

    network: str
    system: str
    median_us: float
    load_ms: float
    memory_mb: float
    file_bytes: int
    missing: str
    percent_of_peak: float | None
    ratios: dict[str, float]


def make_rivals(network: str, folder: pathlib.Path, python: str, litert: str | None) -> list[Rival]:
    """The files of ``network`` for each system."""
    floats, samples = folder / "float.onnx", folder / "samples.npz"
    images = export_float(network, floats, for_torch=litert is not None)
    np.savez(samples, input=images)
    np.save(folder / "x.npy", images[:1])
    rivals = [Rival("onnxruntime float", "onnxruntime", floats, python)]
    for plan, (weight_bits, activation_bits) in PLANS.items():
        path = folder / f"{plan}.onnx"
        integers = Integers(
            ArrayReader({"input": images}, 4),
            weight_bits=weight_bits,
            activation_bits=activation_bits,
            method=MinMax(),
            rounding=Plain(),  # the weights are random, and only time is measured
        )
        compile_file(floats, path, integers=integers)
        rivals.append(Rival(f"qcompile {plan}", "onnxruntime", path, python))
    for kind, system, name in RIVALS:
        if kind == "onnxruntime-nbits" and network != "encoder":
            continue  # it is for matrices of many rows
        rival = Rival(kind, system, folder / name, (litert or "") if system == "litert" else python)
        rival.missing = make_file(rival, floats, samples)
        rivals.append(rival)
    return rivals


def make_file(rival: Rival, floats: pathlib.Path, samples: pathlib.Path) -> str:
    """Lets the rival's own Python make its file; what went wrong, or ""."""
    if not rival.python:
        return f"no Python with {rival.system} was given (--{rival.system})"
    command = [rival.python, HERE / "network_files.py", rival.name, floats, samples, rival.path]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    return (done.stderr.strip().splitlines() or ["it failed"])[-1] if done.returncode else ""


def export_float(network_name: str, path: pathlib.Path, *, for_torch: bool) -> np.ndarray:
    """Exports the network with random weights and the statistics of random images, which are returned.

    With ``for_torch`` also as torch reads it again, in a .pt2 beside ``path``.
    """
    torch.manual_seed(SEED)
    network = Encoder() if network_name == "encoder" else build_network(network_name)
    images = torch.rand(SAMPLES, *network.input_shape)
    with torch.no_grad():
        network.train()(images)
    export_onnx(network.eval(), {}, (images[:2],), path)
    if for_torch:
        torch.export.save(torch.export.export(network, (images[:1],)), path.with_suffix(".pt2"))
    return images.numpy()


def start(rival: Rival, folder: pathlib.Path, threads: int, isa: str) -> None:
    """Starts the worker of ``rival`` and waits until it has run once."""
    ours = [str(runtime.library_path())] if rival.name.startswith("qcompile") else []
    command = [rival.python, HERE / "network_worker.py", rival.system, rival.path, folder / "x.npy"]
    command += [rival.threads or threads, *ours]
    environment = os.environ | (rival.environment(isa) or {})
    rival.worker = subprocess.Popen(
        [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    said = ask(rival, None)
    rival.load_ms, rival.memory_mb = said["load_ms"], said["memory_mb"]
    if not said["numbers"]:  # as OpenVINO for some networks, if held to AVX2
        rival.missing = "it gives no numbers"


def ask(rival: Rival, line: str | None) -> dict[str, float]:
    assert rival.worker is not None
    assert rival.worker.stdin is not None
    assert rival.worker.stdout is not None
    if line is not None:
        rival.worker.stdin.write(line + "\n")
        rival.worker.stdin.flush()
    answer: dict[str, float] = json.loads(rival.worker.stdout.readline())
    return answer


def measure(
    network: str, python: str, litert: str | None, threads: int, isa: str, rounds: int, peak: Peak
) -> list[Figures]:
    """Times every system on ``network``, and the peak."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rivals = make_rivals(network, folder, python, litert)
        if threads > 1:
            ours = [rival for rival in rivals if rival.name.startswith("qcompile")]
            rivals += [Rival(f"{r.name}, one thread", r.system, r.path, r.python, threads=1) for r in ours]
        for rival in rivals:
            if not rival.missing and rival.environment(isa) is None:
                rival.missing = f"it cannot be told to use no more than {isa}"
        started = [rival for rival in rivals if not rival.missing]
        try:
            for rival in started:
                start(rival, folder, threads, isa)
            running = [rival for rival in started if not rival.missing]
            for _ in range(rounds):
                peak.measure()
                for rival in random.sample(running, len(running)):
                    time.sleep(PAUSE_SECONDS if threads > 1 else 0)
                    rival.times_us.append(ask(rival, str(SLICE_SECONDS))["mean_us"])
        finally:
            for rival in started:
                if rival.worker is not None:
                    rival.worker.kill()
        operations = 2 * network_multiply_adds(folder / "float.onnx")
        parts = {
            rival.name: peak.percent_of_int8([operations / us / 1e3 for us in rival.times_us], rival.threads or threads)
            for rival in rivals
        }
        return [figures_of(network, rival, running, parts[rival.name]) for rival in rivals]


def figures_of(network: str, rival: Rival, running: list[Rival], percent_of_peak: float | None) -> Figures:
    ratios = {}
    for other in running if rival.times_us else ():
        pairs = zip(other.times_us, rival.times_us, strict=True)
        ratios[other.name] = statistics.median(theirs / ours for theirs, ours in pairs)
    median = statistics.median(rival.times_us) if rival.times_us else 0.0
    size = sum(path.stat().st_size for path in {rival.path, rival.path.with_suffix(".bin")} if path.exists())
    measured = (median, rival.load_ms, rival.memory_mb, size)
    return Figures(network, rival.name, *measured, rival.missing, percent_of_peak, ratios)


def as_markdown(figures: list[Figures], settings: dict[str, object]) -> str:
    lines = ["# Whole networks", "", *(f"* {name}: {value}" for name, value in settings.items()), ""]
    lines += [
        "One image; x: times as fast as that system, the median of the rounds' ratios. Memory: peak after load and"
    ]
    lines += [
        "one run, less what it was after the imports. % of int8 peak: the multiplications and additions of the float",
        "network by the time, as a part of what the cores do from registers alone in the same rounds (bench/peak.cc);",
        "above 100 where Winograd gets the same sums from fewer products.",
        "",
    ]
    for network in dict.fromkeys(row.network for row in figures):
        rows = [row for row in figures if row.network == network]
        others = [
            row.system
            for row in rows
            if not row.missing and (not row.system.startswith("qcompile") or row.system.endswith("one thread"))
        ]
        lines += [
            f"## {network}",
            "",
            "| system | time | % of int8 peak | file | memory | load | " + " | ".join(f"x {o}" for o in others) + " |",
        ]
        lines.append("|---" * (6 + len(others)) + "|")
        for row in rows:
            if row.missing:
                lines.append(f"| {row.system} | not run: {row.missing} |" + " |" * (4 + len(others)))
                continue
            ratios = " | ".join(f"{row.ratios[other]:.2f}" for other in others)
            lines.append(
                f"| {row.system} | {row.median_us:,.1f} us | {percent(row.percent_of_peak)} | {row.file_bytes:,} "
                f"| {row.memory_mb:.1f} MB | {row.load_ms:.1f} ms | {ratios} |"
            )
        lines.append("")
    return "\n".join(lines)


@click.command(help=__doc__)
@click.option("--networks", default=",".join(NETWORKS))
@click.option("--threads", default=1)
@click.option("--isa", type=click.Choice(sorted(LIMITS)), help="No more than these instructions.")
@click.option("--rounds", default=15)
@click.option("--rivals", default=sys.executable, help="The Python with the rivals' packages.")
@click.option("--litert", help="The Python with LiteRT; without it LiteRT is left out.")
@click.option("--output", type=click.Path(path_type=pathlib.Path))
def main(
    networks: str,
    threads: int,
    isa: str | None,
    rounds: int,
    rivals: str,
    litert: str | None,
    output: pathlib.Path | None,
) -> None:
    random.seed(SEED)
    figures: list[Figures] = []
    peak = build_peak()
    for network in networks.split(","):
        figures += measure(network, rivals, litert, threads, isa or "", rounds, peak)
        print(network, file=sys.stderr)
    settings = settings_of("bench/networks.py", rounds, threads=threads, peak=peak.as_setting())
    settings |= {"instructions": f"no more than {isa}"} if isa else {}
    for python in filter(None, (rivals, litert)):
        settings["command"] = str(settings["command"]).replace(python, "PYTHON")  # paths are nobody's business
    publish(as_markdown(figures, settings), settings, figures, output)


if __name__ == "__main__":
    main()
