import pytest
import torch

from qcompile.errors import DataError
from qcompile.frontend import checkpoints
from qcompile.frontend.checkpoints import Checkpoint, load_newest, read_tensors, save_checkpoint, to_bytes


def make(number):
    tensors = {"weight": torch.full((3, 2), float(number)), "indices": torch.arange(4, dtype=torch.uint8)}
    return Checkpoint(number, {"epoch": number, "losses": [0.1, 1e-300], "name": 'a "b" é'}, tensors)


def assert_same(found, wanted):
    assert (found.number, found.state) == (wanted.number, wanted.state)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in wanted.tensors.items())


def test_the_newest_comes_back_and_two_are_kept(tmp_path):
    for number in (1, 2, 9, 10):
        save_checkpoint(tmp_path, make(number))
    assert_same(load_newest(tmp_path), make(10))
    kept = ["00000009.json", "00000009.safetensors", "00000010.json", "00000010.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == kept


def test_before_the_first_save_there_is_none(tmp_path):
    assert load_newest(tmp_path) is None
    assert load_newest(tmp_path / "absent") is None


def flip_every_bit_in_turn(content):
    for place in range(0, len(content), 7):
        yield content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]


def test_any_flipped_bit_and_any_cut_leads_to_the_checkpoint_before(tmp_path):
    save_checkpoint(tmp_path, make(1))
    save_checkpoint(tmp_path, make(2))
    path = tmp_path / "00000002.safetensors"
    content = path.read_bytes()
    damaged = [*flip_every_bit_in_turn(content), *(content[:size] for size in range(0, len(content), 11))]
    assert len(damaged) > 50
    for bad in damaged:
        path.write_bytes(bad)
        assert load_newest(tmp_path).number == 1
    path.write_bytes(content)
    assert load_newest(tmp_path).number == 2


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{}", b"\xff", b'{"sha256": 3}'])
def test_a_damaged_manifest_leads_to_the_checkpoint_before(tmp_path, manifest):
    save_checkpoint(tmp_path, make(1))
    save_checkpoint(tmp_path, make(2))
    (tmp_path / "00000002.json").write_bytes(manifest)
    assert load_newest(tmp_path).number == 1


def test_a_checkpoint_without_its_manifest_was_not_finished(tmp_path):
    save_checkpoint(tmp_path, make(1))
    (tmp_path / "00000002.safetensors").write_bytes(to_bytes(make(2).tensors))
    assert load_newest(tmp_path).number == 1


def test_all_damaged_is_an_error_and_not_a_fresh_start(tmp_path):
    save_checkpoint(tmp_path, make(1))
    (tmp_path / "00000001.safetensors").unlink()
    with pytest.raises(DataError, match="none of 1 checkpoints has the SHA-256"):
        load_newest(tmp_path)


def test_a_manifest_that_cannot_be_written_leaves_nothing_of_its_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, make(1))
    real = checkpoints.write_atomically

    def full(path, content):
        if path.suffix == ".json":
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(checkpoints, "write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, make(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000001.json", "00000001.safetensors"]


def test_leftovers_of_an_interrupted_save_are_swept(tmp_path):
    save_checkpoint(tmp_path, make(1))
    (tmp_path / ".00000002.safetensors.abc").write_bytes(b"half")
    load_newest(tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_a_file_that_is_no_safetensors_is_refused(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"\x80\x04pickle?")
    for name in ("x.safetensors", "absent.safetensors"):
        with pytest.raises(DataError, match="no readable safetensors file"):
            read_tensors(tmp_path / name)
