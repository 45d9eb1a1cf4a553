from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import PiecewiseExponentialFitter, WeibullFitter
from scipy import stats

from stanalysis.errors import BadInput
from stanalysis.schema.lives import EPISODES, SIGHTINGS
from stanalysis.schema.variables import labelled
from stanalysis.stats.lives.interval_censoring import fit_lifetimes

REGULAR = np.arange(0, 2001, 50)
GEOMETRIC = np.array([0, 10, 20, 40, 80, 160, 320, 640, 1000, 1400, 2000])
AGES = [50, 100, 200]


def weibull(age):
    return (np.asarray(age) / 120) ** 0.8


def piecewise(age):
    return 0.02 * np.minimum(age, 60) + 0.005 * np.maximum(np.asarray(age) - 60, 0)


def rewired(seed, hazard, checkpoints, *, n_slots=300, ratio=2.0, spacing=10):
    """What checkpoints see of slots whose synapse is replaced as it dies, of group a or b; the share of births unseen."""
    random = np.random.default_rng(seed)
    rewirings = np.arange(0, checkpoints[-1] + spacing, spacing)
    survival = np.exp(-np.outer([1, ratio], hazard(rewirings)))
    birth, group = np.zeros(n_slots, int), random.integers(0, 2, n_slots)
    lives = []
    while birth.size:
        chance = random.random(birth.size)
        life = [np.searchsorted(-survival[g], -u) for g, u in zip(group, chance, strict=True)]
        death = birth + spacing * np.maximum(life, 1)
        lives.append((group, birth, death))
        birth = death[death < checkpoints[-1]]
        group = random.integers(0, 2, birth.size)
    group, birth, death = (np.concatenate(part) for part in zip(*lives, strict=True))
    first, gone = np.searchsorted(checkpoints, birth), np.searchsorted(checkpoints, death)
    seen = first < gone
    unseen = 1 - np.count_nonzero(seen & (birth > 0)) / np.count_nonzero(birth > 0)
    group, first, gone = group[seen], first[seen], gone[seen]
    event = gone < checkpoints.size
    sightings = labelled(
        SIGHTINGS,
        absent_at=np.where(first > 0, checkpoints[first - 1], -1),
        first_seen=checkpoints[first],
        last_seen=checkpoints[gone - 1],
        gone_at=np.where(event, checkpoints[np.minimum(gone, checkpoints.size - 1)], -1),
        event=event,
    )
    return sightings.assign(group=("episode", np.where(group, "b", "a"))), unseen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hazard", "checkpoints", "options"),
    [
        (weibull, REGULAR, {"model": "weibull"}),
        (weibull, GEOMETRIC, {"model": "weibull"}),
        (piecewise, REGULAR, {"breaks": [60]}),
        (piecewise, GEOMETRIC, {}),
    ],
)
def test_fit_lifetimes__covers_planted_survival_and_hazard_ratio_from_sparse_checkpoints(hazard, checkpoints, options):
    n, covered, unseen = 15, [], []
    truth = np.exp(-np.outer([1, 2], hazard(AGES)))
    for seed in range(n):
        sightings, share = rewired(seed, hazard, checkpoints)
        fit = fit_lifetimes(sightings, by="group", spacing=10, ages=AGES, **options)
        inside = (fit.lower.values <= truth) & (truth <= fit.upper.values)
        covered.append([*inside.ravel(), fit.hazard_ratio_lower[1] <= 2 <= fit.hazard_ratio_upper[1]])
        unseen.append(fit.unseen_share.item() - share)
    assert (np.sum(covered, axis=0) >= stats.binom.ppf(0.001, n, 0.93)).all()
    assert np.mean(covered) >= 0.9
    assert np.mean(unseen) == pytest.approx(0, abs=0.03)


