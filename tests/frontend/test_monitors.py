import json
from dataclasses import asdict

import pytest
import torch

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.lc_state import IterationRecord, LearningState
from qcompile.frontend.learning_step import LearningStep, Training
from qcompile.frontend.monitors import Fit, make_record, relative_distance


def make_weight(codebook, indices, scale=None):
    return CodebookWeight(torch.tensor(codebook), torch.tensor(indices, dtype=torch.uint8), scale)


BEFORE = {
    "one": make_weight([[-1.0, 1.0]], [[0, 1, 1, 0]]),
    "many": make_weight([[0.0, 1.0, 2.0], [0.0, 3.0, 6.0]], [[0, 1], [2, 2]]),
}
AFTER = {
    "one": make_weight([[-1.5, 0.1]], [[0, 0, 1, 0]]),
    "many": make_weight([[0.0, 1.0, 2.0], [1.0, 3.0, 8.0]], [[0, 1], [1, 1]]),
}
WEIGHTS = {"one": torch.tensor([[-1.5, -1.5, 0.1, 1.5]]), "many": torch.tensor([[0.0, 1.0], [3.0, 4.0]])}


def make():
    fit = Fit(WEIGHTS, BEFORE, AFTER, seconds=0.5)
    return make_record(LearningStep(4, 0.25), Training(1.5, 0.01, 2.0), fit)


def test_the_figures_of_an_iteration():
    record = make()
    assert (record.iteration, record.penalty, record.loss, record.learning_rate) == (4, 0.25, 1.5, 0.01)
    assert (record.training_seconds, record.fitting_seconds) == (2.0, 0.5)
    one, many = record.layers["one"], record.layers["many"]
    assert (one.changed, many.changed, record.changed) == (1 / 4, 2 / 4, 3 / 8)
    assert one.distance == pytest.approx(3.0 / WEIGHTS["one"].norm().item(), rel=1e-6)
    assert many.distance == pytest.approx(1.0 / WEIGHTS["many"].norm().item(), rel=1e-6)
    whole = sum(weight.square().sum().item() for weight in WEIGHTS.values())
    assert record.distance == pytest.approx((10.0 / whole) ** 0.5, rel=1e-6)
    assert (one.bits, many.bits) == (1, 2)
    moves = [-0.5, -2.5, -0.9, -0.5, 0.0, 0.0, -3.0, -3.0]
    assert record.moved == pytest.approx((sum(move**2 for move in moves) / whole) ** 0.5, rel=1e-6)


def test_one_codebook_is_shown_whole_and_many_by_their_mean_and_range():
    layers = make().layers
    assert (layers["one"].entries, layers["one"].lowest, layers["one"].highest) == ((-1.5, 0.1), None, None)
    assert layers["many"].entries == (0.5, 2.0, 5.0)
    assert layers["many"].lowest == (0.0, 1.0, 2.0)
    assert layers["many"].highest == (1.0, 3.0, 8.0)


def test_a_scale_per_channel_makes_many_codebooks():
    scaled = make_weight([[-1.0, 1.0]], [[0, 1], [1, 1]], torch.tensor([1.0, 3.0]))
    weights, codebooks = {"w": torch.ones(2, 2)}, {"w": scaled}
    layer = make_record(LearningStep(0, 1.0), Training(None, None, 0.0), Fit(weights, codebooks, codebooks, 0.0))
    assert (layer.layers["w"].lowest, layer.layers["w"].highest) == ((-3.0, 1.0), (-1.0, 3.0))


def test_it_survives_json_and_times_do_not_count():
    record = make()
    found = IterationRecord.from_json(json.loads(json.dumps(asdict(record) | {"stage": "learning"})))
    assert found == record
    assert IterationRecord.from_json(asdict(record) | {"training_seconds": 9.0}) == record


def test_a_record_of_an_older_version_is_read():
    old = {"iteration": 1, "penalty": 0.5, "distance": 0.25, "loss": None}
    assert IterationRecord.from_json(old) == IterationRecord(1, 0.5, 0.25, None)


def test_the_start_distance_is_saved():
    state = LearningState(0, AFTER, {}, (), 0.1)
    found = LearningState.from_tensors(state.to_tensors(), 0, ())
    assert found.start_distance == 0.1
    assert found.multipliers == {}
    assert list(found.weights) == ["many", "one"] or list(found.weights) == ["one", "many"]


def test_the_distance_of_zero_weights_is_zero():
    weight = make_weight([[0.0]], [[0, 0]])
    assert relative_distance({"w": torch.zeros(1, 2)}, {"w": weight}) == 0.0
