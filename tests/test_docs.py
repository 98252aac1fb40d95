"""The commands and programs of the documents, run as they stand."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

DOCS = pathlib.Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
TESTED = ("first-hour",)


@pytest.fixture
def environment(tmp_path):
    """Where a command called qcompile is this package's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "qcompile"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m qcompile "$@"\n')
    command.chmod(0o755)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize("page", TESTED)
def test_the_blocks_of_a_page_run_one_after_the_other(page, tmp_path, environment):
    pytest.importorskip("torch")
    blocks = BLOCK.findall((DOCS / f"{page}.md").read_text())
    assert len(blocks) > 5
    for language, text in blocks:
        command = [sys.executable, "-c", text] if language == "python" else ["bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def test_links_between_documents_lead_somewhere():
    for path in [*DOCS.glob("*.md"), *(DOCS / "decisions").glob("*.md"), DOCS.parent / "README.md"]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in target and not target.startswith("`"):
                assert (path.parent / target).exists(), f"{path.name}: {target}"