def test_fit_lifetimes__without_account_of_short_lives_is_too_long():
    sightings, _ = rewired(0, piecewise, REGULAR, ratio=1.0)
    born_when_seen = sightings.assign(absent_at=sightings.absent_at.copy(data=sightings.first_seen - 10))
    right, naive = (fit_lifetimes(seen, breaks=[60], spacing=10, ages=[100]).squeeze() for seen in (sightings, born_when_seen))
    truth = np.exp(-piecewise(100))
    assert right.lower <= truth <= right.upper
    assert naive.lower > truth + 0.03


def known_births(seed, n=500):
    """Births known, watched from an age on, deaths known to an interval: sightings and lifelines' bounds and entry."""
    random = np.random.default_rng(seed)
    entry = random.integers(0, 40, n)
    death = np.ceil(80 * random.weibull(1.3, n)).astype(int)
    entry, death = entry[death > entry], death[death > entry]
    episodes = labelled(EPISODES, entry=entry, exit=np.minimum(death, 150), event=death <= 150)
    return episodes, np.minimum(death, 151) - 1, np.where(death <= 150, death, np.inf), entry


def test_fit_lifetimes__weibull_agrees_with_lifelines():
    episodes, lower, upper, entry = known_births(0)
    fit = fit_lifetimes(episodes, model="weibull", ages=AGES[:2])
    oracle = WeibullFitter().fit_interval_censoring(np.maximum(lower, 1e-9), upper, entry=entry, timeline=AGES[:2])
    np.testing.assert_allclose(fit.survival[0], oracle.survival_function_.iloc[:, 0], rtol=1e-3)
    assert (fit.unseen_share.isnull(), fit.n_unknown) == (True, 0)


def test_fit_lifetimes__piecewise_agrees_with_lifelines():
    episodes, lower, upper, entry = known_births(1)
    fit = fit_lifetimes(episodes, breaks=[30, 70], ages=AGES[:2])
    oracle = PiecewiseExponentialFitter([30, 70]).fit_interval_censoring(
        lower, upper, entry=entry, timeline=AGES[:2], initial_point=np.array([100.0, 80.0, 60.0])
    )
    np.testing.assert_allclose(fit.survival[0], oracle.survival_function_.iloc[:, 0], rtol=1e-3)


def test_fit_lifetimes__exponential_agrees_with_the_closed_form():
    n, gone = 400, 150  # all born somewhere before 50, seen there, and some gone 50 later: the age does not matter
    sightings = labelled(
        SIGHTINGS,
        absent_at=[0] * n,
        first_seen=[50] * n,
        last_seen=[50] * gone + [100] * (n - gone),
        gone_at=[100] * gone + [-1] * (n - gone),
        event=np.arange(n) < gone,
    )
    fit = fit_lifetimes(sightings, breaks=[], ages=[50])
    share = 1 - gone / n
    assert fit.survival.item() == pytest.approx(share)
    error = np.sqrt((1 - share) / share / n) / -np.log(share)  # of log(-log S), from the binomial variance
    assert fit.lower.item() == pytest.approx(share ** np.exp(1.959964 * error), rel=1e-4)
    rate = -np.log(share) / 50
    assert fit.unseen_share.item() == pytest.approx(1 - np.exp(-rate * np.arange(50)).mean())


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_fit_lifetimes__law__survival_falls_and_order_names_and_copies_do_not_matter(seed, copies):
    sightings, _ = rewired(3, piecewise, GEOMETRIC, n_slots=100)
    first = fit_lifetimes(sightings, by="group", spacing=10)
    order = np.random.default_rng(seed).permutation(np.repeat(np.arange(sightings.sizes["episode"]), copies))
    second = fit_lifetimes(sightings.isel(episode=order), by="group", spacing=10)
    assert (np.diff(first.survival) <= 0).all()
    assert (first.survival[:, 0] == 1).all()
    assert ((first.lower <= first.survival) & (first.survival <= first.upper)).all()
    np.testing.assert_allclose(second.survival, first.survival, atol=1e-6)
    width = np.log(second.hazard_ratio_upper / second.hazard_ratio)[1] * np.sqrt(copies)
    assert width == pytest.approx(np.log(first.hazard_ratio_upper / first.hazard_ratio)[1].item(), rel=1e-3)


