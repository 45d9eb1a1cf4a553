import dataclasses

import pytest

from stanalysis.errors import BadInput
from stanalysis.stats.engine.null_test import NullOptions, NullTest


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"null": "row"}, "delays, weights, signs, source-signs, interaction, sources, rows, cells, untrained"),
        ({"alternative": "both"}, "two-sided, greater, less"),
        ({"n_permutations": -1}, "positive"),
        ({"seed": -1}, "whole number from 0"),
        ({"seed": 2**63}, "whole number from 0"),
    ],
)
def test_null_test__names_what_it_expects(changed, message):
    options = {"null": "cells", "alternative": "less", "n_permutations": 9, "seed": 0} | changed
    with pytest.raises(BadInput, match=message):
        NullTest(**options)


def test_null_options__are_the_fields_of_a_test():
    assert list(NullOptions.__annotations__) == [field.name for field in dataclasses.fields(NullTest)]


def test_null_test__untrained_has_no_draws():
    assert NullTest(null="untrained").n_draws == 0
    with pytest.raises(BadInput, match="'untrained' draws nothing"):
        NullTest(null="untrained").require_draws()
