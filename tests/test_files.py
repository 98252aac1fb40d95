import os
import stat

import pytest

from qcompile.errors import QCompileError
from qcompile.files import write_atomically, write_result


def test_writes_a_new_file(tmp_path):
    write_atomically(tmp_path / "model.onnx", b"new")
    assert (tmp_path / "model.onnx").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["model.onnx"]
    assert stat.S_IMODE((tmp_path / "model.onnx").stat().st_mode) == 0o644


def test_replaces_a_file_and_keeps_its_permissions(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    path.chmod(0o600)
    write_atomically(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failing):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_the_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append("fsync"), fsync(descriptor)))
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("replace"), replace(*names)))
    write_atomically(tmp_path / "model.onnx", b"new")
    assert calls == ["fsync", "replace", "fsync"]  # the file, its name, the folder


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "model.onnx", b"new")


def test_a_result_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(QCompileError, match=r"missing/r\.json: cannot be written: No such file or directory"):
        write_result(tmp_path / "missing" / "r.json", b"{}")
