import numpy as np
import onnx
import onnx.helper
import pytest

from qcompile.raw_data import cut_raw_data


def tensor(name, count, **changes):
    made = onnx.numpy_helper.from_array(np.arange(count, dtype=np.uint8), name)
    for key, value in changes.items():
        setattr(made, key, value)
    return made


def model_of(*tensors):
    return onnx.ModelProto(ir_version=8, graph=onnx.GraphProto(name="g", initializer=tensors))


def put_back(data, model, cuts):
    """``model`` with what was cut out of ``data``."""
    for cut in cuts:
        model.graph.initializer[cut.index].raw_data = data[cut.offset : cut.offset + cut.length]
    return model


@pytest.mark.parametrize("sizes", [(), (3,), (200,), (1, 128, 127, 40000, 0, 300)])
@pytest.mark.parametrize("least", [1, 128, 301])
def test_what_is_cut_can_be_put_back(sizes, least):
    model = model_of(*(tensor(f"t{number}", size, doc_string="x") for number, size in enumerate(sizes)))
    data = model.SerializeToString()
    small, cuts = cut_raw_data(data, least)
    assert [cut.length for cut in cuts] == [size for size in sizes if size >= least]
    assert put_back(data, onnx.ModelProto.FromString(small), cuts) == model


def test_a_graph_in_two_parts_is_one():
    first, second = model_of(tensor("a", 9)), model_of(tensor("b", 9))
    data = first.SerializeToString() + second.SerializeToString()
    small, cuts = cut_raw_data(data, 9)
    assert [cut.index for cut in cuts] == [0, 1]
    assert put_back(data, onnx.ModelProto.FromString(small), cuts) == onnx.ModelProto.FromString(data)


def test_a_tensor_with_other_data_is_left_whole():
    typed, outside = tensor("a", 9, data_type=1), tensor("b", 9, data_location=onnx.TensorProto.EXTERNAL)
    typed.float_data.append(1.0)
    outside.external_data.add(key="location", value="x")
    twice = onnx.TensorProto.FromString(tensor("c", 9).SerializeToString())
    data = model_of(typed, outside, twice).SerializeToString()
    small, cuts = cut_raw_data(data, 1)
    assert [cut.index for cut in cuts] == [2]
    assert onnx.ModelProto.FromString(small).graph.initializer[:2] == [typed, outside]


def test_every_truncation_is_an_error_or_a_shorter_message():
    whole = model_of(tensor("a", 300)).SerializeToString()
    for length in range(len(whole)):
        try:
            small, cuts = cut_raw_data(whole[:length], 1)
        except ValueError:
            continue
        assert put_back(whole, onnx.ModelProto.FromString(small), cuts) == onnx.ModelProto.FromString(whole[:length])


@pytest.mark.parametrize("data", [b"\x00\x00", b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x3b", b"\x3f"])
def test_what_is_no_message_is_an_error(data):
    with pytest.raises(ValueError, match="byte"):
        cut_raw_data(data, 1)
