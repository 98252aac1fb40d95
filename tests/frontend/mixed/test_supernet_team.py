"""Two processes on this machine, by gloo."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import torch

from qcompile.frontend.distributed import ALONE, joined_team
from qcompile.frontend.mixed.bit_scheduler import FlipRate
from qcompile.frontend.mixed.distortion import Mitigation
from qcompile.frontend.mixed.freezing import Freezing
from qcompile.frontend.mixed.supernet_optimizer import SupernetOptimization
from qcompile.frontend.mixed.supernet_training import Span, SupernetSettings, SupernetTraining, train_supernet_epoch
from qcompile.frontend.mixed.training_step import Passes

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[3]
TIMEOUT_SECONDS = 300  # far above what a loaded machine needs; a test that gets there has hung
PROGRAM = "import sys, test_supernet_team; test_supernet_team.run_in_team(sys.argv[1])"


def train(team, supernet, samples):
    """Two epochs of batches of 25, 25 and 1, in parts; one layer of two is frozen by each decision of a fifth."""
    freezing = Freezing(start=0.0, period=0.2, first_ratio=0.5, last_ratio=0.5)
    optimization = SupernetOptimization(0.05, 0.05, batch_size=25, accumulate=2, gradient_norm=2.0)
    settings = SupernetSettings(optimization, Passes(2, mitigation=Mitigation(0.1)), FlipRate(freezing))
    training = SupernetTraining(supernet, settings)
    losses = []
    for epoch in (0, 1):
        generator = torch.Generator().manual_seed(epoch)
        span = Span(epoch / 2, (epoch + 1) / 2)
        losses.append(train_supernet_epoch(training, samples, span, generator, team).largest)
    return {"losses": losses, "state": {name: value.flatten().tolist() for name, value in training.save().items()}}


def run_in_team(folder):
    import conftest

    torch.set_num_threads(1)
    with joined_team() as team:
        found = train(team, conftest.supernet(normalize=False), conftest.samples(51))
        normalized = train(team, conftest.supernet(), conftest.samples(51))
    Path(folder, f"{team.rank}.json").write_text(json.dumps({"plain": found, "normalized": normalized}))


def start_two(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    places = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(HERE)))}
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    return [
        subprocess.Popen(command, env=os.environ | group | places | {"RANK": rank}, stderr=subprocess.PIPE, text=True)
        for rank in "01"
    ]


def test_two_processes_train_what_one_does(tmp_path, make_supernet, make_samples):
    processes = start_two(tmp_path)
    errors = [process.communicate(timeout=TIMEOUT_SECONDS)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second, "to the last bit, batch statistics included"
    alone = train(ALONE, make_supernet(normalize=False), make_samples(51))
    assert alone["state"].keys() == first["plain"]["state"].keys()
    for name, wanted in alone["state"].items():
        found = torch.tensor(first["plain"]["state"][name], dtype=torch.float64)
        # 6 steps, each a sum of the same gradient of norm up to 2 in another order: an error below 2^-18 of it, which
        # the momentum of 0.9 makes at most ten times as much. Unequal shares for unequal parts err by 4 %.
        bound = 6 * 10 * 2 * 2**-18
        assert (found - torch.tensor(wanted, dtype=torch.float64)).abs().max() <= bound, name
    losses = torch.tensor([first["plain"]["losses"], alone["losses"]], dtype=torch.float64)
    assert (losses[0] - losses[1]).abs().max() <= 1e-4
