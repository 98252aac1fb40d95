import numpy as np
import onnx
import pytest

from qcompile.errors import ModelError
from qcompile.places import PLACES_KEY, CodePlace, parse_places, read_places, write_places

PLACES = {
    "a.codes": CodePlace("relu", float(np.float32(0.1)), 3, channels_last=True),
    "b.codes": CodePlace("flat [1,2]", float(np.float32(1 / 3)), 255, flattened=(3, 2, 4)),
    "c.codes": CodePlace("söftmax", 1.0, 0),
}


def test_what_was_written_is_read():
    assert parse_places(write_places(PLACES)) == PLACES


def test_a_scale_is_the_shortest_text_of_its_float32():
    assert write_places({"a": PLACES["a.codes"]}) == '{"a":["relu",0.1,3,"last"]}'


def test_a_model_without_places_has_none():
    assert read_places(onnx.ModelProto()) == {}


@pytest.mark.parametrize(
    "text",
    [
        *("[", "[1]", '{"a": 1}', '{"a": []}', '{"a": ["x", "1", 0]}', '{"a": ["x", 0.0, 0]}', '{"a": [1, 1.0, 0]}'),
        *('{"a": ["x", 1e999, 0]}', '{"a": ["x", 1.0, 0.5]}', '{"a": ["x", 1.0, 0, "first"]}'),
        *('{"a": ["x", 1.0, 0, [0]]}', '{"a": ["x", 1.0, 0, [2], 5]}'),
    ],
)
def test_other_text_is_an_error(text):
    model = onnx.ModelProto()
    model.metadata_props.add(key=PLACES_KEY, value=text)
    with pytest.raises(ModelError, match=r"qcompile\.places is not what compiling writes.*compile again"):
        read_places(model)
