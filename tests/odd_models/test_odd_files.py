"""Odd files through the command line: exit code 1 or 2, one line on stderr, nothing left behind."""

import pytest
from click.testing import CliRunner

from qcompile.cli import main
from tests.odd_models import attributes, graphs, weights
from tests.odd_models.models import Odd, dense


def write(folder, data):
    folder.joinpath("odd.onnx").write_bytes(data)
    return folder / "odd.onnx"


def refused(folder, *options):
    """What compiling the file says in its one line."""
    source = folder / "odd.onnx"
    before = sorted(path.name for path in folder.iterdir())
    result = CliRunner().invoke(main, ["compile", str(source), "-o", str(folder / "p.onnx"), *options])
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), "a traceback"
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert result.stderr.startswith(f"Error: {source}")
    assert sorted(path.name for path in folder.iterdir()) == before
    return result.stderr


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (graphs.cyclic, "topologically sorted"),
        (graphs.opset_of_the_future, "Export it again with one of these"),
        (graphs.function_that_calls_itself, "must not be recursive"),
        (graphs.domain_not_imported, "No opset import for domain"),
        (graphs.huge_reshape, "does not load it, before compiling either"),
        (graphs.no_nodes, "no codebook weight"),
        (weights.sparse_constant, "Export it again with a dense one"),
        (weights.shape_not_as_declared, "no codebook weight"),
        (attributes.attribute_twice, "appeared multiple times"),
        (attributes.group_huge, "group 1099511627776"),
    ],
)
def test_an_odd_model_is_one_line(make, message, tmp_path):
    write(tmp_path, make("packed").SerializeToString())
    assert message in refused(tmp_path)


@pytest.mark.parametrize("data", [b"", b"\x00" * 64, b"\x08\x08\x12", "Ж".encode() * 100])
def test_what_is_no_model_is_one_line(data, tmp_path):
    write(tmp_path, data)
    assert "not an ONNX model" in refused(tmp_path)


def test_an_archive_that_is_no_program_is_one_line(tmp_path):
    write(tmp_path, b"PK\x03\x04")
    assert "no program of torch.export, or damaged" in refused(tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_half_a_model_is_one_line(share, tmp_path):
    data = dense("packed").gives().proto().SerializeToString()
    write(tmp_path, data[: int(len(data) * share)])
    refused(tmp_path)


def test_missing_external_data_is_one_line(tmp_path):
    model = dense("packed").gives().proto()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    tensor.external_data.add(key="location", value="weights.bin")
    write(tmp_path, model.SerializeToString())
    assert "'weights.bin' cannot be found" in refused(tmp_path)


def test_names_cannot_steer_the_terminal(tmp_path):
    odd = Odd()
    odd.add("MatMul", [odd.takes("x"), odd.lookup("w\x1b[2J\n", 4, 3)], "y", name="n\x1b[31m\r")
    odd.constant("w\x1b[2J\n.indices", [[9]], int)
    write(tmp_path, odd.gives("y", ["batch", 1]).proto().SerializeToString())
    result = CliRunner().invoke(main, ["compile", str(tmp_path / "odd.onnx"), "-o", str(tmp_path / "p.onnx")])
    assert result.exit_code == 1
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("options", [["--calibration", "missing.npz"], ["--bits", "9"], ["--dynamic", "--bfloat16"]])
def test_options_that_cannot_be_are_told_before_the_model_is_read(options, tmp_path):
    source = write(tmp_path, b"no model")
    result = CliRunner().invoke(main, ["compile", str(source), "-o", str(tmp_path / "p.onnx"), *options])
    assert result.exit_code == 2
    assert not (tmp_path / "p.onnx").exists()


def test_a_file_that_was_there_stays_when_compiling_fails(tmp_path):
    source = write(tmp_path, graphs.cyclic("packed").SerializeToString())
    (tmp_path / "p.onnx").write_bytes(b"before")
    assert CliRunner().invoke(main, ["compile", str(source), "-o", str(tmp_path / "p.onnx")]).exit_code == 1
    assert (tmp_path / "p.onnx").read_bytes() == b"before"


def test_what_cannot_be_run_here_is_told(tmp_path):
    source = write(tmp_path, graphs.own_domain_beside_a_layer("packed").SerializeToString())
    result = CliRunner().invoke(main, ["compile", str(source), "-o", str(tmp_path / "p.onnx")])
    assert result.exit_code == 0
    assert "not run here: it has operators of com.example" in result.stdout
    assert (tmp_path / "p.onnx").exists()
