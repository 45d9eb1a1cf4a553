import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stanalysis.errors import BadInput
from stanalysis.schema.lives import EPISODES
from stanalysis.schema.variables import labelled
from stanalysis.stats.lives.life_tables import life_table
from stanalysis.stats.lives.survival import lifetime_differences, survival_curves


def made(entry, left, event, **columns):
    own = {name: values for name, values in columns.items() if name in EPISODES}
    other = {name: ("episode", np.asarray(values)) for name, values in columns.items() if name not in EPISODES}
    return labelled(EPISODES, entry=entry, exit=left, event=np.asarray(event, bool), **own).assign(other)


def curves(*rows, horizon=20, **columns):
    return survival_curves(life_table(made(*zip(*rows, strict=True), **columns)), horizon=horizon, seed=0).squeeze()


@pytest.fixture
def tied():
    """Entry, exit and event of synapses of which some are watched late and many die at one age."""
    random = np.random.default_rng(1)
    entry = 10 * random.integers(0, 4, 300) * (random.random(300) < 0.5)
    return entry, entry + 10 * random.geometric(0.2, 300), random.random(300) < 0.7


def test_survival_curves__equal_lifelines_with_late_entry(tied):
    from lifelines import KaplanMeierFitter, NelsonAalenFitter
    from lifelines.utils import restricted_mean_survival_time

    entry, left, event = tied
    found = survival_curves(life_table(made(*tied)), horizon=60, seed=0).squeeze()
    oracle = KaplanMeierFitter().fit(left, event, entry=entry)
    ages = found.age.values
    np.testing.assert_allclose(found.survival, oracle.predict(ages), rtol=1e-12)
    inside = (found.survival.values < 1) & (found.survival.values > 0)
    band = oracle.confidence_interval_.reindex(ages)[inside]
    np.testing.assert_allclose(np.stack([found.lower, found.upper], axis=1)[inside], band, rtol=1e-9)
    assert inside.sum() > 10
    hazard = NelsonAalenFitter(nelson_aalen_smoothing=False).fit(left, event, entry=entry)
    np.testing.assert_allclose(found.cumulative_hazard, hazard.predict(ages), rtol=1e-12)
    assert found["median"] == oracle.median_survival_time_
    assert found.median_lower <= found["median"] <= found.median_upper
    np.testing.assert_allclose(found.restricted_mean, restricted_mean_survival_time(oracle, t=60), rtol=1e-9)


def test_survival_curves__have_the_incidence_of_lifelines_without_ties():
    from lifelines import AalenJohansenFitter

    random = np.random.default_rng(2)
    left, cause = 1 + random.permutation(200), random.integers(0, 3, 200)
    episodes = made(np.zeros(200, int), left, cause > 0, death_cause=np.where(cause > 0, cause, -1))
    found = survival_curves(life_table(episodes), horizon=100, seed=0).squeeze()
    for c in (1, 2):
        oracle = AalenJohansenFitter(calculate_variance=False).fit(left, cause, event_of_interest=c)
        np.testing.assert_allclose(found.incidence.sel(cause=c), oracle.cumulative_density_.iloc[:, 0], atol=1e-12)


def test_survival_curves__have_the_restricted_mean_and_its_error_of_a_sum():
    # Without censoring the restricted mean is a mean, and its variance that of a mean.
    random = np.random.default_rng(3)
    left = 10 * random.geometric(0.2, 500)
    found = survival_curves(life_table(made(0 * left, left, left > 0)), horizon=55, seed=0).squeeze()
    capped = np.minimum(left, 55)
    margin = stats.norm.ppf(0.975) * capped.std() / np.sqrt(500)
    expected = [capped.mean(), capped.mean() - margin, capped.mean() + margin]
    got = [found.restricted_mean, found.restricted_mean_lower, found.restricted_mean_upper]
    np.testing.assert_allclose(got, expected, rtol=1e-9)


lives = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.booleans(), st.integers(0, 2)), min_size=1, max_size=30)


@given(lives, st.booleans())
@settings(deadline=None, max_examples=40)
def test_survival_curves__obey_their_laws(rows, several):
    entry, more, event, cause = (np.array(x) for x in zip(*rows, strict=True))
    columns = {"run": cause} if several else {}
    table = life_table(made(entry, entry + more, event, death_cause=np.where(event, cause, -1), **columns))
    found = survival_curves(table, horizon=9, n_bootstrap=20, seed=0).squeeze("group")
    known = found.dropna("age", how="any", subset=["survival"])
    assert (known.survival.diff("age") <= 1e-12).all()
    assert (known.cumulative_hazard.diff("age") >= 0).all()
    np.testing.assert_allclose(known.incidence.sum("cause"), 1 - known.survival, atol=1e-12)
    assert known.survival[0] == 1
    assert known.age[0] == found.start
    banded = known.dropna("age", subset=["lower"])
    assert ((banded.lower <= banded.survival + 1e-12) & (banded.survival <= banded.upper + 1e-12)).all()
    assert not found["median_lower"] > found["median"]
    assert not found["median_upper"] < found["median"]
    assert not (found.restricted_mean > 9)


