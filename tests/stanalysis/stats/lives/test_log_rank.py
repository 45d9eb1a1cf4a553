import numpy as np
import pytest
import xarray as xr
from scipy import stats
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import survdiff

from stanalysis.errors import BadInput
from stanalysis.schema.lives import EPISODES
from stanalysis.schema.variables import labelled
from stanalysis.stats.lives.log_rank import log_rank


@pytest.fixture
def columns():
    """Tied ages, late entry, three groups, four runs."""
    random = np.random.default_rng(3)
    n = 400
    entry = random.integers(0, 6, n) * random.integers(0, 2, n)
    group = random.integers(0, 3, n)
    return {
        "entry": entry,
        "exit": entry + random.geometric(0.15 + 0.08 * group),
        "event": random.random(n) < 0.7,
        "sign": group,
        "run": random.integers(0, 4, n),
        "slot": random.integers(0, 60, n),
    }


def made(columns):
    known = {name: values for name, values in columns.items() if name in EPISODES}
    return labelled(EPISODES, **known).assign(
        {name: ("episode", values) for name, values in columns.items() if name not in EPISODES}
    )


def test_log_rank__equals_lifelines(columns):
    from lifelines.statistics import multivariate_logrank_test

    columns["entry"] = np.zeros_like(columns["entry"])
    found = log_rank(made(columns), by="sign", strata=None)
    oracle = multivariate_logrank_test(columns["exit"], columns["sign"], columns["event"])
    np.testing.assert_allclose([found.statistic, found.p_value], [oracle.test_statistic, oracle.p_value], rtol=1e-9)
    assert found.degrees_of_freedom == 2
    assert found.observed.sum() == columns["event"].sum()
    np.testing.assert_allclose(found.expected.sum(), columns["event"].sum())


def test_log_rank__equals_statsmodels_with_late_entry_or_strata(columns):
    # Together it cannot have them: it does not divide the entries among the strata.
    entry, left, event, sign = (columns[name] for name in ("entry", "exit", "event", "sign"))
    found = log_rank(made(columns), by="sign", strata=None)
    oracle = survdiff(left, event.astype(float), sign, entry=entry)
    np.testing.assert_allclose([found.statistic, found.p_value], oracle, rtol=1e-7)
    found = log_rank(made(columns | {"entry": np.zeros_like(entry)}), by="sign")
    oracle = survdiff(left, event.astype(float), sign, strata=columns["run"])
    np.testing.assert_allclose([found.statistic, found.p_value], oracle, rtol=1e-7)


def test_log_rank__has_the_residuals_of_a_stratified_cox_model(columns):
    # Without ties Breslow's model has the score of the log-rank test.
    columns["exit"] = 1000 * columns["exit"] + np.random.default_rng(0).permutation(400)
    columns["entry"] = 1000 * columns["entry"]
    indicators = (columns["sign"][:, None] == [1, 2]).astype(float)
    model = PHReg(columns["exit"], indicators, columns["event"], entry=columns["entry"], strata=columns["run"])
    score = model.score(np.zeros(2))
    information = -model.hessian(np.zeros(2))
    found = log_rank(made(columns), by="sign")
    np.testing.assert_allclose(found.statistic, score @ np.linalg.solve(information, score), rtol=1e-8)
    np.testing.assert_allclose((found.observed - found.expected)[1:], score, rtol=1e-8)

    slot = columns["run"] * 60 + columns["slot"]
    residual = np.concatenate([_by_definition(columns, indicators, run) for run in range(4)])
    member = np.concatenate([slot[columns["run"] == run] for run in range(4)])
    summed = np.stack([residual[member == m].sum(axis=0) for m in np.unique(member)])
    robust = log_rank(made(columns), by="sign", cluster="slot")
    np.testing.assert_allclose(robust.statistic, score @ np.linalg.solve(summed.T @ summed, score), rtol=1e-8)


def _by_definition(columns, indicators, run):
    mine = columns["run"] == run
    entry, left, event = (columns[name][mine] for name in ("entry", "exit", "event"))
    z = indicators[mine]
    found = np.zeros_like(z)
    for age in left[event]:
        at_risk = (entry < age) & (age <= left)
        dies = (left == age) & event
        found += (z - z[at_risk].mean(axis=0)) * (dies - at_risk * dies.sum() / at_risk.sum())[:, None]
    return found


