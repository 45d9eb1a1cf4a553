import pytest

from stanalysis.kernels.arrangements import CODES
from stanalysis.stats.engine.nulls import NULLS, register_null


@pytest.mark.parametrize("rule", NULLS.values(), ids=NULLS)
def test_nulls__say_what_they_mean_in_clauses_that_fit_their_sentences(rule):
    assert rule.meaning.startswith(f"rejecting `{rule.name}` says ")
    for clause in (rule.moves, rule.says, rule.not_said):
        assert clause
        assert not clause.endswith(".")
    assert rule.short.count("\n") == 1
    assert rule.arrangement in CODES


def test_register_null__refuses_a_name_twice():
    with pytest.raises(ValueError, match="two nulls called 'signs'"):
        register_null(NULLS["signs"])
