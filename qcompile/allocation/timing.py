"""How long the layers of a float model take at each width, measured on this machine."""

import pathlib
import tempfile
from collections.abc import Callable, Sequence

from qcompile.allocation.layers import layer_names_of
from qcompile.allocation.samples import Batch
from qcompile.bit_plan import LayerBits
from qcompile.calibration import BatchReader, MinMax
from qcompile.compiler import compile_file
from qcompile.integers import Integers
from qcompile.latency_table import TimedPlan, make_table, time_plan
from qcompile.layer_choice import LayerChoice
from qcompile.rounding import Plain
from qcompile.runtime import runtime_info
from qcompile.search import LatencyTable


def measure_latencies(
    source: str | pathlib.Path,
    batch: Batch,
    widths: Sequence[int],
    activation_bits: int = 8,
    *,
    layers: LayerChoice | None = None,
    threads: int = 1,
    seconds: float = 0.5,
    tell: Callable[[str], None] = lambda text: None,
) -> LatencyTable:
    """The milliseconds of each layer of the float model ``source`` at each of ``widths``, with our kernels.

    ``batch`` is what it runs on, and what its ranges come from: times hang on shapes and bits, not on how well
    weights are rounded. What ``layers`` leaves float is not listed. Each width is compiled once and takes about twice
    ``seconds`` to time.

    Raises QCompileError if the model cannot be compiled, or our library is not found.
    """
    source, timed = pathlib.Path(source), []
    isa = runtime_info().isa
    names = layer_names_of(source, layers)
    for width in widths:
        tell(f"the time of each layer at {width} bits")
        plan = {name: LayerBits(width, activation_bits) for name in names}
        timed.append(_time(source, batch, plan, layers, threads, seconds))
    notes = {"model": source.name, "threads": threads, "kernels": isa, "plans": len(timed)}
    return make_table(timed, notes)


def _time(
    source: pathlib.Path,
    batch: Batch,
    plan: dict[str, LayerBits],
    layers: LayerChoice | None,
    threads: int,
    seconds: float,
) -> TimedPlan:
    [bits, *_] = plan.values()
    integers = Integers(BatchReader([dict(batch)]), bits.activation, bits.weight, MinMax(), Plain())
    with tempfile.TemporaryDirectory() as folder:
        packed = pathlib.Path(folder, "packed.onnx")
        compile_file(source, packed, functions=False, integers=integers, layers=layers)
        return time_plan(packed, plan, batch, threads=threads, seconds=seconds)