def test_fit_lifetimes__leaves_out_and_counts_unknown_births_and_synapses_without_a_group():
    sightings, _ = rewired(4, piecewise, REGULAR)
    late = sightings.isel(episode=sightings.first_seen.values > 0)
    unknown = late.isel(episode=slice(30)).assign(absent_at=late.absent_at[:30] * 0 - 1)
    unnamed = late.isel(episode=slice(20)).assign(group=late.group[:20].copy(data=[""] * 20))
    alone = fit_lifetimes(late, by="group", spacing=10)
    fit = fit_lifetimes(xr.concat([late, unknown, unnamed], "episode"), by="group", spacing=10)
    assert fit.n_unknown == 30
    assert fit.group.values.tolist() == ["a", "b"]
    xr.testing.assert_allclose(fit.drop_vars("n_unknown"), alone.drop_vars("n_unknown"))


def test_fit_lifetimes__is_nan_without_deaths():
    sightings, _ = rewired(5, piecewise, REGULAR)
    alive = sightings.assign(event=sightings.event & False, gone_at=sightings.gone_at * 0 - 1)
    for seen in (alive, alive.isel(episode=slice(0))):
        fit = fit_lifetimes(seen, spacing=10)
        assert np.isnan(fit.survival).all()
        assert np.isnan(fit.unseen_share)
    immortal = alive.assign(group=alive.group.copy(data=["c"] * alive.group.size))
    fit = fit_lifetimes(xr.concat([sightings, immortal], "episode"), by="group", spacing=10, ages=AGES)
    assert np.isnan(fit.survival[2]).all()
    assert np.isnan(fit.hazard_ratio).values.tolist() == [False, False, True]
    xr.testing.assert_allclose(fit.survival[:2], fit_lifetimes(sightings, by="group", spacing=10, ages=AGES).survival)


def test_fit_lifetimes__is_nan_beyond_what_can_have_been_seen():
    sightings, _ = rewired(6, piecewise, REGULAR)
    fit = fit_lifetimes(sightings, spacing=10, ages=[0, 50, 2010, 5000])
    assert np.isnan(fit.survival[0]).values.tolist() == [False, False, True, True]


def test_fit_lifetimes__bad_input():
    sightings, _ = rewired(7, piecewise, GEOMETRIC, n_slots=20)
    with pytest.raises(BadInput, match="no column 'colour'"):
        fit_lifetimes(sightings, by="colour")
    with pytest.raises(BadInput, match="the model is 'cox'"):
        fit_lifetimes(sightings, model="cox")
    with pytest.raises(BadInput, match="breaks are"):
        fit_lifetimes(sightings, breaks=[0, 10])
    with pytest.raises(BadInput, match="ages are"):
        fit_lifetimes(sightings, ages=[20, 10])
    with pytest.raises(BadInput, match="without a multiple of 30"):
        fit_lifetimes(sightings, spacing=30)
    with pytest.raises(BadInput, match="the spacing is 0"):
        fit_lifetimes(sightings, spacing=0)
    with pytest.raises(BadInput, match="no variable 'gone_at'"):
        fit_lifetimes(sightings.drop_vars("gone_at"))


def test_fit_lifetimes__the_share_unseen_has_an_interval_that_narrows_with_the_synapses():
    width = []
    for times in (1, 16):
        n = 40 * times
        seen = labelled(
            SIGHTINGS,
            absent_at=[0] * n,
            first_seen=[10] * n,
            last_seen=([10] * 20 + [20] * 20) * times,
            gone_at=([20] * 20 + [-1] * 20) * times,
            event=([True] * 20 + [False] * 20) * times,
        )
        fit = fit_lifetimes(seen, breaks=[])
        assert 0 <= float(fit.unseen_share_lower) < float(fit.unseen_share) < float(fit.unseen_share_upper) < 1
        width.append(float(fit.unseen_share_upper - fit.unseen_share_lower))
    assert width[1] == pytest.approx(width[0] / 4, rel=0.35)
