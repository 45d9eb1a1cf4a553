import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from stanalysis.errors import BadInput
from stanalysis.schema.lives import EPISODES
from stanalysis.schema.variables import labelled
from stanalysis.stats.lives.life_tables import life_table, mean_lifetimes


def made(rows, **columns):
    """Episodes from rows of (entry, exit, event)."""
    entry, left, event = (np.array(x) for x in zip(*rows, strict=True))
    own = {name: values for name, values in columns.items() if name in EPISODES}
    other = {name: ("episode", np.asarray(values)) for name, values in columns.items() if name not in EPISODES}
    return labelled(EPISODES, entry=entry, exit=left, event=event.astype(bool), **own).assign(other)


lives = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans(), st.integers(0, 2), st.integers(0, 1), st.integers(3, 4)),
    min_size=1,
    max_size=30,
)


@given(lives)
@settings(deadline=None, max_examples=60)
def test_life_table__counts_what_a_loop_counts(rows):
    entry, more, event, run, sign, cause = (np.array(x) for x in zip(*rows, strict=True))
    left = entry + more
    cause = np.where(event, cause, -1)
    episodes = made(list(zip(entry, left, event, strict=True)), run=run, sign=sign, death_cause=cause)
    table = life_table(episodes, by="sign")
    for r in table.run.values:
        for g in table.group.values:
            mine = (run == r) & (sign == g) & (left > entry)
            assert table.n_episodes.sel(run=r, group=g) == mine.sum()
            for a in table.age.values[1:]:
                counted = table.sel(run=r, group=g, age=a)
                assert counted.at_risk == (mine & (entry < a) & (a <= left)).sum()
                for c in table.cause.values:
                    assert counted.deaths.sel(cause=c) == (mine & event & (left == a) & (cause == c)).sum()
    assert (table.at_risk.isel(age=0) == table.at_risk.isel(age=min(1, table.sizes["age"] - 1))).all()
    assert table.deaths.sum() == (event & (left > entry)).sum()


def test_life_table__orders_groups_and_leaves_out_those_without():
    episodes = made([(0, 5, 1)] * 5, agreement=["high", "", "low", "high", "middle"])
    assert life_table(episodes, by="agreement").group.values.tolist() == ["high", "low", "middle"]
    table = life_table(episodes, by="agreement", groups=("low", "high", "none"))
    assert table.group.values.tolist() == ["low", "high", "none"]
    assert table.n_episodes.values.tolist() == [[1, 2, 0]]
    assert table.n_left_out == 2
    by_sign = life_table(made([(0, 5, 1)] * 3, sign=[1, -1, 1]), by="sign")
    assert by_sign.group.values.tolist() == [-1, 1]
    assert by_sign.n_episodes.values.tolist() == [[1, 2]]
    mixed = episodes.assign(agreement=episodes.agreement.astype(object))
    xr.testing.assert_equal(life_table(mixed, by="agreement"), life_table(episodes, by="agreement"))


def test_life_table__on_the_step_clock_enters_at_birth():
    episodes = made([(0, 20, 1), (0, 20, 0), (10, 15, 1)], birth_step=[0, 100, 50])
    table = life_table(episodes, clock="step").squeeze()
    assert table.age.values.tolist() == [0, 20, 60, 65, 100, 120]
    assert table.at_risk.values.tolist() == [1, 1, 0, 1, 0, 1]
    assert table.deaths.values.tolist() == [0, 1, 0, 1, 0, 0]


def test_life_table__of_nothing_watched_is_empty():
    table = life_table(made([(0, 0, 0), (10, 10, 1)]))
    assert table.age.values.tolist() == [0]
    assert int(table.n_episodes.sum()) == int(table.at_risk.sum()) == int(table.deaths.sum()) == 0


def test_life_table__without_deaths_has_no_cause():
    table = life_table(made([(0, 10, 0)], death_cause=[-1]))
    assert table.sizes["cause"] == 0
    assert table.at_risk.sum() > 0


def test_life_table__refuses_what_it_cannot_count():
    with pytest.raises(BadInput, match="before it is entered"):
        life_table(made([(10, 5, 1)]))
    with pytest.raises(BadInput, match="below 0"):
        life_table(made([(-10, 5, 1)]))
    with pytest.raises(BadInput, match="'event'"):
        life_table(made([(0, 5, 1)]).drop_vars("event"))
    with pytest.raises(BadInput, match="'birth_step'"):
        life_table(made([(0, 5, 1)]), clock="step")
    with pytest.raises(BadInput, match="clock is 'day'"):
        life_table(made([(0, 5, 1)]), clock="day")
    with pytest.raises(BadInput, match="no variable 'sign'"):
        life_table(made([(0, 5, 1)]), by="sign")
    with pytest.raises(BadInput, match="float64"):
        life_table(made([(0, 5, 1)], birth_delay=[1.0]), by="birth_delay")
    with pytest.raises(BadInput, match="twice"):
        life_table(made([(0, 5, 1)], sign=[1]), by="sign", groups=(1, 1))


@given(lives)
@settings(deadline=None, max_examples=60)
def test_mean_lifetimes__is_steps_lived_over_deaths(rows):
    entry, more, event, target, *_ = (np.array(x) for x in zip(*rows, strict=True))
    episodes = made(list(zip(entry, entry + more, event, strict=True)), target=target)
    found = mean_lifetimes(episodes, 4)
    assert found.dims == ("target",)
    for t in range(4):
        deaths = event[target == t].sum()
        np.testing.assert_equal(found.sel(target=t).item(), more[target == t].sum() / deaths if deaths else np.nan)


def test_mean_lifetimes__of_one_hazard_is_its_inverse():
    random = np.random.default_rng(0)
    life, end = random.geometric(0.02, 20000), random.integers(1, 100, 20000)
    episodes = made(list(zip(0 * life, np.minimum(life, end), life <= end, strict=True)), target=0 * life)
    assert mean_lifetimes(episodes, 1).item() == pytest.approx(50, rel=0.03)


def test_mean_lifetimes__says_what_is_wrong():
    with pytest.raises(BadInput, match="outside 0 to 1"):
        mean_lifetimes(made([(0, 5, 1)], target=[2]), 2)
    with pytest.raises(BadInput, match="target"):
        mean_lifetimes(made([(0, 5, 1)]), 2)