def test_survival_curves__need_late_entry():
    # Synapses born at any time, watched from step 500 on: those seen had to live until then.
    random = np.random.default_rng(4)
    born = 10 * random.integers(0, 100, 40_000)
    lifetime = 10 * random.geometric(0.05, born.size)
    entry = np.maximum(0, 500 - born)
    seen = lifetime > entry
    entry, lifetime = entry[seen], lifetime[seen]
    truth = 0.95 ** np.array([5, 10, 20])
    at = {"age": [50, 100, 200], "method": "ffill"}
    right = survival_curves(life_table(made(entry, lifetime, lifetime > 0)), horizon=200, seed=0).squeeze().sel(**at)
    naive = survival_curves(life_table(made(0 * entry, lifetime, lifetime > 0)), horizon=200, seed=0).squeeze().sel(**at)
    assert ((right.lower < truth) & (truth < right.upper)).all()
    assert (naive.lower > truth + 0.02).all()


def test_survival_curves__are_not_drowned_by_an_early_death_among_few():
    late = [(20, 40, 1), (20, 50, 1), (20, 60, 0), (20, 60, 0)]
    found = curves((0, 10, 1), *late, horizon=60)
    assert found.start == 20
    assert found.survival.sel(age=[0, 10]).isnull().all()
    assert found.survival.sel(age=[20, 40, 50, 60]).values.tolist() == [1, 0.75, 0.5, 0.5]
    assert np.isnan(found.restricted_mean)
    touching = curves((0, 20, 1), *late, horizon=60)
    assert touching.start == 20
    assert touching.survival.sel(age=60) == 0.5


def test_survival_curves__end_where_nobody_is_watched():
    found = curves((0, 10, 1), (0, 20, 0), (0, 20, 0), (30, 35, 1), horizon=30)
    assert found.survival.sel(age=20) == pytest.approx(2 / 3)
    assert found.survival.sel(age=[30, 35]).isnull().all()
    assert np.isnan(found.restricted_mean)
    assert found["median"] == np.inf
    all_died = survival_curves(
        life_table(made([0, 0, 0, 0], [10, 20, 40, 50], [1, 1, 1, 0], sign=[1, 1, -1, -1]), by="sign"), horizon=45, seed=0
    )
    assert all_died.survival.sel(group=1).values.tolist() == [1, 0.5, 0, 0, 0]
    assert all_died.cumulative_hazard.sel(group=1, age=50) == 1.5
    assert all_died.restricted_mean.sel(group=1) == 15
    start_stop = curves((0, 10, 0), (10, 20, 0), (10, 20, 1))
    assert start_stop.survival.values.tolist() == [1, 1, 0.5]


def test_survival_curves__cannot_answer_without_episodes_or_deaths():
    table = life_table(made([0, 0], [10, 20], [1, 1], sign=[1, 1]), by="sign", groups=(-1, 1))
    empty = survival_curves(table, horizon=20, seed=0).sel(group=-1)
    for name in ("survival", "lower", "upper", "cumulative_hazard", "incidence", "median", "restricted_mean"):
        assert empty[name].isnull().all(), name
    assert empty.n_episodes == 0
    immortal = curves((0, 10, 0), (0, 20, 0))
    assert immortal.survival.values.tolist() == [1, 1, 1]
    assert immortal["median"] == np.inf
    assert immortal.restricted_mean == 20
    for name in ("median_lower", "median_upper", "restricted_mean_lower", "restricted_mean_upper"):
        assert np.isnan(immortal[name]), name
    assert immortal.upper.values[1:].tolist() == pytest.approx([np.nan] * 2, nan_ok=True)


def networks(random, n_runs, *, spread=0.3, longer=1.0):
    """Many synapses of two groups; the hazards of networks differ, and those of the second group by a factor."""
    size = random.integers(150, 600, n_runs)
    run = np.repeat(np.arange(n_runs), size)
    sign = random.integers(0, 2, run.size)
    hazard = np.exp(random.normal(0, spread, n_runs))[run] * np.where(sign == 1, longer, 1)
    first = random.random(run.size) < 1 - 0.5**hazard
    later = 1 + random.geometric(1 - 0.94**hazard)
    return made(0 * run, 10 * np.where(first, 1, np.minimum(later, 30)), first | (later <= 30), run=run, sign=sign)


@pytest.mark.slow
def test_survival_curves__of_several_networks_hold_the_truth():
    random = np.random.default_rng(7)
    truth = survival_curves(life_table(networks(random, 2000)), horizon=200, seed=0).squeeze()
    at = {"age": [10, 50, 100, 200]}  # at some of which nobody dies
    survival = truth.survival.sel(at, method="ffill").values
    held, mean_held = [], []
    for _ in range(100):
        found = survival_curves(life_table(networks(random, 3)), horizon=200, n_bootstrap=300, seed=0).squeeze()
        lower, upper = (found[end].sel(at, method="ffill").values for end in ("lower", "upper"))
        held.append((lower <= survival) & (survival <= upper))
        mean_held.append(bool(found.restricted_mean_lower <= truth.restricted_mean <= found.restricted_mean_upper))
    assert (np.mean(held, axis=0) > 0.88).all()
    assert np.mean(mean_held) > 0.88
    assert found.attrs["band"] == "runs"
    assert found.n_runs == 3


