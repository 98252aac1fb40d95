import pytest
import torch

from qcompile.frontend.mixed.moving_average import MovingAverage, averaged


def set_all(supernet, value):
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.fill_(value)


def values(average):
    return {float(value) for tensor in average.tensors.values() for value in tensor.flatten()}


def test_the_first_states_are_averaged_evenly_and_where_the_run_began_counts_not(make_supernet):
    supernet = make_supernet()
    average = MovingAverage(supernet)
    assert average.tensors.keys() == dict(supernet.named_parameters()).keys()
    for value in (1.0, 3.0, 5.0, 7.0):
        set_all(supernet, value)
        average.update(supernet, 100.0)
    # 1, 2, 3, 4: whole numbers but for the rounding of 1/3 and 1/4 times 3 and 4.
    (found,) = values(average)
    assert abs(found - 4.0) <= 4 * 2 * 2**-22


def test_later_states_count_by_the_horizon(make_supernet):
    supernet = make_supernet()
    average, wanted = MovingAverage(supernet), None
    for value in (2.0, 8.0, 4.0, 0.0, 1.0):
        set_all(supernet, value)
        average.update(supernet, 2.0)
        wanted = value if wanted is None else wanted + (value - wanted) / 2
    assert values(average) == {wanted}, "halves are exact"


@pytest.mark.parametrize("horizon", [0.0, 0.5, 1.0])
def test_a_horizon_of_one_step_or_less_is_the_network_itself(horizon, make_supernet):
    supernet = make_supernet()
    average = MovingAverage(supernet)
    for value in (1.0, 5.0):
        set_all(supernet, value)
        average.update(supernet, horizon)
    assert values(average) == {5.0}


def test_the_average_is_in_place_inside_and_all_is_as_before_after_an_error(make_supernet, make_samples):
    supernet = make_supernet()
    average = MovingAverage(supernet)
    set_all(supernet, 0.5)
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}

    def measure():
        with averaged(supernet, average):
            assert all(torch.equal(average.tensors[n], p) for n, p in supernet.named_parameters())
            supernet.train()(make_samples(8).images)  # the batch statistics move
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measure()
    after = supernet.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert values(average) != {0.5}


def test_a_saved_average_goes_on_as_if_nothing_had_been(make_supernet):
    supernet = make_supernet()
    first, second = MovingAverage(supernet), MovingAverage(supernet)
    for value in (1.0, 0.3):
        set_all(supernet, value)
        first.update(supernet, 5.0)
    second.restore({name: tensor.clone() for name, tensor in first.save().items()})
    set_all(supernet, 0.7)
    for average in (first, second):
        average.update(supernet, 5.0)
    assert first.updates == second.updates == 3
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)
