import importlib.util
import pathlib

import onnx
import pytest

SOURCE = pathlib.Path(__file__).parent.parent.parent / "bench" / "network_cost.py"


@pytest.fixture(scope="module")
def network_multiply_adds():
    specification = importlib.util.spec_from_file_location("bench_network_cost", SOURCE)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.network_multiply_adds


def test_counts_convolutions_and_products_of_one_image(network_multiply_adds, float_path):
    assert network_multiply_adds(float_path) == 5 * 5 * 6 * 2 * 9 + 150 * 5


def test_an_unknown_shape_is_an_error_that_names_the_node(network_multiply_adds, float_path):
    model = onnx.load(float_path)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    model.graph.node[0].name = "first"
    onnx.save(model, float_path)
    with pytest.raises(ValueError, match="the shapes of first are not known"):
        network_multiply_adds(float_path)
