import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from qcompile import datasets
from qcompile.errors import DataError, QCompileError, RecipeError
from qcompile.files import write_atomically
from qcompile.frontend import run_folder
from qcompile.frontend.checkpoints import load_newest
from qcompile.frontend.interruption import RunInterruptedError
from qcompile.frontend.recipe_file import load_recipe
from qcompile.frontend.run import learn, results
from qcompile.models.lenet import DigitsNet

pytest.importorskip("sklearn", reason="the runs train on digits, which come with scikit-learn")

ROOT = Path(__file__).parents[2]
SHORT = [
    "reference.epochs=3",
    "reference.optimization.batch_size=128",
    "learning.epochs=1",
    "learning.first_epochs=2",
    "learning.optimization.batch_size=128",
    "schedule.iterations=5",
    "schedule.growth=2.0",
]
SAVES = 3 + 1 + 1 + 5  # epochs of the reference, its end, direct compression, iterations


def short_recipe(*overrides):
    return load_recipe("digits-lc-mixed", [*SHORT, *overrides])


def run(folder, *overrides, **options):
    return learn(short_recipe(*overrides), Path(), folder, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, run(folder)


def read_metrics(folder):
    """The lines of metrics.jsonl without what a clock says."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if not key.endswith("_seconds")} for line in lines]


def assert_same_result(folder, wanted):
    found = load_file(folder / "learned.safetensors")
    for name, tensor in load_file(wanted / "learned.safetensors").items():
        assert torch.equal(found[name], tensor), name
    assert read_metrics(folder) == read_metrics(wanted)
    assert json.loads((folder / "plan.json").read_text()) == json.loads((wanted / "plan.json").read_text())


@pytest.fixture
def no_export(monkeypatch):
    """Export is slow, and has its own tests."""
    monkeypatch.setattr(
        "qcompile.frontend.run.results.export_onnx", lambda network, weights, inputs, path, **_: path.touch()
    )


def stop_after(saves):
    remaining = [saves]

    def stop():
        remaining[0] -= 1
        return remaining[0] == 0

    return stop


@pytest.mark.parametrize("saves", range(1, SAVES + 1))
def test_a_run_resumed_after_any_save_ends_bit_for_bit_alike(tmp_path, whole, no_export, saves):
    folder = tmp_path / "run"
    with pytest.raises(RunInterruptedError, match="continue with --resume"):
        run(folder, stop=stop_after(saves))
    assert run(folder, resume=True) == whole[1]
    assert_same_result(folder, whole[0])


@pytest.mark.parametrize("method", ["iterated-direct", "straight-through"])
def test_the_baselines_resume_bit_for_bit_too(tmp_path, no_export, method):
    wanted = run(tmp_path / "whole", f'method="{method}"', "learning.refit_every=5")
    assert wanted["method"] == method
    for saves in (5, 6, 9, 10):  # before the first iteration, after it, before the last, after it
        folder = tmp_path / f"run{saves}"
        with pytest.raises(RunInterruptedError):
            run(folder, f'method="{method}"', "learning.refit_every=5", stop=stop_after(saves))
        assert run(folder, f'method="{method}"', "learning.refit_every=5", resume=True) == wanted
        assert_same_result(folder, tmp_path / "whole")


def test_every_iteration_is_in_the_metrics(whole):
    lines = [json.loads(line) for line in (whole[0] / "metrics.jsonl").read_text().splitlines()]
    iterations = [line for line in lines if line["stage"] == "learning"]
    assert [line["iteration"] for line in iterations] == [0, 1, 2, 3, 4]
    for line in iterations:
        assert set(line["decoded"]) == {"train_loss", "test_error_percent"}
        assert 0 < line["learning_rate"] <= 0.09
        assert line["training_seconds"] > 0
        assert line["fitting_seconds"] > 0
        assert 0 <= line["changed"] <= 1
        assert list(line["layers"]) == ["conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight"]
    layers = iterations[-1]["layers"]
    learned = load_file(whole[0] / "learned.safetensors")
    assert layers["fc1.weight"]["entries"] == pytest.approx(learned["fc1.weight"].unique().tolist(), rel=1e-6)
    assert layers["fc1.weight"]["lowest"] is None
    assert [layer["bits"] for layer in layers.values()] == [4, 2, 1, 3]
    assert layers["conv2.weight"]["lowest"][2] <= layers["conv2.weight"]["entries"][2]


@pytest.mark.parametrize("method", ["lc", "straight-through"])
def test_a_run_killed_at_any_moment_ends_bit_for_bit_alike(tmp_path, whole, no_export, method):
    folder, wanted, overrides = tmp_path / "run", whole[0], [f'method="{method}"']
    if method != "lc":
        wanted = tmp_path / "wanted"
        run(wanted, *overrides)
    program = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); sys.path.insert(0, sys.argv[2])\n"
        "import test_run; test_run.run(pathlib.Path(sys.argv[3]), sys.argv[4], resume=sys.argv[5] == 'resume')"
    )
    command = [sys.executable, "-c", program, str(ROOT), str(Path(__file__).parent), str(folder), *overrides]
    for saves, how in ((2, "start"), (6, "resume")):
        process = subprocess.Popen([*command, how], stderr=subprocess.DEVNULL)
        wait_for(lambda saves=saves: (folder / f"checkpoints/{saves:08d}.json").exists(), process)
        process.kill()  # SIGKILL: nothing is tidied up
        assert process.wait() == -signal.SIGKILL
    run(folder, *overrides, resume=True)
    assert_same_result(folder, wanted)


def wait_for(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_damaged_checkpoint_costs_one_step(tmp_path, whole, no_export):
    folder = tmp_path / "run"
    with pytest.raises(RunInterruptedError):
        run(folder, stop=stop_after(7))
    newest = folder / "checkpoints/00000007.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1] + b"\0")
    run(folder, resume=True)
    assert_same_result(folder, whole[0])


def test_resuming_a_finished_run_writes_its_results_again(tmp_path, whole, no_export):
    folder = tmp_path / "run"
    run(folder)
    (folder / "exported.onnx").unlink()
    (folder / "plan.json").unlink()
    run(folder, resume=True)
    assert_same_result(folder, whole[0])
    assert (folder / "exported.onnx").exists()


def test_a_given_reference_leads_to_the_same_weights(tmp_path, whole, no_export):
    folder = tmp_path / "run"
    plan = run(folder, reference=whole[0] / "reference.safetensors")
    assert plan == whole[1]
    assert "reference" not in [
        json.loads(line)["stage"] for line in (folder / "metrics.jsonl").read_text().splitlines()
    ]


def test_another_seed_leads_elsewhere(tmp_path, whole, no_export):
    run(tmp_path / "run", "seed=2")
    found, other = (load_file(folder / "learned.safetensors") for folder in (tmp_path / "run", whole[0]))
    assert not torch.equal(found["fc1.weight"], other["fc1.weight"])


def test_the_plan_says_what_each_layer_became(whole):
    folder, plan = whole
    layers = {layer["name"]: layer for layer in plan["layers"]}
    assert {
        name: (each["codebook"], each["entries"], each["bits"], each["groups"]) for name, each in layers.items()
    } == {
        "conv1": ("adaptive", 16, 4, 1),
        "conv2": ("scaled-ternary", 3, 2, 48),
        "fc1": ("adaptive", 2, 1, 1),
        "fc2": ("adaptive", 8, 3, 1),
    }
    assert layers["conv2"] | {"weight_shape": [48, 24, 3, 3], "weight_count": 10_368, "method": "lc"} == layers["conv2"]
    assert set(plan["test_error_percent"]) == {"reference", "direct", "learned"}
    learned = load_file(folder / "learned.safetensors")
    assert len(learned["fc1.weight"].unique()) == 2
    assert all(len(channel.unique()) <= 3 for channel in learned["conv2.weight"])


def test_a_penalty_that_grows_too_fast_is_told_and_kept(tmp_path, no_export, capsys, recwarn):
    plan = run(tmp_path / "run", "schedule.first_penalty=10.0", "schedule.iterations=2")
    (advice,) = plan["advice"]
    assert "lower first_penalty (10) or growth (2)" in advice
    assert advice in capsys.readouterr().err
    assert [line["advice"] for line in read_metrics(tmp_path / "run") if line["stage"] == "learning"] == [advice, None]
    assert not recwarn.list
    page = (tmp_path / "run/monitors.html").read_text()
    assert "lower first_penalty" in page
    assert page.count("<figure") == 4 + 4  # of the whole, and of each layer


def test_a_healthy_run_gives_no_advice(whole):
    assert whole[1]["advice"] == []


def test_layers_left_alone_are_in_the_plan_without_bits(tmp_path, no_export):
    plan = run(tmp_path / "run", 'method="direct"', 'layers={fc1={codebook="scaled-binary"}, "*"={codebook="float"}}')
    assert [(layer["name"], layer["method"], layer["bits"]) for layer in plan["layers"]] == [
        ("conv1", "float", None),
        ("conv2", "float", None),
        ("fc1", "direct", 1),
        ("fc2", "float", None),
    ]
    assert plan["test_error_percent"]["learned"] == plan["test_error_percent"]["direct"]


@pytest.mark.parametrize(("file", "stage"), [("exported.onnx", "learned"), ("reference.onnx", "reference")])
def test_the_exported_models_make_the_errors_that_the_plan_reports(whole, file, stage):
    folder, plan = whole
    data = datasets.load("digits", Path())
    session = onnxruntime.InferenceSession(folder / file, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input": data.test_images})
    assert 100 * np.mean(logits.argmax(axis=1) != data.test_labels) == plan["test_error_percent"][stage]


def test_an_existing_folder_needs_resume(whole):
    with pytest.raises(QCompileError, match="exists already; continue it with --resume"):
        run(whole[0])


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path):
    with pytest.raises(QCompileError, match="holds no run to resume"):
        run(tmp_path / "absent", resume=True)


def test_a_run_is_not_resumed_with_another_recipe(whole):
    with pytest.raises(RecipeError, match="begun with another recipe: seed = 1, now seed = 2"):
        run(whole[0], "seed=2", resume=True)


def test_a_run_is_not_resumed_with_other_data(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    with pytest.raises(RunInterruptedError):
        run(folder, stop=stop_after(1))
    original = datasets.load("digits", Path())
    original.train_images[0, 0, 0, 0] += 0.5
    monkeypatch.setattr("qcompile.frontend.run.data.load_any", lambda *_: original)
    with pytest.raises(DataError, match="not the one that the run was begun with"):
        run(folder, resume=True)


def test_a_damaged_reference_is_noticed(tmp_path, no_export):
    folder = tmp_path / "run"
    run(folder)
    path = folder / "reference.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(DataError, match=r"reference\.safetensors: is missing or damaged"):
        run(folder, resume=True)


@pytest.mark.parametrize("spoil", ["rename", "shape", "nan"])
def test_a_reference_that_does_not_fit_is_refused(tmp_path, whole, spoil):
    from safetensors.torch import save_file

    tensors = load_file(whole[0] / "reference.safetensors")
    if spoil == "rename":
        tensors["fc9.weight"] = tensors.pop("fc1.weight")
    elif spoil == "shape":
        tensors["fc1.weight"] = tensors["fc1.weight"][:, :-1].contiguous()
    else:
        tensors["fc1.weight"][0, 0] = float("nan")
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=r"other\.safetensors: (does not fit network digits|holds values)"):
        run(tmp_path / "run", reference=tmp_path / "other.safetensors")


def test_a_full_disk_costs_a_checkpoint_and_not_the_run(tmp_path, whole, no_export, monkeypatch, capsys):
    real, calls = run_folder.save_checkpoint, []

    def sometimes_full(folder, checkpoint):
        calls.append(checkpoint.number)
        if checkpoint.number % 2:
            raise OSError(28, "No space left on device")
        real(folder, checkpoint)

    monkeypatch.setattr(run_folder, "save_checkpoint", sometimes_full)
    assert run(tmp_path / "run") == whole[1]
    assert len(calls) == SAVES
    assert "checkpoint 1 is not saved ([Errno 28] No space left on device)" in capsys.readouterr().err
    with pytest.raises(RunInterruptedError, match="stopped at an earlier checkpoint"):
        run(tmp_path / "other", stop=stop_after(3))


class FullDisk:
    """Lets a number of whole files be written, then none until there is room."""

    def __init__(self, writes):
        self.room, self.written = writes, 0

    def write(self, path, data):
        self.written += 1
        if self.written > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_atomically(path, data)


@pytest.fixture
def patch_disk(monkeypatch):
    def patch(disk):
        for module in ("checkpoints", "run_folder", "export_graph"):
            monkeypatch.setattr(f"qcompile.frontend.{module}.write_atomically", disk.write)
        return disk

    return patch


@pytest.mark.parametrize("writes", [1, 2, 3, 8, 14, 20, 33])
def test_a_disk_that_is_full_from_any_write_on_loses_nothing_older(tmp_path, whole, no_export, patch_disk, writes):
    """The run goes on in memory, fails at its end, and is resumed from the newest checkpoint that was written."""
    folder, disk = tmp_path / "run", patch_disk(FullDisk(writes))
    with pytest.raises(QCompileError, match=r"cannot be written \(\[Errno 28\] No space left on device\)"):
        run(folder)
    newest = load_newest(folder / "checkpoints") if (folder / "checkpoints").exists() else None
    assert (newest.number if newest else 0) >= (writes - 1) // 4  # a save is at most four files
    assert not [path for path in folder.rglob("*.safetensors") if path.stem.isdigit() and not manifest(path).exists()]
    disk.room = 10**9
    run(folder, resume=True)
    assert_same_result(folder, whole[0])


def manifest(path):
    return path.with_suffix(".json")


def test_a_disk_that_is_really_full_loses_nothing_older(tmp_path, whole, no_export):
    """On a tmpfs of 400 KB in a namespace of its own: room for the recipe, the reference and a few checkpoints."""
    inside = tmp_path / "small"
    inside.mkdir()
    program = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); sys.path.insert(0, sys.argv[2])\n"
        "import test_run; test_run.fill_and_resume(pathlib.Path(sys.argv[3]))"
    )
    names = " ".join(map(shlex.quote, (program, str(ROOT), str(Path(__file__).parent), str(inside))))
    script = f"mount -t tmpfs -o size=400k tmpfs {inside} || exit 77; {sys.executable} -c {names}"
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", script], capture_output=True, text=True)
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip("mounting a tmpfs is not permitted here")
    assert done.returncode == 0, done.stderr
    assert "No space left on device" in done.stderr
    found = json.loads(done.stdout)
    assert found["checkpoint"] >= 1
    assert found["plan"] == whole[1]


def fill_and_resume(small):
    """Runs until the disk is full, makes room and resumes; prints the newest checkpoint of the first and the plan."""
    results.export_onnx = lambda network, weights, inputs, path, **_: path.touch()
    ballast = small / "ballast"
    ballast.write_bytes(bytes(50_000))
    try:
        run(small / "run")
    except QCompileError as error:
        print(error, file=sys.stderr)
    newest = load_newest(small / "run/checkpoints")
    subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
    print(json.dumps({"checkpoint": newest.number, "plan": run(small / "run", resume=True)}))


def test_bfloat16_training_exports_float32(tmp_path):
    overrides = ["reference.optimization.bfloat16=true", "learning.optimization.bfloat16=true"]
    run(tmp_path / "run", *overrides)
    learned = load_file(tmp_path / "run/learned.safetensors")
    assert learned["conv1.weight"].dtype == torch.float32


def test_the_folder_belongs_to_everyone_who_may_read_it(whole):
    modes = {path.name: os.stat(path).st_mode & 0o777 for path in whole[0].iterdir() if path.is_file()}
    names = {"recipe.toml", "metrics.jsonl", "monitors.html", "plan.json", "exported.onnx", "reference.onnx"}
    assert modes == dict.fromkeys(names | {"reference.safetensors", "learned.safetensors"}, 0o644)


def test_a_mistake_in_data_or_patterns_leaves_no_folder_behind(tmp_path):
    with pytest.raises(DataError):
        learn(load_recipe("lenet300-lc-k2"), tmp_path / "no data here", tmp_path / "run")
    with pytest.raises(RecipeError, match="fc9"):
        learn(
            load_recipe("digits-lc-k2", ['layers."fc9*".codebook="adaptive"', 'layers."fc9*".entries=2']),
            tmp_path,
            tmp_path / "run",
        )
    assert not list(tmp_path.iterdir())


class NormalizedNet(DigitsNet):
    """DigitsNet with batch normalization."""

    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(24)

    def forward(self, images):
        hidden = F.max_pool2d(F.relu(self.norm(self.conv1(images))), 2)
        hidden = F.max_pool2d(F.relu(self.conv2(hidden)), 2)
        return self.fc2(F.relu(self.fc1(hidden.flatten(1))))


@pytest.fixture
def normalized(monkeypatch):
    monkeypatch.setattr("qcompile.frontend.run.session.build_network", lambda name: NormalizedNet())


def statistics_of(folder, count):
    """The statistics over the first ``count`` images by the weights in learned.safetensors, one batch of them."""
    network, images = NormalizedNet(), torch.from_numpy(datasets.load("digits", Path()).train_images[:count])
    tensors = load_file(folder / "learned.safetensors")
    network.load_state_dict({name: tensor for name, tensor in tensors.items() if ":" not in name})
    with torch.no_grad():
        hidden = network.conv1(images)
    return network.norm, hidden.mean(dim=(0, 2, 3)), hidden.var(dim=(0, 2, 3))


@pytest.mark.parametrize("method", ["lc", "direct"])
def test_a_network_with_batch_normalization_gets_the_statistics_of_its_compressed_weights(
    tmp_path, no_export, normalized, method
):
    plan = run(tmp_path / "run", f'method="{method}"', "calibration_images=300")
    norm, mean, variance = statistics_of(tmp_path / "run", 300)
    assert torch.allclose(norm.running_mean, mean, atol=1e-5)
    assert torch.allclose(norm.running_var, variance, rtol=1e-4, atol=1e-6)
    if method == "direct":
        assert plan["test_error_percent"]["learned"] == plan["test_error_percent"]["direct"]


@pytest.mark.parametrize("saves", [5, 7])
def test_measuring_with_other_statistics_leaves_the_path_alone(tmp_path, no_export, normalized, saves):
    wanted = run(tmp_path / "whole")
    with pytest.raises(RunInterruptedError):
        run(tmp_path / "run", stop=stop_after(saves))
    assert run(tmp_path / "run", resume=True) == wanted
    assert_same_result(tmp_path / "run", tmp_path / "whole")
    reference = [load_file(tmp_path / name / "reference.safetensors") for name in ("run", "whole")]
    assert torch.equal(reference[0]["norm.running_mean"], reference[1]["norm.running_mean"])
