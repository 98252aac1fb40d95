"""What a stranger's .onnx may try."""

import os

import numpy as np
import onnx
import onnx.helper
import onnx_ir as ir
import pytest

from qcompile import loading
from qcompile.errors import ModelError
from qcompile.loading import load_graph, load_model, load_skeleton

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)


def make_model(**changes):
    value = onnx.helper.make_tensor_value_info
    weight = onnx.numpy_helper.from_array(WEIGHT, "w")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [value("x", 1, [2, 3])],
        [value("y", 1, [2, 3])],
        [weight],
    )
    return onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 18)], **changes)


def make_external(tensor, **entries):
    """`tensor`, its data elsewhere."""
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, text in entries.items():
        tensor.external_data.add(key=key, value=text)


@pytest.fixture
def external(tmp_path):
    """Writes a model whose weight has the given external data; the data file holds the weight after 4 bytes."""
    (tmp_path / "weights.bin").write_bytes(b"skip" + WEIGHT.tobytes())

    def write(**entries):
        model = make_model()
        make_external(model.graph.initializer[0], **entries)
        path = tmp_path / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return write


def save(model, path):
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(params=["whole", "large constants in their files"])
def load(request, monkeypatch):
    """Reads a model either way; the second one leaves a constant of a byte where it is."""
    if request.param == "whole":
        return load_model
    monkeypatch.setattr(loading, "LARGE", 1)
    return lambda path: ir.serde.serialize_model(load_graph(path))


def weight_of(model):
    return onnx.numpy_helper.to_array(model.graph.initializer[0])


def test_loads_a_model(tmp_path):
    assert load_model(save(make_model(), tmp_path / "m.onnx")) == make_model()


def test_reads_external_data_beside_the_model(load, external):
    model = load(external(location="weights.bin", offset="4", length="24"))
    np.testing.assert_array_equal(weight_of(model), WEIGHT)
    assert not model.graph.initializer[0].external_data


def test_bytes_on_disk_are_those_of_external_data_too(external, tmp_path):
    path = external(location="weights.bin", offset="4")
    assert loading.stored_bytes(path) == path.stat().st_size + 24
    inside = save(make_model(), tmp_path / "inside.onnx")
    assert loading.stored_bytes(inside) == inside.stat().st_size
    model = make_model()
    make_external(model.graph.initializer[0], location="weights.bin", offset="4")
    model.graph.initializer.add().CopyFrom(model.graph.initializer[0])
    model.graph.initializer[1].name = "the same bytes"
    shared = save(model, tmp_path / "shared.onnx")
    assert loading.stored_bytes(shared) == shared.stat().st_size + 24


def test_reads_external_data_in_a_folder_and_through_a_link_that_stays_inside(load, external, tmp_path):
    (tmp_path / "blobs").mkdir()
    os.replace(tmp_path / "weights.bin", tmp_path / "blobs" / "a")
    (tmp_path / "weights.bin").symlink_to("blobs/a")
    np.testing.assert_array_equal(weight_of(load(external(location="weights.bin", offset="4"))), WEIGHT)
    np.testing.assert_array_equal(weight_of(load(external(location="blobs/a", offset="4"))), WEIGHT)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "'' is no path relative to the model"),
        ({"location": "/etc/hostname"}, "no path relative"),
        ({"location": "weights.bin\0"}, "no path relative"),
        ({"location": "..\\weights.bin"}, "no path relative"),
        ({"location": "../outside.bin"}, "outside the model's folder"),
        ({"location": "link.bin"}, "outside the model's folder"),
        ({"location": "loop.bin"}, "cannot be found"),
        ({"location": "missing.bin"}, "cannot be found"),
        ({"location": "x" * 5000}, "cannot be found"),
        ({"location": "pipe"}, "not a regular file"),
        ({"location": "."}, "not a regular file"),
        ({"location": "*/_ORT_MEM_ADDR_/*", "offset": "0", "length": "24"}, "cannot be found"),
        ({"location": "weights.bin", "offset": "-1"}, "offset or length is '-1'"),
        ({"location": "weights.bin", "offset": "1e3"}, "offset or length is '1e3'"),
        ({"location": "weights.bin", "offset": "9" * 30}, "offset or length"),
        ({"location": "weights.bin", "offset": "5"}, "ends after 23 of 24 bytes"),
        ({"location": "weights.bin", "offset": "9" * 18}, "ends after 0 of 24 bytes"),
        ({"location": "weights.bin", "length": "23"}, "has 23 bytes, wanted 24"),
        ({"location": "weights.bin", "length": "25"}, "has 25 bytes, wanted 24"),
        ({"location": "weights.bin", "address": "140735"}, r"unknown keys \['address'\]"),
    ],
)
def test_refuses_external_data(load, external, tmp_path, entries, message):
    (tmp_path.parent / "outside.bin").write_bytes(WEIGHT.tobytes())
    (tmp_path / "link.bin").symlink_to(tmp_path.parent / "outside.bin")
    (tmp_path / "loop.bin").symlink_to("loop.bin")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match=message):
        load(external(**entries))


