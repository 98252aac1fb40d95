"""The JSON keeps its schema, and each of its numbers can be derived again from the files."""

import importlib.resources
import json

import jsonschema
import numpy as np
import onnx
import pytest

from qcompile.kernel_choice import kernels_of
from qcompile.report import SCHEMA_VERSION, Reports, report_file
from tests.networks import NETWORKS
from tests.report.derive import derive, every_tensor, multiply_adds, sqnr_db
from tests.report.pages import full_report
from tests.test_compile_integers import compiled

SCHEMA = json.loads((importlib.resources.files("qcompile.report") / "schema.json").read_text())
ROUNDING = 1e-12  # of a quotient of whole numbers in float64: a few times 2^-53
SUMMING = 1e-6  # dB; sums of some thousand squares in another order: 1e4 times 2^-53 of a ratio, times 4.3


def data_of(report):
    data = json.loads(report.as_json())
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    return data


@pytest.fixture
def integer_path(tmp_path):
    path = tmp_path / "integers.onnx"
    onnx.save(compiled(NETWORKS["codebooks"](), weight_bits=3), path)
    return path


@pytest.fixture
def corrected_path(packed_model, tmp_path):
    return packed_model.correct(conv={5: 2.0}, fc={0: 1.0, 7: -3.0, 749: 0.5}).save(tmp_path / "corrected.onnx")


def test_the_schema_is_one_and_says_its_version():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == f"urn:qcompile:report:{SCHEMA_VERSION}"
    assert SCHEMA["$defs"]["report"]["properties"]["schema_version"] == {"const": SCHEMA_VERSION}


def test_a_report_of_everything_and_several_of_them_keep_the_schema(packed_model, float_path, tmp_path):
    full = full_report(packed_model, float_path, tmp_path)
    assert None not in data_of(full).values()
    assert len(data_of(Reports((full, full)))["reports"]) == 2


@pytest.mark.parametrize("change", [{"layers": []}, {"weights": -1}, {"schema_version": 2}, {"more": 1}])
def test_the_schema_refuses_what_is_no_report(packed_path, change):
    data = data_of(report_file(packed_path)) | change
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(data)


@pytest.mark.parametrize("name", ["packed_path", "corrected_path", "integer_path"])
def test_what_is_counted_is_counted_again_by_another_script(name, request):
    path = request.getfixturevalue(name)
    data = data_of(report_file(path))
    totals, rows, uses = derive(path)
    for key, wanted in totals.items():
        assert data[key] == pytest.approx(wanted, rel=ROUNDING), key
    for found, wanted, counts in zip(data["layers"], rows, uses, strict=True):
        assert {key: found[key] for key in wanted} == wanted
        assert found["share"] == pytest.approx(wanted["total_bytes"] / totals["payload_bytes"], rel=ROUNDING)
        if found["groups"] == 1 and found["entries"] == 2 ** found["bits"]:
            assert found["values"]["uses"] == counts
        assert sum(found["values"]["uses"]) == found["weights"]


@pytest.mark.parametrize("name", ["packed_path", "integer_path"])
def test_products_are_those_of_the_tensors_that_a_run_gives(name, request):
    path = request.getfixturevalue(name)
    model = onnx.load(path)
    sizes = [dim.dim_value or 1 for dim in model.graph.input[0].type.tensor_type.shape.dim]
    wanted = multiply_adds(path, {model.graph.input[0].name: np.zeros(sizes, np.float32)})
    data = data_of(report_file(path))
    assert {layer["name"]: layer["multiply_adds"] for layer in data["layers"]} == wanted
    for layer in data["layers"]:
        assert layer["bit_operations"] == layer["multiply_adds"] * layer["bits"] * layer["activation_bits"]
    assert data["multiply_adds"] == sum(wanted.values())
    assert data["bit_operations"] == sum(layer["bit_operations"] for layer in data["layers"])


