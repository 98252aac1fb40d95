import json
import tomllib

import pytest

from qcompile.errors import RecipeError
from qcompile.frontend.codebooks import (
    Adaptive,
    Binary,
    Fixed,
    IntegerAdaptive,
    IntegerScaled,
    PowersOfTwo,
    Scaled,
    ScaledBinary,
    ScaledShifted,
    ScaledTernary,
    Shared,
    Ternary,
    UniformGrid,
)
from qcompile.frontend.layer_rule import LayerRule
from qcompile.frontend.tables import as_table, read_table, write_table

RULES = {
    'codebook = "adaptive"\nentries = 4\nper = 16': Adaptive(4, 16),
    'codebook = "adaptive"\nentries = 4\nshared = true': Shared(Adaptive(4)),
    'codebook = "fixed"\nvalues = [-1, 0.5]': Fixed((-1.0, 0.5)),
    'codebook = "binary"': Binary(),
    'codebook = "ternary"': Ternary(),
    'codebook = "powers-of-two"\nsmallest_exponent = 3': PowersOfTwo(3),
    'codebook = "scaled-binary"\nper = "channel"': ScaledBinary("channel"),
    'codebook = "scaled-ternary"\nshared = true': Shared(ScaledTernary()),
    'codebook = "scaled"\nvalues = [-1, 0, 2]\nper = 2': Scaled((-1.0, 0.0, 2.0), 2),
    'codebook = "scaled-shifted"\nvalues = [0, 1, 2]': ScaledShifted((0.0, 1.0, 2.0)),
    'codebook = "integer-adaptive"\nentries = 16\nper = "channel"': IntegerAdaptive(16, "channel"),
    'codebook = "integer-scaled"\nvalues = [-1, 1]\nshared = true': Shared(IntegerScaled((-1.0, 1.0))),
    'codebook = "uniform"\nbits = 4\nper = "channel"': UniformGrid(4, "channel"),
    'codebook = "float"': "float",
}


@pytest.mark.parametrize(("text", "wanted"), list(RULES.items()))
def test_a_rule_makes_its_codebook_and_survives_being_written(text, wanted):
    rule = read_table(LayerRule, tomllib.loads(text), "rule")
    assert rule.make() == wanted
    assert read_table(LayerRule, tomllib.loads(write_table(rule)), "written") == rule
    assert json.loads(json.dumps(as_table(rule))) == as_table(rule)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('codebook = "adaptive"', "an adaptive codebook has 0 entries"),
        ('codebook = "adaptive"\nentries = 2\nper = 0', "a codebook is per 0, wanted"),
        ('codebook = "adaptive"\nentries = 2\nper = "row"', "rule: per is 'row', wanted 'tensor', 'channel' or int"),
        ('codebook = "adaptive"\nentries = 2\nper = true', "rule: per is True, wanted 'tensor', 'channel' or int"),
        ('codebook = "adaptive"\nentries = 2\nper = "channel"\nshared = true', "cannot be shared by layers"),
        ('codebook = "binary"\nper = "channel"', '"binary" learns no values: it takes neither "per" nor "shared"'),
        ('codebook = "float"\nshared = true', '"float" learns no values'),
        ('codebook = "fixed"', "values has 0 entries"),
        ('codebook = "fixed"\nvalues = 1', "rule: values is 1, wanted a list"),
        ('codebook = "fixed"\nvalues = [1, "two"]', r"rule: values\[1\] is 'two', wanted float"),
        ('codebook = "scaled"\nvalues = [1, 0]', "values is 1, 0, wanted finite numbers that rise"),
        ('codebook = "powers-of-two"', "smallest_exponent is -1, wanted 0 to 126"),
        ('codebook = "ternary"\nbits = 2', 'bits is 2; only "uniform" takes it, not "ternary"'),
        ('codebook = "uniform"', "a uniform grid has 0 bits"),
        ('codebook = "uniform"\nbits = 4\nper = 2', '"uniform" has a scale per 2, wanted per "tensor" or "channel"'),
        ('codebook = "uniformm"\nbits = 4', "wanted one of 'adaptive', 'fixed'"),
    ],
)
def test_a_wrong_rule_is_refused(text, message):
    with pytest.raises(RecipeError, match=message):
        read_table(LayerRule, tomllib.loads(text), "rule")