def test_survival_curves__do_not_depend_on_the_company_of_a_group():
    table = life_table(networks(np.random.default_rng(8), 4), by="sign")
    both = survival_curves(table, horizon=100, n_bootstrap=50, seed=1)
    alone = survival_curves(table.sel(group=[1]), horizon=100, n_bootstrap=50, seed=1)
    xr.testing.assert_identical(alone, both.sel(group=[1]))
    again = survival_curves(table, horizon=100, n_bootstrap=50, seed=2)
    xr.testing.assert_equal(again.survival, both.survival)
    assert not again.lower.equals(both.lower)


def test_survival_curves__of_a_group_in_one_of_several_networks_have_no_interval():
    episodes = made([0] * 6, [10, 20, 30, 10, 20, 30], [1, 1, 0] * 2, run=[0, 0, 0, 1, 1, 1], sign=[1, 1, -1, 1, 1, 1])
    alone = survival_curves(life_table(episodes, by="sign"), horizon=20, seed=0).sel(group=-1)
    assert alone.n_runs == 1
    assert alone.lower.values[1:].tolist() == pytest.approx([np.nan] * 3, nan_ok=True)
    assert np.isnan(alone.restricted_mean_lower)


def test_lifetime_differences__equal_the_difference_of_means_without_censoring():
    random = np.random.default_rng(9)
    left, sign = 10 * random.geometric(0.2, 400), random.integers(0, 2, 400)
    table = life_table(made(0 * left, left, left > 0, sign=sign), by="sign")
    found = lifetime_differences(table, horizon=80, reference=0, seed=0).squeeze()
    a, b = (np.minimum(left[sign == g], 80) for g in (0, 1))
    margin = stats.norm.ppf(0.975) * np.sqrt(a.var() / a.size + b.var() / b.size)
    difference = b.mean() - a.mean()
    np.testing.assert_allclose([found.difference, found.lower, found.upper], difference + np.array([0, -margin, margin]))
    assert (found.a, found.b, found.contrast) == (0, 1, "1 - 0")


def test_lifetime_differences__cancel_what_networks_share():
    random = np.random.default_rng(10)
    table = life_table(networks(random, 8, spread=0.6, longer=0.5), by="sign")
    found = lifetime_differences(table, horizon=200, reference=0, seed=0).squeeze()
    apart = survival_curves(table, horizon=200, seed=0)
    assert found.lower > 0
    assert found.upper - found.lower < 0.7 * float((apart.restricted_mean_upper - apart.restricted_mean_lower).max())


def test_lifetime_differences__hold_zero_where_groups_are_alike():
    random = np.random.default_rng(11)
    held = []
    for _ in range(100):
        table = life_table(networks(random, 3), by="sign")
        found = lifetime_differences(table, horizon=200, reference=0, n_bootstrap=300, seed=0).squeeze()
        held.append(bool(found.lower <= 0 <= found.upper))
    assert np.mean(held) > 0.88


def test_lifetime_differences__cannot_answer_for_an_empty_group():
    table = life_table(made([0, 0], [10, 20], [1, 1], sign=[1, 1]), by="sign", groups=(-1, 1))
    found = lifetime_differences(table, horizon=20, reference=1, seed=0)
    assert np.isnan(found.to_array()).all()


def test_survival__refuses_what_is_out_of_range():
    table = life_table(made([0], [10], [1], sign=[1]), by="sign")
    for options, what in (
        ({"horizon": 0}, "horizon"),
        ({"horizon": np.inf}, "horizon"),
        ({"level": 1.0}, "level"),
        ({"n_bootstrap": 1}, "n_bootstrap"),
        ({"seed": -1}, "seed"),
    ):
        with pytest.raises(BadInput, match=what):
            survival_curves(table, **({"horizon": 10, "seed": 0} | options))
    with pytest.raises(BadInput, match="at_risk"):
        survival_curves(table.drop_vars("at_risk"), horizon=10, seed=0)
    with pytest.raises(BadInput, match="reference 7 is not a group"):
        lifetime_differences(table, horizon=10, reference=7, seed=0)


@pytest.mark.parametrize("n_runs", [1, 3])
def test_lifetime_differences__from_a_group_without_deaths_have_no_interval(n_runs):
    run = np.repeat(np.arange(n_runs), 6)
    episodes = labelled(
        EPISODES,
        entry=[0] * run.size,
        exit=np.tile([10, 20, 30, 40, 40, 40], n_runs),
        event=np.tile([True, True, True, False, False, False], n_runs),
        sign=np.tile([-1, -1, -1, -1, 1, 1], n_runs),
    ).assign(run=("episode", run))
    found = lifetime_differences(life_table(episodes, by="sign"), horizon=40, reference=-1, seed=0)
    assert float(found.difference.item()) == 40 - (10 + 20 + 30 + 40) / 4
    assert found[["lower", "upper"]].to_array().isnull().all()
