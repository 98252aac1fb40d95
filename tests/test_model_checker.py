import onnx
import pytest

from qcompile.errors import ModelError
from qcompile.model_checker import check_model
from qcompile.normalizing import take_constants_from_inputs, use_short_domain
from tests.odd_models.models import dense


def test_shapes_may_be_missing_and_the_model_stays_as_it_is():
    model = dense("packed").gives().proto()
    before = model.SerializeToString()
    check_model(model)
    assert model.SerializeToString() == before


def test_what_the_checker_says_is_one_line():
    model = dense("packed").gives("nowhere").proto()
    model.graph.node[0].input[0] = "unknown"
    with pytest.raises(ModelError, match="the ONNX checker refuses it: ") as refused:
        check_model(model)
    assert "\n" not in str(refused.value)


def test_the_standard_domain_gets_its_short_name_everywhere():
    model = dense("packed").gives().proto()
    model.opset_import[0].domain = model.graph.node[0].domain = "ai.onnx"
    use_short_domain(model)
    assert {model.opset_import[0].domain, *(node.domain for node in model.graph.node)} == {""}


def test_initializers_are_constants_only_in_models_so_old_that_they_had_to_be_inputs():
    for version, inputs in ((3, ["x"]), (4, ["w.weight", "x"])):
        model = dense("integers").gives().proto()
        model.graph.input.append(onnx.helper.make_tensor_value_info("w.weight", 1, [4, 3]))
        model.ir_version = version
        take_constants_from_inputs(model)
        assert sorted(value.name for value in model.graph.input) == inputs