def test_finds_external_data_in_constants_subgraphs_and_functions(load, tmp_path):
    def node_with_tensor():
        tensor = onnx.numpy_helper.from_array(WEIGHT, "c")
        make_external(tensor, location="/etc/hostname")
        node = onnx.helper.make_node("Constant", [], ["c"])
        node.attribute.append(onnx.helper.make_attribute("value", onnx.numpy_helper.from_array(WEIGHT)))
        node.attribute[0].t.CopyFrom(tensor)
        return node

    plain, nested, in_function = make_model(), make_model(), make_model()
    plain.graph.node.append(node_with_tensor())
    branch = onnx.helper.make_graph([node_with_tensor()], "b", [], [])
    nested.graph.node.append(onnx.helper.make_node("If", ["x"], ["z"], then_branch=branch, else_branch=branch))
    in_function.functions.append(
        onnx.helper.make_function("own", "F", [], ["c"], [node_with_tensor()], [onnx.helper.make_opsetid("", 18)])
    )
    for model in (plain, nested, in_function):
        with pytest.raises(ModelError, match="external data of tensor c: '/etc/hostname' is no path relative"):
            load(save(model, tmp_path / "m.onnx"))


def test_external_data_has_a_budget(external, monkeypatch):
    path = external(location="weights.bin", offset="4")
    monkeypatch.setattr(loading, "MAX_BYTES", path.stat().st_size)
    load_model(path)
    monkeypatch.setattr(loading, "MAX_EXTERNAL_BYTES", 23)
    with pytest.raises(ModelError, match="has 24 bytes, wanted at most 23 more"):
        load_model(path)


def test_refuses_a_file_that_is_too_large(load, tmp_path, monkeypatch):
    path = save(make_model(), tmp_path / "m.onnx")
    monkeypatch.setattr(loading, "MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(ModelError, match="bytes, at most"):
        load(path)


def test_refuses_what_is_no_file(load, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, message in (("missing", "No such file"), ("pipe", "not a regular file"), (".", "not a regular file")):
        with pytest.raises(ModelError, match=message):
            load(tmp_path / name)


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"not a model", b"PK\x03\x04" + bytes(50), b"\x08\x08"])
def test_refuses_what_is_no_onnx(load, tmp_path, data):
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError, match="not an ONNX model"):
        load(path)


def test_refuses_every_truncation(load, tmp_path):
    whole = make_model().SerializeToString()
    path = tmp_path / "m.onnx"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            load(path)


@pytest.mark.parametrize(
    ("dims", "message"),
    [([2, 4], r"\[2, 4\] has 24 bytes, wanted 32"), ([2**40, 2**40], "bytes, wanted"), ([-2, -3], "cannot|shape")],
)
def test_refuses_a_tensor_whose_bytes_do_not_fit_its_shape(load, tmp_path, dims, message):
    model = make_model()
    model.graph.initializer[0].dims[:] = dims
    with pytest.raises(ModelError, match=message):
        load(save(model, tmp_path / "m.onnx"))


@pytest.mark.parametrize("data_type", [onnx.TensorProto.STRING, 0, 99])
def test_refuses_raw_data_of_a_type_without_bytes(load, tmp_path, data_type):
    model = make_model()
    model.graph.initializer[0].data_type = data_type
    with pytest.raises(ModelError, match="tensor w"):
        load(save(model, tmp_path / "m.onnx"))


def test_counts_elements_of_less_than_a_byte(load, tmp_path):
    model = make_model()
    model.graph.initializer.append(
        onnx.TensorProto(name="q", data_type=onnx.TensorProto.INT4, dims=[3], raw_data=b"\x21\x03")
    )
    model.ir_version, model.opset_import[0].version = 10, 21
    assert len(load(save(model, tmp_path / "m.onnx")).graph.initializer) == 2
    model.graph.initializer[1].raw_data = b"\x21"
    with pytest.raises(ModelError, match="has 1 bytes, wanted 2"):
        load(save(model, tmp_path / "m.onnx"))


