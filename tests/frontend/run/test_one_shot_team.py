"""Two processes of torchrun train the supernet of one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="the runs train on digits, which come with scikit-learn")

from safetensors.torch import load_file

from qcompile.frontend.recipe_file import load_recipe
from qcompile.frontend.run import learn

ROOT = Path(__file__).parents[3]
TIMEOUT_SECONDS = 300  # far above what a loaded machine needs; a test that gets there has hung
# 114 images in batches of 45, 45 and 24, in unequal parts: three steps of an epoch that is a share of all images.
SHORT = [
    *("reference.epochs=1", "learning.epochs=1", "learning.share=0.1", "learning.passes.random=1"),
    *("learning.optimization.batch_size=45", "learning.optimization.accumulate=2", "calibration_images=100"),
]


def test_two_processes_train_the_supernet_of_one(tmp_path):
    options = [part for override in SHORT for part in ("--set", override)]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "qcompile", "learn"]
    done = subprocess.run(
        [*command, "digits-one-shot", "-o", str(tmp_path / "two"), *options],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    learn(load_recipe("digits-one-shot", SHORT), Path(), tmp_path / "one")
    found, wanted = (load_file(tmp_path / name / "supernet.safetensors") for name in ("two", "one"))
    assert list(found) == list(wanted)
    # Weights up to 1, whose 45 and 3 gradients are sums in another order: 48 roundings of 2^-24 are 3e-6, and as much
    # again for a code that rounding throws over the middle between two.
    apart = {name: float((found[name].double() - tensor.double()).abs().max()) for name, tensor in wanted.items()}
    assert max(apart.values()) <= 1e-5, apart
    # Equal shares for unequal parts would err by one image in 45 of how far the weights went, which is more.
    begun = load_file(tmp_path / "one" / "reference.safetensors")
    moved = {name: (wanted[f"network.{name}"] - before).abs().max().item() for name, before in begun.items()}
    assert min(moved.values()) / 45 > 4e-5
    assert done.stderr.count("supernet 1/1") == 1
    assert done.stdout.count("2 bits     test error") == 1
