import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qcompile.datasets import Dataset, load_any
from qcompile.errors import DataError, QCompileError
from qcompile.image_decoding import ImageView
from qcompile.inference import error_percent, run_file
from qcompile.runtime import session
from tests.pictures import write_picture


@pytest.fixture
def inputs():
    return np.random.default_rng(0).random((700, 2, 7, 7), dtype=np.float32)


def test_writes_the_outputs_and_describes_them(packed_path, inputs, tmp_path):
    (line,) = run_file(packed_path, {"input": inputs}, tmp_path / "y.npz")
    assert line.startswith("output: float32 [700, 5], ")
    wanted = session(packed_path).run(None, {"input": inputs})[0]
    np.testing.assert_array_equal(np.load(tmp_path / "y.npz")["output"], wanted)


def test_counts_wrong_labels_over_all_batches(packed_path, inputs):
    labels = session(packed_path).run(None, {"input": inputs})[0].argmax(axis=1)
    labels[-35:] = (labels[-35:] + 1) % 5
    dataset = Dataset(inputs[:0], labels[:0], inputs, labels, classes=5)
    assert error_percent(packed_path, dataset) == 5.0
    assert error_percent(packed_path, dataset, library=False) == 5.0


def test_inputs_that_do_not_fit_are_an_error_and_nothing_is_written(packed_path, tmp_path):
    for name, shape in (("other", (1, 2, 7, 7)), ("input", (1, 3, 7, 7)), ("input", (1, 2, 7))):
        with pytest.raises(QCompileError, match="the model takes"):
            run_file(packed_path, {name: np.zeros(shape, np.float32)}, tmp_path / "y.npz")
    with pytest.raises(DataError, match="given nothing"):
        run_file(packed_path, {})
    assert not (tmp_path / "y.npz").exists()


def test_the_error_on_pictures_in_files(tmp_path):
    pytest.importorskip("PIL", reason="pictures are read by Pillow")
    colors = {"n0": (255, 0, 0), "n1": (0, 255, 0), "n2": (0, 0, 255)}
    for part in ("train", "val"):
        for name, color in colors.items():
            write_picture(tmp_path / part / name / "0.jpg", color=color)
    write_picture(tmp_path / "val" / "n2" / "1.jpg", color=colors["n1"])
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", ["n", 3, 8, 8]), ("y", ["n", 3])))
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["m"]), helper.make_node("Flatten", ["m"], ["y"])]
    graph = helper.make_graph(nodes, "mean color", [x], [y])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, tmp_path / "net.onnx")
    dataset = load_any("imagenet", tmp_path, ImageView(8))
    assert error_percent(tmp_path / "net.onnx", dataset, library=False) == 25.0
