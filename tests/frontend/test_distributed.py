"""Two processes on this machine, by gloo: torchrun for the command, plain processes for the API."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from qcompile.errors import QCompileError
from qcompile.frontend import Adaptive, Schedule, learn_compressed
from qcompile.frontend.distributed import ALONE, OtherProcessError, Team, current_team, joined_team

ROOT, HERE = Path(__file__).parents[2], Path(__file__).parent
TIMEOUT_SECONDS = 300  # far above what a loaded machine needs; a test that gets there has hung
SHORT = ["reference.epochs=1", "learning.epochs=1", "learning.first_epochs=1", "schedule.iterations=2"]
SIZES = ["reference.optimization.batch_size=99", "learning.optimization.batch_size=99"]  # odd, and 51 images are left
PARTS = ["learning.optimization.accumulate=3"]
OPTIONS = [part for override in SHORT + SIZES + PARTS for part in ("--set", override)]


def environment(**more):
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(HERE))), "OMP_NUM_THREADS": "1"} | more


def torchrun(*arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "qcompile", "learn"]
    return subprocess.run(
        [*command, *map(str, arguments)], env=environment(), capture_output=True, text=True, timeout=TIMEOUT_SECONDS
    )


def test_two_processes_learn_what_one_does(tmp_path):
    pytest.importorskip("sklearn", reason="digits come with scikit-learn")
    from qcompile.frontend.recipe_file import load_recipe
    from qcompile.frontend.run import learn

    done = torchrun("digits-lc-k2", "-o", tmp_path / "two", *OPTIONS)
    assert done.returncode == 0, done.stderr
    learn(load_recipe("digits-lc-k2", SHORT + SIZES + PARTS), Path(), tmp_path / "one")
    # The same gradient summed in another order: below 2^-19 of a weight's size in the 15 steps of an epoch, three
    # epochs in all, with a momentum of 0.9 (which adds up ten steps). Equal shares for unequal parts err by 1 %.
    for file in ("reference", "learned"):
        found, wanted = (load_file(tmp_path / name / f"{file}.safetensors") for name in ("two", "one"))
        assert list(found) == list(wanted)
        for name, tensor in wanted.items():
            assert (found[name].double() - tensor.double()).abs().max() < 1e-5, (file, name)
    assert done.stdout.count("reference  test error") == 1
    assert done.stderr.count("learning 2/2") == 1
    assert not list((tmp_path / "two").rglob(".*"))


def test_a_mistake_is_told_once_and_ends_all(tmp_path):
    done = torchrun("lenet300-lc-k2", "-o", tmp_path / "run", "--data-dir", tmp_path)
    assert done.returncode != 0
    assert done.stderr.count("Error: ") - done.stderr.count("ChildFailedError: ") == 1
    assert "found neither train-images-idx3-ubyte" in done.stderr
    assert not (tmp_path / "run").exists()


def start(work, folder):
    """Two processes that run the function ``work`` of this file; what it returns is in folder/RANK.json."""
    program = f"import sys, test_distributed; test_distributed.run_in_team(test_distributed.{work}, sys.argv[1])"
    return start_program(program, folder)


def start_program(program, folder):
    """Two processes of one group that run ``program`` with the argument ``folder``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return [
        subprocess.Popen(
            [sys.executable, "-c", program, str(folder)],
            env=environment(RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]


def run_in_team(work, folder):
    torch.set_num_threads(1)
    with joined_team() as team:
        Path(folder, f"{team.rank}.json").write_text(json.dumps(work(team)))


def results(work, folder):
    errors = [process.communicate(timeout=TIMEOUT_SECONDS)[1] for process in start(work, folder)]
    return [json.loads(Path(folder, f"{rank}.json").read_text()) for rank in (0, 1)], errors


INPUTS = torch.randn(90, 6, generator=torch.Generator().manual_seed(1))
LABELS = (INPUTS[:, 0] * INPUTS[:, 1] > 0).long()
SCHEDULE = Schedule(0.05, 1.5, 3, tolerance=0)


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))


def learn_in_team(team, network, *, parallel, layers=None, normalize=False):
    """Learns on this process's share of the inputs; batch normalization in evaluation mode, unless asked for."""
    trained = team.parallel(network) if parallel else network
    trained.train(normalize)

    def train(step):
        optimizer = torch.optim.SGD(network.parameters(), lr=step.clip(0.1), momentum=0.9)
        for batch in torch.arange(90).split(25):  # 25, 25, 25, 15
            optimizer.zero_grad()
            for inputs, labels, share in team.parts(INPUTS[batch], LABELS[batch], 2):
                (F.cross_entropy(trained(inputs), labels) * share * team.size).backward()
            optimizer.step()

    calibration = [INPUTS[team.rank :: team.size]]
    return learn_compressed(network, layers or {"*": Adaptive(2)}, train, SCHEDULE, calibration=calibration)


def caught(work):
    try:
        work()
    except QCompileError as error:
        return [type(error).__name__, str(error)]
    return None


class FailingCodebook:
    """Fits once; its second C step fails, as only the first process can notice."""

    per, calls = "tensor", 0

    def fit(self, weight, previous=None):
        self.calls += 1
        if self.calls == 2:
            raise ZeroDivisionError("a bug")
        return Adaptive(2).fit(weight)


