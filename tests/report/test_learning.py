import json

import pytest

from qcompile.errors import DataError
from qcompile.report.learning import read_learning
from tests.report.pages import write_run


def test_the_path_is_that_of_the_lines(tmp_path):
    path = read_learning(write_run(tmp_path / "run"))
    assert path.iterations == (0, 1, 2)
    assert path.loss == (1.0, 1 / 2, 1 / 3)
    assert path.decoded_loss == (None, 2.0, 2.0)
    assert path.distance == (1.0, 0.5, 0.25)
    assert path.layers["fc.weight"].entries == ((-1.0, 1.0),) * 3


def test_of_a_large_codebook_sixteen_entries_are_kept_and_other_sizes_left_out(tmp_path):
    run = write_run(tmp_path / "run")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for line in lines[1:]:
        line["layers"]["fc.weight"]["entries"] = list(range(256))
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    entries = read_learning(run).layers["fc.weight"].entries
    assert [len(own) for own in entries] == [0, 16, 16]
    assert (entries[1][0], entries[1][-1]) == (0.0, 255.0)


def test_lines_of_an_older_version_are_read_as_far_as_they_go(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"stage": "learning", "iteration": 0}\n{"stage": "reference"}\n')
    path = read_learning(tmp_path)
    assert (path.iterations, path.loss, path.layers) == ((0,), (None,), {})


@pytest.mark.parametrize("text", [None, "no json", '{"stage": "reference"}', "[]", "\udcff"])
def test_what_is_no_run_is_an_error(tmp_path, text):
    if text is not None:
        (tmp_path / "metrics.jsonl").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=r"metrics\.jsonl: no"):
        read_learning(tmp_path)
