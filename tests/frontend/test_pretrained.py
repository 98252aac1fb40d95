import pytest
import torch
from safetensors.torch import save_file

from qcompile.errors import DataError
from qcompile.frontend.pretrained import read_parameters

TENSORS = {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.ones(2)}


def check(found):
    assert list(found) == list(TENSORS)
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())


@pytest.mark.parametrize(
    "content",
    [TENSORS, {"state_dict": TENSORS, "epoch": 3}, {"state_dict": {f"module.{k}": v for k, v in TENSORS.items()}}],
    ids=["plain", "nested", "data-parallel"],
)
def test_files_of_torch(tmp_path, content):
    torch.save(content, tmp_path / "net.th")
    check(read_parameters(tmp_path / "net.th"))


def test_safetensors(tmp_path):
    save_file(TENSORS, tmp_path / "net.safetensors")
    check({name: read_parameters(tmp_path / "net.safetensors")[name] for name in TENSORS})


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit",))


@pytest.mark.parametrize("content", [3, {}, {"a": 1}, {1: torch.ones(1)}, [torch.ones(1)], Harmful()])
def test_anything_else_is_refused_and_nothing_in_it_runs(tmp_path, content):
    torch.save(content, tmp_path / "net.th")
    with pytest.raises(DataError, match=r"net\.th: (wanted tensors by name|no readable)"):
        read_parameters(tmp_path / "net.th")


@pytest.mark.parametrize("content", [b"", b"no file of torch", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "net.th").write_bytes(content)
    with pytest.raises(DataError, match=r"net\.th: no readable"):
        read_parameters(tmp_path / "net.th")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"net\.th: no readable"):
        read_parameters(tmp_path / "net.th")
