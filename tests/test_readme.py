import pathlib
import re
import subprocess
import sys

import pytest

README = (pathlib.Path(__file__).parent.parent / "README.md").read_text()


def test_the_example_runs_as_it_stands(tmp_path):
    pytest.importorskip("torch")
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(code.splitlines()) <= 34
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "CodebookConv" in done.stdout
    assert (tmp_path / "packed.onnx").stat().st_size < (tmp_path / "exported.onnx").stat().st_size


def test_the_documents_it_names_exist():
    root = pathlib.Path(__file__).parent.parent
    for name in re.findall(r"docs/[a-z0-9/_-]+(?:\.md|/)", README):
        assert (root / name).exists(), name
