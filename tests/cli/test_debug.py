import json

import numpy as np
import onnx
import pytest

from tests.cli.test_commands import invoke
from tests.networks import NETWORKS
from tests.test_compile_integers import compiled


@pytest.fixture
def files(tmp_path):
    network = NETWORKS["plain"]()
    onnx.save(network.proto(), tmp_path / "float.onnx")
    onnx.save(compiled(network, weight_bits=4), tmp_path / "packed.onnx")
    np.savez(tmp_path / "x.npz", **network.samples(4))
    return tmp_path / "float.onnx", tmp_path / "packed.onnx", "--inputs", tmp_path / "x.npz"


def test_the_worst_layer_is_on_top(files):
    shown = invoke("debug", *files)
    assert shown.exit_code == 0, shown.output
    data = json.loads(invoke("debug", *files, "--json").output)
    names = [line.split()[0] for line in shown.output.splitlines() if "Integer" in line]
    assert names == [layer["name"] for layer in data["layers"]]
    assert len(names) == 4
    assert data["samples"] == 4


def test_top_shortens_the_table(files):
    shown = invoke("debug", *files, "--top", "2").output
    assert sum("Integer" in line for line in shown.splitlines()) == 2
    assert invoke("debug", *files, "--top", "0").exit_code == 2


def test_errors_are_one_line(files, tmp_path):
    np.savez(tmp_path / "y.npz", y=np.zeros((1, 2), np.float32))
    for arguments in ((*files[:3], tmp_path / "y.npz"), (files[0], files[0], *files[2:])):
        shown = invoke("debug", *arguments)
        assert shown.exit_code == 1
        assert shown.output.startswith("Error: ")
        assert len(shown.output.splitlines()) == 1