def test_refuses_what_the_passes_would_lose(load, tmp_path):
    sparse, training = make_model(), make_model()
    sparse.graph.sparse_initializer.add().values.name = "s"
    training.training_info.add()
    for model, message in ((sparse, "sparse initializers"), (training, "training graph")):
        with pytest.raises(ModelError, match=message):
            load(save(model, tmp_path / "m.onnx"))


def test_refuses_what_the_checker_refuses(load, tmp_path):
    model = make_model()
    model.graph.node[0].input[1] = "nowhere"
    with pytest.raises(ModelError, match=r"m\.onnx: the ONNX checker refuses it"):
        load(save(model, tmp_path / "m.onnx"))


def test_refuses_names_that_are_no_text(load, tmp_path):
    whole = make_model().SerializeToString()
    inputs = b"\x0a\x01x\x0a\x01"
    assert inputs + b"w" in whole
    (tmp_path / "m.onnx").write_bytes(whole.replace(inputs + b"w", inputs + b"\xff"))
    with pytest.raises(ModelError, match=r"input b'\\xff' is no UTF-8"):
        load(tmp_path / "m.onnx")


def large_model(tmp_path, monkeypatch, **entries):
    """The file of a model with one constant that is larger than those that are read."""
    monkeypatch.setattr(loading, "LARGE", WEIGHT.nbytes)
    model = make_model()
    if entries:
        (tmp_path / "weights.bin").write_bytes(b"skip" + WEIGHT.tobytes())
        make_external(model.graph.initializer[0], **entries)
    return save(model, tmp_path / "m.onnx")


@pytest.mark.parametrize("entries", [{}, {"location": "weights.bin", "offset": "4"}])
def test_a_large_constant_stays_in_its_file(tmp_path, monkeypatch, entries):
    path = large_model(tmp_path, monkeypatch, **entries)
    skeleton = load_skeleton(path)
    assert list(skeleton.large) == ["w"]
    assert not skeleton.proto.graph.initializer[0].raw_data
    assert list(skeleton.proto.graph.initializer[0].dims) == [2, 3]
    np.testing.assert_array_equal(weight_of(ir.serde.serialize_model(load_graph(path))), WEIGHT)


def test_a_constant_of_less_than_a_byte_an_element_is_read(tmp_path, monkeypatch):
    path = large_model(tmp_path, monkeypatch)
    model = onnx.load(path)
    model.ir_version, model.opset_import[0].version = 10, 21
    data = np.zeros(12, np.uint8).tobytes()
    model.graph.initializer.append(onnx.TensorProto(name="q", data_type=onnx.TensorProto.INT4, dims=[24]))
    make_external(model.graph.initializer[1], location="codes.bin")
    (tmp_path / "codes.bin").write_bytes(data)
    monkeypatch.setattr(loading, "LARGE", 1)
    assert list(load_skeleton(save(model, path)).large) == ["w"]


@pytest.mark.parametrize("entries", [{}, {"location": "weights.bin", "offset": "4"}])
def test_a_file_that_changes_while_the_model_is_used_is_an_error(tmp_path, monkeypatch, entries):
    path = large_model(tmp_path, monkeypatch, **entries)
    tensor = load_graph(path).graph.initializers["w"].const_value
    changed = tmp_path / entries.get("location", path.name)
    changed.write_bytes(changed.read_bytes()[:-1])
    with pytest.raises(ModelError, match="was changed while it was read"):
        tensor.numpy()


def test_large_external_data_has_no_budget(external, monkeypatch):
    path = external(location="weights.bin", offset="4")
    monkeypatch.setattr(loading, "MAX_EXTERNAL_BYTES", 23)
    with pytest.raises(ModelError, match="at most 23 more"):
        load_graph(path)
    monkeypatch.setattr(loading, "LARGE", 24)
    np.testing.assert_array_equal(load_graph(path).graph.initializers["w"].const_value.numpy(), WEIGHT)


def test_data_that_is_said_to_be_outside_is_not_taken_from_inside(load, tmp_path):
    model = make_model()
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    with pytest.raises(ModelError, match="'' is no path relative to the model"):
        load(save(model, tmp_path / "m.onnx"))


def test_a_constant_without_a_name_is_refused_and_one_with_the_name_of_an_input_is_read(load, tmp_path):
    model = make_model()
    model.graph.initializer.append(onnx.numpy_helper.from_array(WEIGHT, "x"))
    assert len(load(save(model, tmp_path / "m.onnx")).graph.initializer) == 2
    model.graph.initializer[1].name = ""
    with pytest.raises(ModelError, match="the ONNX checker refuses it"):
        load(save(model, tmp_path / "m.onnx"))
