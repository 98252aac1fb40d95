import onnx

from qcompile.compiler import compile_model
from qcompile.places import PLACES_KEY, read_places
from tests.networks import NETWORKS
from tests.test_compile_integers import compiled


def places_of(name, **options):
    return read_places(compiled(NETWORKS[name](), **options))


def test_each_operator_that_computes_codes_says_what_they_stand_for():
    places = places_of("plain")
    assert {name: place.tensor for name, place in places.items()} == {
        "x.codes": "x",
        "a.codes": "relu1",
        "b.codes": "relu3",
        "c.codes": "relu7",
    }
    assert [place.channels_last for place in places.values()] == [True, True, True, False]


def test_rounding_to_fewer_bits_is_not_taken_for_a_tensor_of_the_model():
    assert [place.tensor for place in places_of("plain", activation_bits=4).values()] == [
        "x",
        "relu1",
        "relu3",
        "relu7",
    ]


def test_every_place_is_an_output_of_our_operators_and_a_tensor_of_the_source():
    for name in ("attention", "swish", "hostile_names", "normalized", "residual_of_two_layers"):
        source, model = NETWORKS[name]().proto(), compiled(NETWORKS[name]())
        own = {value for node in model.graph.node if node.domain for value in node.output}
        known = {"x", *(value for node in source.graph.node for value in node.output)}
        places = read_places(model)
        assert places
        assert set(places) <= own
        assert {place.tensor for place in places.values()} <= known


def test_a_model_of_floats_says_nothing_and_forgets_what_a_stranger_wrote():
    source = NETWORKS["codebooks"]().proto()
    source.metadata_props.add(key=PLACES_KEY, value="nonsense")
    after = compile_model(source)
    onnx.checker.check_model(after)
    assert PLACES_KEY not in {entry.key for entry in after.metadata_props}