def test_noise_is_that_of_the_tensors_that_both_files_give(packed_path, float_path):
    inputs = {"input": np.random.default_rng(0).random((5, 2, 7, 7), dtype=np.float32)}
    data = data_of(report_file(packed_path, against=float_path, inputs=inputs))
    wanted, found = every_tensor(float_path, inputs), every_tensor(packed_path, inputs)
    conv, fc = data["layers"]
    near = pytest.approx(sqnr_db(wanted["c"], found["c"]), abs=0.01)  # one runs with, one without, our kernels
    assert conv["local_sqnr_db"] == conv["cumulative_sqnr_db"] == near
    assert fc["cumulative_sqnr_db"] == pytest.approx(sqnr_db(wanted["output"], found["output"]), abs=0.01)
    assert data["outputs_sqnr_db"] == {"output": fc["cumulative_sqnr_db"]}
    assert data["samples"] == 5
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(packed_path).graph.initializer}
    bits = np.unpackbits(tensors["fc.weight.indices"], bitorder="little")[:750].reshape(5, 150)
    weight = tensors["fc.weight.codebook"][0][bits]
    alone = wanted["f"] @ weight.T + tensors["fc.bias"]
    assert fc["local_sqnr_db"] == pytest.approx(sqnr_db(wanted["output"], alone), abs=0.01)
    floats = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(float_path).graph.initializer}
    assert fc["weight_sqnr_db"] == pytest.approx(sqnr_db(floats["fc.weight"], weight), abs=SUMMING)


def test_the_histogram_counts_the_float_weights(packed_path, float_path):
    data = data_of(report_file(packed_path, against=float_path))
    floats = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(float_path).graph.initializer}
    values = data["layers"][1]["values"]
    counts, edges = np.histogram(floats["fc.weight"], len(values["counts"]), (values["low"], values["high"]))
    assert counts.tolist() == values["counts"]
    assert sum(values["counts"]) == 750
    assert (edges[0], edges[-1]) == (values["low"], values["high"])


def test_ratio_of_files_is_that_of_their_sizes(packed_path, float_path):
    data = data_of(report_file(packed_path, against=float_path))
    assert data["float_file_bytes"] == float_path.stat().st_size
    assert data["file_ratio"] == float_path.stat().st_size / packed_path.stat().st_size


def test_what_is_measured_adds_up(packed_path, float_path):
    data = data_of(report_file(packed_path, against=float_path, kernels_of=kernels_of, seconds=0.05))
    shares = [layer["time_share"] for layer in data["layers"]]
    assert sum(shares) + data["timing"]["other_share"] == pytest.approx(1, abs=1e-9)
    assert min(data["timing"]["latency_us"], data["timing"]["float_us"], *shares) > 0
    assert data["timing"]["inputs"] == {"input": [1, 2, 7, 7]}
    assert data["timing"]["memory_bytes"] >= 0
    assert data["machine"]["isa"]


def test_accuracy_is_what_the_embedded_plan_says(packed_model, tmp_path):
    plan = {"layers": [{"name": "fc", "method": "lc", "codebook": "adaptive"}]}
    plan["test_error_percent"] = {"learned": 2.5, "reference": 1.25}
    packed_model.proto.metadata_props.add(key="qcompile.plan", value=json.dumps(plan))
    data = data_of(report_file(packed_model.save(tmp_path / "packed.onnx")))
    assert (data["accuracy_percent"], data["float_accuracy_percent"]) == (97.5, 98.75)
    assert [layer["choice"] for layer in data["layers"]] == [None, "learned: lc, adaptive"]


@pytest.mark.parametrize("plan", [{}, {"test_error_percent": 3}, {"test_error_percent": {"learned": "x"}}])
def test_a_plan_that_tells_no_accuracy_tells_none(packed_model, tmp_path, plan):
    packed_model.proto.metadata_props.add(key="qcompile.plan", value=json.dumps(plan | {"layers": 7}))
    data = data_of(report_file(packed_model.save(tmp_path / "packed.onnx")))
    assert data["accuracy_percent"] is None


def test_a_weight_that_stays_float_is_listed(packed_model, tmp_path):
    nodes = packed_model.proto.graph
    nodes.node[-1].output[0] = "o"
    nodes.node.append(onnx.helper.make_node("MatMul", ["o", "last.weight"], ["output"], name="last"))
    nodes.initializer.append(onnx.numpy_helper.from_array(np.eye(5, dtype=np.float32), "last.weight"))
    data = data_of(report_file(packed_model.save(tmp_path / "packed.onnx")))
    assert data["kept_float"] == [{"name": "last", "op": "MatMul", "weight_shape": [5, 5], "bytes": 100}]