def many_things(team):
    network, normalized = make_network(), make_network()
    state = learn_in_team(team, network, parallel=True)
    learn_in_team(team, normalized, parallel=True, normalize=True)
    weights = {name: tensor.flatten().tolist() for name, tensor in network.state_dict().items()}
    failure = None
    try:
        learn_in_team(team, make_network(), parallel=True, layers={"*": FailingCodebook()})
    except (OtherProcessError, ZeroDivisionError) as error:
        failure = [type(error).__name__, str(error)]
    return {
        "weights": weights,
        "multipliers": {name: tensor.flatten().tolist() for name, tensor in state.multipliers.items()},
        "normalized": {name: tensor.flatten().tolist() for name, tensor in normalized.state_dict().items()},
        "failure": failure,
        "not parallel": caught(lambda: learn_in_team(team, make_network(), parallel=False)),
        "together": caught(lambda: team.together(lambda: fail_on(team, 1))),
        "gathered": team.gather(team.rank),
    }


def fail_on(team, rank):
    if team.rank == rank:
        raise QCompileError("no data here")


def test_a_group_of_ones_own_learns_together_and_fails_together(tmp_path):
    (first, second), errors = results("many_things", tmp_path)
    assert first["weights"] == second["weights"], errors
    assert first["multipliers"] == second["multipliers"]
    assert first["normalized"] == second["normalized"]  # the first one's calibration serves all
    alone = make_network()
    learn_in_team(ALONE, alone, parallel=True)
    for name, tensor in alone.state_dict().items():
        if "running" not in name:  # each calibrates with its own inputs
            # 12 steps, whose gradients are sums of 90 float32 numbers below 1, in another order.
            difference = (torch.tensor(first["weights"][name]) - tensor.flatten().float()).abs().max()
            assert difference < 12 * 90 * 2**-24, name
    assert first["failure"] == ["ZeroDivisionError", "a bug"]
    assert second["failure"] == ["OtherProcessError", "process 0: ZeroDivisionError: a bug"]
    for each in (first, second):
        assert each["not parallel"][0] == "QCompileError"
        assert "wrap the network that train() uses in torch's DistributedDataParallel" in each["not parallel"][1]
    assert first["together"] == ["OtherProcessError", "process 1: no data here"]
    assert second["together"] == ["QCompileError", "no data here"]
    assert first["gathered"] == [0, 1]


def gloo_threads():
    names = [thread / "comm" for thread in Path("/proc/self/task").iterdir()]
    return sum(name.read_text().strip() == "pt_gloo_runloop" for name in names)


def count_gloo_threads(folder):
    """Into folder/RANK.json: how many threads of gloo there are in the group, and after it."""
    with joined_team() as team:
        learn_in_team(team, make_network(), parallel=True)
        counts = [gloo_threads()]
    Path(folder, f"{team.rank}.json").write_text(json.dumps([*counts, gloo_threads()]))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted as Linux shows them")
def test_the_threads_of_the_group_end_with_it(tmp_path):
    # One that drops the tensors of the last meeting while the interpreter ends aborts the process. Those of torch's
    # wrapper stay, with tensors that nobody drops any more.
    program = "import sys, test_distributed; test_distributed.count_gloo_threads(sys.argv[1])"
    errors = [process.communicate(timeout=TIMEOUT_SECONDS)[1] for process in start_program(program, tmp_path)]
    counts = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert counts == [[4, 2], [4, 2]], errors


def lose_one(team):
    if team.rank == 1:
        os._exit(9)
    team.gather(0)


def test_a_process_that_is_gone_is_an_error_and_no_wait(tmp_path):
    processes = start("lose_one", tmp_path)
    errors = [process.communicate(timeout=TIMEOUT_SECONDS)[1] for process in processes]
    assert [process.returncode for process in processes] == [1, 9]
    assert "OtherProcessError: a process of the group is gone" in errors[0]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("accumulate", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_parts_of_all_processes_are_the_batch(size, accumulate, count):
    labels, images = torch.arange(count), torch.arange(count).reshape(-1, 1) * 10
    shares = [list(Team(rank, size).parts(images, labels, accumulate)) for rank in range(size)]
    assert len({len(parts) for parts in shares}) == 1, "each backward pass is a meeting of all"
    assert len(shares[0]) <= accumulate
    parts = [part for each in shares for part in each]
    assert all(len(some) == len(wanted) > 0 and torch.equal(some[:, 0], wanted * 10) for some, wanted, _ in parts)
    assert sorted(int(label) for _, wanted, share in parts if share for label in wanted) == list(range(count))
    assert all(share in (0.0, len(wanted) / count) for _, wanted, share in parts)
    if size == 1:
        assert all(share for _, _, share in parts)


def test_alone_everything_happens_at_once():
    assert current_team() is ALONE
    network, tensors = nn.Linear(1, 1), {"w": torch.ones(2)}
    assert ALONE.parallel(network) is network
    assert ALONE.on_first(lambda: 3) == ALONE.together(lambda: 3) == 3
    assert ALONE.gather("x") == ["x"]
    assert ALONE.adopt(tensors) == 0.0
    with joined_team() as team:
        assert team is ALONE
