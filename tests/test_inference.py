import numpy as np
import pytest

from qcompile.datasets import Dataset
from qcompile.errors import DataError, QCompileError
from qcompile.inference import error_percent, run_file
from qcompile.runtime import session


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
