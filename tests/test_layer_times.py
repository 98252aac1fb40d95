import pathlib
import tempfile

import onnx
import pytest
from onnx import helper

from qcompile.errors import QCompileError
from qcompile.kernel_choice import kernels_of
from qcompile.layer_times import STOCK, WARM_RUNS, layers_of, time_layers
from qcompile.random_inputs import random_inputs


def event(name, ts, dur, operator="Relu", shapes=((1,), (1,))):
    inputs, output = [{"float": list(shape)} for shape in shapes[:-1]], [{"float": list(shapes[-1])}]
    arguments = {"op_name": operator, "node_index": "0", "input_type_shape": inputs, "output_type_shape": output}
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": ts, "dur": dur, "args": arguments}


def test_times_leave_out_the_warm_up_and_shares_are_of_them():
    nodes = [
        helper.make_node("Relu", ["a"], ["b"], name="first"),
        helper.make_node("Relu", ["b"], ["c"], name="second"),
    ]
    events = []
    for run in range(WARM_RUNS + 3):
        slow = 1000 if run < WARM_RUNS else 0
        events += [event("[0]", 10_000 * run, 30 + slow), event("[1]", 10_000 * run + 5000, 10 + run)]
    first, second = layers_of(events, nodes, {})
    assert (first.name, first.operator, first.time_us) == ("first", "Relu", 30)
    assert second.time_us == 10 + WARM_RUNS + 1
    assert first.share + second.share == pytest.approx(1)


def test_a_time_is_the_mean_of_the_middle_half_of_the_runs():
    durations = [*[500] * WARM_RUNS, 1, 8, 8, 9, 9, 900, 7, 9]
    events = [event("[0]", 10_000 * run, duration) for run, duration in enumerate(durations)]
    [layer] = layers_of(events, [helper.make_node("Relu", ["a"], ["b"])], {})
    assert layer.time_us == (8 + 8 + 9 + 9) / 4


def test_what_runs_inside_another_node_counts_once():
    events = [event("[0]", 0, 100, "Loop"), event("inner", 0, 40), event("inner", 50, 40), event("[1]", 100, 60)]
    nodes = [helper.make_node("Loop", [], ["a"], name="loop"), helper.make_node("Relu", ["a"], ["b"], name="last")]
    assert [(layer.name, layer.time_us) for layer in layers_of(events, nodes, {})] == [("loop", 100), ("last", 60)]


def test_fused_nodes_keep_their_names_and_lost_ones_are_listed():
    nodes = [helper.make_node(kind, [], ["y"], name=kind.lower()) for kind in ("Gemm", "Relu")]
    fused, lost = layers_of([event("fused [0]", 0, 5, "FusedGemm", ((1, 7), (7, 3), (1, 3)))], nodes, {})
    assert (fused.name, fused.operator, fused.multiply_adds, fused.kernel) == ("fused gemm", "FusedGemm", 21, STOCK)
    assert fused.giga_operations == pytest.approx(2 * 21 / 5 / 1e3)
    assert (lost.name, lost.time_us, lost.share) == ("relu", None, 0)


def test_a_profile_without_shapes_still_has_times():
    bare = event("[0]", 0, 5)
    del bare["args"]["output_type_shape"]
    [layer] = layers_of([bare], [helper.make_node("Conv", [], ["y"], name="conv")], {})
    assert (layer.time_us, layer.multiply_adds, layer.giga_operations) == (5, None, None)


def test_every_node_of_a_file_appears(packed_model, packed_path, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "profiles"))
    pathlib.Path(tmp_path, "profiles").mkdir()
    layers = time_layers(packed_path, random_inputs(packed_model.proto), seconds=0.05)
    assert [layer.name for layer in layers] == [node.name for node in packed_model.proto.graph.node]
    by_name = {layer.name: layer for layer in layers}
    assert by_name["conv"].multiply_adds == 5 * 5 * 6 * 2 * 9
    assert by_name["fc"].multiply_adds == 150 * 5
    assert by_name["conv"].kernel == kernels_of(packed_model.proto)[packed_model.node("conv").output[0]]
    assert by_name["relu"].kernel == STOCK
    total = sum(layer.share for layer in layers)
    assert total == pytest.approx(1) or all(layer.time_us == 0 for layer in layers)
    assert not list(tmp_path.joinpath("profiles").iterdir())


def test_names_may_be_missing_repeated_or_strange(packed_model, tmp_path):
    names = ['a "quoted" \\ name', "same", "same", ""]
    for node, name in zip(packed_model.proto.graph.node, names, strict=True):
        node.name = name
    path = packed_model.save(tmp_path / "p.onnx")
    layers = time_layers(path, random_inputs(packed_model.proto), seconds=0.05)
    assert [layer.name for layer in layers] == names
    assert [node.name for node in onnx.load(path).graph.node] == names


def test_the_library_must_be_there(monkeypatch, packed_model, packed_path):
    monkeypatch.setenv("QCOMPILE_LIBRARY", "/no/such/library.so")
    with pytest.raises(QCompileError, match="the kernel library is not there"):
        time_layers(packed_path, random_inputs(packed_model.proto))
