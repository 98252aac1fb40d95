import dataclasses
import json

import numpy as np
import onnx
import pytest

from qcompile.allocation import Choice, Drop, allocate_bits, layer_names_of, verify_plan
from qcompile.bit_plan import LayerBits, read_plan, write_plan
from qcompile.calibration import ArrayReader, BatchReader
from qcompile.compiler import Integers, compile_file
from qcompile.errors import DataError, ModelError, QCompileError
from qcompile.rounding import Plain, SecondOrder
from qcompile.search import Budget, BudgetError, SearchSpace
from tests.allocation.network import uneven
from tests.network import Network
from tests.networks import NETWORKS


@pytest.fixture
def source(tmp_path):
    onnx.save(uneven().proto(), tmp_path / "e.onnx")
    return tmp_path / "e.onnx"


def integers(made=None, rows=60, **options):
    return Integers(ArrayReader((made or uneven()).samples(rows), 20), **options)


def bits(result):
    return {name: each.weight for name, each in result.plan.items()}


@pytest.mark.parametrize("rounding", [SecondOrder(), Plain()])
def test_the_layer_that_matters_gets_more_bits(source, rounding):
    result = allocate_bits(source, integers(rounding=rounding), Budget(average_bits=5))
    assert bits(result) == {"strong": 8, "weak": 2}
    assert result.costs.average_bits == 5


def test_bits_that_are_fixed_stay(source):
    choice = Choice(widths=(2, 3, 4), fixed={"weak": 7})
    result = allocate_bits(source, integers(activation_bits=6), Budget(average_bits=5), choice)
    assert bits(result) == {"strong": 3, "weak": 7}
    assert {each.activation for each in result.plan.values()} == {6}


def test_some_samples_are_held_out(source):
    result = allocate_bits(source, integers(rows=50), Budget(average_bits=4), Choice(held_out=0.3))
    assert [sum(len(batch["x"]) for batch in part) for part in (result.seen, result.held_out)] == [35, 15]


def test_a_plan_is_verified_beside_a_uniform_one(source, tmp_path):
    result = allocate_bits(source, integers(), Budget(average_bits=5))
    compile_file(source, tmp_path / "p.onnx", integers=result.integers())
    found = verify_plan(source, tmp_path / "p.onnx", result)
    assert found.chosen.packed_bytes == result.costs.packed_bytes
    assert {each.weight for each in found.uniform.plan.values()} == {5}
    assert found.chosen.agreement.samples == found.uniform.agreement.samples == 12
    assert found.chosen.agreement.change < found.uniform.agreement.change
    assert "uniform 5 bits: " in found.as_text()


def test_a_uniform_plan_that_serves_better_is_preferred(source, tmp_path):
    """Made up: a plan that gives the bits to the layer that does not matter."""
    result = allocate_bits(source, integers(), Budget(average_bits=5))
    worse = result.with_plan({"strong": LayerBits(2, 8), "weak": LayerBits(8, 8)})
    assert worse.costs.average_bits == 5
    compile_file(source, tmp_path / "p.onnx", integers=worse.integers())
    found = verify_plan(source, tmp_path / "p.onnx", worse)
    assert found.prefers_uniform
    assert "uniform 5 bits keep the target and change less: they are the plan" in found.as_text()
    fixed = dataclasses.replace(worse, space=search_space_with(result, strong=(2,)))
    assert not verify_plan(source, tmp_path / "p.onnx", fixed).prefers_uniform


def search_space_with(result, **widths):
    """The space of ``result``, some layers with other candidates."""
    layers = [dataclasses.replace(layer, weight=widths.get(layer.name, layer.weight)) for layer in result.space.layers]
    return SearchSpace(tuple(layers))


def test_a_drop_is_kept_on_the_samples_held_out(source):
    told = []
    result = allocate_bits(source, integers(rows=200), Drop(0.05), tell=told.append)
    chosen = next(trial for trial in result.trials if trial.plan == result.plan)
    assert chosen.agreement.other <= 2  # of 40
    assert chosen.packed_bytes <= result.costs.packed_bytes
    assert any(trial.agreement.other > 2 for trial in result.trials)
    assert "on 40 samples held out: one is 2.5 %" in result.as_text()
    assert sum("bytes of packed layers" in line for line in told) == len(result.trials)


def test_a_plan_with_its_notes_is_read_back(source):
    result = allocate_bits(source, integers(), Budget(average_bits=4))
    text = write_plan(result.plan, result.notes())
    assert read_plan(text, "plan") == result.plan
    assert json.loads(text)["notes"]["samples_held_out"] == 12


def test_layers_that_share_a_weight_have_names_of_their_own(tmp_path):
    made = Network((8,))
    first = made.add("Relu", [made.gemm("x", (8, 8), "a")])
    made.gives(made.add("Gemm", [first, "a.weight"], transB=1))
    onnx.save(made.proto(), tmp_path / "e.onnx")
    assert layer_names_of(tmp_path / "e.onnx") == ["a", "a_1"]
    result = allocate_bits(tmp_path / "e.onnx", integers(made), Budget(average_bits=4))
    compiled = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=result.integers())
    assert {layer.name for layer in compiled.layers} == {"a", "a_1"}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"target": Budget(packed_bytes=10)}, BudgetError, "no plan found that meets bytes=10"),
        ({"choice": Choice(fixed={"storng": 3})}, QCompileError, "'storng'; near it are strong"),
        ({"integers": integers(rows=1)}, DataError, "1 samples are too few to hold some out"),
        ({"integers": integers(activation_bits={"x": 8})}, QCompileError, "activation bits by tensor"),
        ({"integers": Integers(BatchReader([{"x": np.zeros((2, 3), np.float32)}] * 2))}, QCompileError, "given"),
    ],
)
def test_what_a_user_can_mend_is_said(source, change, error, message):
    given = {"integers": integers(), "target": Budget(average_bits=4)} | change
    with pytest.raises(error, match=message):
        allocate_bits(source, **given)


def test_a_model_without_float_weights_is_an_error(tmp_path):
    made = Network((4,))
    onnx.save(made.gives(made.add("Relu", ["x"])).proto(), tmp_path / "e.onnx")
    with pytest.raises(ModelError, match="no layer with a float weight"):
        allocate_bits(tmp_path / "e.onnx", integers(made), Budget(average_bits=4))


def test_a_drop_needs_predictions(tmp_path):
    made = NETWORKS["residual_of_one_layer"]()
    onnx.save(made.proto(), tmp_path / "e.onnx")
    with pytest.raises(QCompileError, match="the first output must be scores"):
        allocate_bits(tmp_path / "e.onnx", integers(made), Drop(0.1))
