import pytest
import torch

from qcompile.errors import DataError, QCompileError
from qcompile.frontend.mixed.bit_scheduler import FlipRate, NoFreezing, PublishedTurbulence, RandomFreezing
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.distortion import Mitigation
from qcompile.frontend.mixed.freezing import Freezing
from qcompile.frontend.mixed.moving_average import averaged
from qcompile.frontend.mixed.supernet import recalibrate
from qcompile.frontend.mixed.supernet_optimizer import SupernetOptimization
from qcompile.frontend.mixed.supernet_training import Span, SupernetSettings, SupernetTraining, train_supernet_epoch
from qcompile.frontend.mixed.training_step import Passes
from qcompile.frontend.training import evaluate

OPTIMIZATION = SupernetOptimization(learning_rate=0.05, step_learning_rate=0.05, batch_size=16)
OFTEN = Freezing(start=0.1, period=0.15, first_ratio=0.5, last_ratio=0.5)


def settings(scheduler=None, passes=None, optimization=OPTIMIZATION):
    passes = passes or Passes(2, mitigation=Mitigation(0.01))
    return SupernetSettings(optimization, passes, scheduler or NoFreezing())


def run(training, samples, epochs, first=0, total=None, **options):
    """Epochs ``first`` to ``epochs`` of a run of ``total``."""
    total = total or epochs
    losses = []
    for epoch in range(first, epochs):
        generator = torch.Generator().manual_seed(epoch)
        span = Span(epoch / total, (epoch + 1) / total)
        losses.append(train_supernet_epoch(training, samples, span, generator, **options))
    return losses


def measure(supernet, samples, bits):
    supernet.choose(supernet.uniform(bits))
    recalibrate(supernet, [samples.images])
    return evaluate(supernet, samples)


@pytest.mark.parametrize("bfloat16", [False, True], ids=["float32", "bfloat16"])
def test_training_lowers_the_loss_at_every_width(bfloat16, make_supernet, make_samples):
    supernet, samples = make_supernet(), make_samples()
    options = SupernetOptimization(0.05, 0.05, batch_size=16, bfloat16=bfloat16)
    before = {bits: measure(supernet, samples, bits)[0] for bits in (2, 4, 8)}
    training = SupernetTraining(supernet, settings(optimization=options))
    losses = run(training, samples, 25)
    assert losses[-1].largest < 0.5 * losses[0].largest
    assert losses[-1].random < 0.7 * losses[0].random
    with averaged(supernet, training.average):
        for bits in (2, 4, 8):
            loss, error_percent = measure(supernet, samples, bits)
            assert loss < 0.6 * before[bits], bits
            assert error_percent < 10, bits


def test_steps_that_gradients_push_about_stay_positive(make_supernet, make_samples):
    supernet = make_supernet()
    training = SupernetTraining(supernet, settings(optimization=SupernetOptimization(0.1, 1.0, batch_size=16)))
    losses = run(training, make_samples(), 8)
    assert all(step.item() > 0 for step in supernet.steps())
    assert losses[-1].largest < 0.7 * losses[0].largest


@pytest.mark.parametrize(
    "scheduler",
    [FlipRate(OFTEN), PublishedTurbulence(OFTEN), RandomFreezing(OFTEN)],
    ids=lambda each: type(each).__name__,
)
def test_a_run_that_was_broken_off_ends_the_same_to_the_last_bit(scheduler, make_supernet, make_samples):
    samples = make_samples(50)
    whole = SupernetTraining(make_supernet(), settings(scheduler))
    losses = run(whole, samples, 4)
    begun = SupernetTraining(make_supernet(), settings(scheduler))
    run(begun, samples, 2, total=4)
    saved = {name: tensor.clone() for name, tensor in begun.save().items()}
    resumed = SupernetTraining(make_supernet(), settings(scheduler))
    resumed.restore(saved)
    assert run(resumed, samples, 4, first=2) == losses[2:]
    ends = whole.save(), resumed.save()
    assert ends[0].keys() == ends[1].keys()
    assert [name for name in ends[0] if not torch.equal(ends[0][name], ends[1][name])] == []


