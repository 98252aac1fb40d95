import json

import pytest
from mpq_kept import kept


def test_what_is_there_is_not_measured_again(tmp_path):
    path, calls = tmp_path / "folder" / "figures.json", []

    def measure():
        calls.append(1)
        return {8: (1, 2.5)}

    first = kept(path, {"plan": (1, 2)}, measure)
    assert first == {"8": [1, 2.5]}
    assert kept(path, {"plan": [1, 2]}, measure) == first
    assert len(calls) == 1


def test_other_settings_are_measured_anew_and_replace_the_figures(tmp_path):
    path = tmp_path / "figures.json"
    kept(path, {"images": 100}, lambda: 1)
    assert kept(path, {"images": 200}, lambda: 2) == 2
    assert json.loads(path.read_text()) == {"settings": {"images": 200}, "result": 2}


def test_a_measurement_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        kept(tmp_path / "figures.json", {}, lambda: 1 / 0)
    assert not list(tmp_path.iterdir())