def lives_in_slots(random, *, frailty):
    """One life after another in 120 slots until step 250, alike in both groups of slots."""
    chance = np.clip(random.gamma(0.5, 0.4, 120), 0.01, 0.95) if frailty else np.full(120, 0.2)
    life = random.geometric(chance[:, None], (120, 25))
    end = np.cumsum(life, axis=1)
    lived = end - life < 25
    slot = np.nonzero(lived)[0]
    left = 10 * (np.minimum(end, 25) - end + life)[lived]
    group = random.integers(0, 2, 120)[slot]
    return made({"entry": np.zeros_like(left), "exit": left, "event": (end <= 25)[lived], "slot": slot, "sign": group})


def test_log_rank__is_uniform_where_groups_are_alike():
    random = np.random.default_rng(5)
    p = [
        [float(log_rank(episodes, by="sign", cluster=c).p_value) for c in (None, "slot")]
        for episodes in (lives_in_slots(random, frailty=False) for _ in range(200))
    ]
    for column in np.transpose(p):
        assert stats.kstest(column, "uniform").pvalue > 0.01


def test_log_rank__allows_for_slots_that_kill():
    random = np.random.default_rng(6)
    p = np.array(
        [
            [float(log_rank(episodes, by="sign", cluster=c).p_value) for c in (None, "slot")]
            for episodes in (lives_in_slots(random, frailty=True) for _ in range(200))
        ]
    )
    assert (p[:, 0] < 0.05).mean() > 0.2
    assert stats.kstest(p[:, 1], "uniform").pvalue > 0.01


def test_log_rank__takes_equal_slots_of_two_runs_for_two(columns):
    once = log_rank(made(columns), by="sign", cluster="slot")
    columns["slot"] = columns["slot"] + 60 * columns["run"]
    assert log_rank(made(columns), by="sign", cluster="slot").statistic == pytest.approx(float(once.statistic))


def test_log_rank__cannot_answer_with_one_group_or_without_deaths(columns):
    for change in ({"sign": np.zeros(400, int)}, {"event": np.zeros(400, bool)}, {"exit": columns["entry"]}):
        for cluster in (None, "slot"):
            found = log_rank(made(columns | change), by="sign", cluster=cluster)
            assert np.isnan(found.statistic)
            assert np.isnan(found.p_value)
            assert found.degrees_of_freedom == 0
    few = log_rank(made(columns | {"slot": np.zeros(400, int), "run": np.zeros(400, int)}), by="sign", cluster="slot")
    assert np.isnan(few.p_value)


def test_log_rank__does_not_count_an_empty_group(columns):
    found = log_rank(made(columns), by="sign", groups=(0, 1, 2, 9))
    same = log_rank(made(columns), by="sign")
    assert found.degrees_of_freedom == 2
    assert found.statistic == pytest.approx(float(same.statistic))
    assert log_rank(made(columns), by="sign", groups=(0, 1)).n_left_out == (columns["sign"] == 2).sum()


def test_log_rank__refuses_unknown_columns(columns):
    for options in ({"by": "colour"}, {"by": "sign", "strata": "colour"}, {"by": "sign", "cluster": "colour"}):
        with pytest.raises(BadInput, match="no variable 'colour'"):
            log_rank(made(columns), **options)


def test_log_rank__is_the_same_however_many_strata_are_counted_at_once(monkeypatch):
    random = np.random.default_rng(8)
    n = 600
    episodes = labelled(
        EPISODES,
        entry=np.zeros(n, int),
        exit=random.integers(1, 9, n) * 10,
        event=random.random(n) < 0.7,
        sign=random.choice([-1, 1], n),
        slot=random.integers(0, 90, n),
    ).assign(cohort=("episode", random.integers(0, 200, n)))
    whole = [log_rank(episodes, by="sign", strata="cohort", cluster=cluster) for cluster in (None, "slot")]
    monkeypatch.setattr("stanalysis.stats.lives.log_rank._NUMBERS_AT_ONCE", 100)
    parts = [log_rank(episodes, by="sign", strata="cohort", cluster=cluster) for cluster in (None, "slot")]
    for one, other in zip(whole, parts, strict=True):
        xr.testing.assert_allclose(one, other, rtol=1e-12)