def test_the_seed_decides_the_result(make_supernet, make_samples):
    ends = []
    for first in (0, 0, 1):
        training = SupernetTraining(make_supernet(), settings())
        run(training, make_samples(50), first + 1, first=first, total=3)
        ends.append(training.supernet.layers["4"].weight.detach().clone())
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_decisions_fall_inside_epochs_as_often_as_the_scheduler_says(make_supernet, make_samples):
    scheduler, found = RandomFreezing(OFTEN), []
    training = SupernetTraining(make_supernet(), settings(scheduler))

    class Counting(RandomFreezing):
        def decide(self, supernet, progress, generator, last):
            found.append(progress)
            return super().decide(supernet, progress, generator, last)

    training.settings = settings(Counting(OFTEN))
    run(training, make_samples(80), 2)  # 5 batches each: one is a tenth of the run
    assert found == pytest.approx([0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9, 1.0])  # 0.15 .. 0.6, then 0.8, 0.9, 1
    assert len(found) == 1 + scheduler.decisions(1.0)


def test_frozen_widths_are_not_drawn(make_supernet, make_samples):
    everything = Freezing(start=0.0, period=0.05, first_ratio=1.0, last_ratio=1.0)
    supernet, drawn = make_supernet(), set()
    choose = supernet.choose
    supernet.choose = lambda plan: (drawn.add((plan["4"].weight, plan["4"].activation)), choose(plan))
    run(SupernetTraining(supernet, settings(RandomFreezing(everything))), make_samples(), 4)
    assert drawn == {(weight, activation) for weight in (4, 8) for activation in (2, 4, 8)}


def test_images_come_in_the_same_order_whatever_is_drawn(make_supernet, make_samples):
    seen = []
    for passes, scheduler in ((Passes(1), NoFreezing()), (Passes(3), RandomFreezing(OFTEN))):
        supernet, batches = make_supernet(), []

        def keep(images, logits, labels, batches=batches):
            batches.append(images.clone())
            return logits.sum() * 0

        augmented = SupernetOptimization(batch_size=16, augmentation="crop-flip")
        run(SupernetTraining(supernet, settings(scheduler, passes, augmented)), make_samples(50), 1, criterion=keep)
        seen.append(torch.cat(batches))
    assert len(seen[0]) == 50
    assert torch.equal(*seen)


@pytest.mark.parametrize(("share", "count"), [(0.5, 25), (0.001, 1)])
def test_a_share_of_an_epoch_takes_so_many_samples(share, count, make_supernet, make_samples):
    taken = []

    def keep(images, logits, labels):
        taken.append(len(images))
        return logits.sum() * 0 + 2

    (losses,) = run(SupernetTraining(make_supernet(), settings()), make_samples(50), 1, share=share, criterion=keep)
    assert sum(taken) == count
    assert losses.largest == pytest.approx(2, rel=1e-12)


def test_divergence_is_an_error(make_supernet, make_samples):
    supernet = make_supernet()
    with torch.no_grad():
        supernet.layers["6"].weight.fill_(float("nan"))
    with pytest.raises(QCompileError, match="the training loss is nan"):
        run(SupernetTraining(supernet, settings()), make_samples(20), 1)


def test_the_state_of_another_network_is_refused(make_supernet, make_samples):
    saved = SupernetTraining(make_supernet(), settings()).save()
    other = SupernetTraining(make_supernet(Candidates((3, 8), (8,))), settings())
    with pytest.raises(DataError, match="the checkpoint does not fit this supernet"):
        other.restore(saved)


def test_runs_whose_schedulers_freeze_the_same_draw_the_same(make_supernet, make_samples):
    nothing = Freezing(start=0.1, period=0.15, first_ratio=0.0, last_ratio=0.0)
    ends = []
    for scheduler in (RandomFreezing(nothing), FlipRate(nothing), NoFreezing()):  # only the first draws numbers
        training = SupernetTraining(make_supernet(), settings(scheduler))
        run(training, make_samples(50), 2)
        ends.append(training.supernet.layers["4"].weight.detach())
    assert torch.equal(ends[0], ends[1])
    assert torch.equal(ends[0], ends[2])
