import numpy as np
import pytest

from qcompile import peak_memory
from qcompile.errors import QCompileError
from qcompile.peak_memory import peak_memory_bytes

ONE = np.zeros((1, 2, 7, 7), np.float32)


def test_a_larger_input_takes_more(packed_path):
    small = peak_memory_bytes(packed_path, {"input": ONE})
    large = peak_memory_bytes(packed_path, {"input": np.repeat(ONE, 40000, axis=0)})
    # The output of conv alone: 40,000 samples of 6 channels of 5 x 5 floats.
    assert large - small > 40000 * 6 * 25 * 4


def test_a_file_that_does_not_run_is_an_error(packed_path):
    with pytest.raises(QCompileError, match=r"its memory could not be measured: .*nput"):
        peak_memory_bytes(packed_path, {"no such input": ONE})


def test_where_the_system_does_not_tell_nothing_is_measured(packed_path, tmp_path, monkeypatch):
    monkeypatch.setattr(peak_memory, "STATUS", tmp_path / "none")
    assert peak_memory_bytes(packed_path, {"input": ONE}) is None
