from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import CoxPHFitter
from scipy import stats

from stanalysis.errors import BadInput
from stanalysis.schema.lives import EPISODES
from stanalysis.schema.variables import labelled
from stanalysis.stats.lives.hazards import hazard_ratios, start_stop


def synapses(seed, n=500, *, ratio=2.0, spread=0.0, n_runs=3, n_slots=100):
    """Lives of slots in several runs, late entry and censoring, deaths every 10 steps; slots differ by ``spread``."""
    random = np.random.default_rng(seed)
    slot, run = random.integers(0, n_slots, n), random.integers(0, n_runs, n)
    agrees, weight = random.random(n) < 0.5, random.normal(size=n)
    frailty = np.exp(spread * random.normal(size=(n_runs, n_slots)))[run, slot]
    rate = frailty * ratio**agrees * np.exp(0.3 * weight) / 60
    death = 10 * np.ceil(random.exponential(1 / rate) / 10).astype(int)
    entry = 10 * random.integers(0, 6, n) * (random.random(n) < 0.5)
    end = 10 * random.integers(1, 20, n)
    rows = labelled(EPISODES, slot=slot, entry=entry, exit=np.minimum(death, end), event=death <= end)
    columns = {"run": run, "agrees": agrees, "weight": weight, "band": np.array(["high", "low", "low"])[slot % 3]}
    return rows.assign({name: ("episode", column) for name, column in columns.items()})


def frame(rows):
    return rows.isel(episode=(rows.exit > rows.entry).values).to_dataframe().reset_index(drop=True)


def test_hazard_ratios__agree_with_lifelines_under_ties_late_entry_and_strata():
    rows = synapses(0)
    for strata in ("run", None):
        found = hazard_ratios(rows, ["agrees", "weight"], strata=strata)
        columns = frame(rows)[["entry", "exit", "event", "agrees", "weight", "run"]].astype(float)
        fit = CoxPHFitter().fit(
            columns if strata else columns.drop(columns="run"), "exit", "event", entry_col="entry", strata=strata
        )
        np.testing.assert_allclose(np.log(found.hazard_ratio), fit.params_, rtol=1e-4)
        assert found.n_episodes.values.tolist() == [len(columns)] * 2
        assert found.n_deaths.values.tolist() == [int(columns.event.sum())] * 2


def test_hazard_ratios__robust_errors_agree_with_lifelines_where_nothing_is_tied_and_all_enter_at_birth():
    rows = synapses(1)
    untied = np.random.default_rng(0).permutation(rows.exit.size) + 1
    rows = rows.assign(entry=0 * rows.entry, exit=rows.exit.copy(data=untied))
    found = hazard_ratios(rows, ["weight"], strata=None)
    columns = frame(rows)[["exit", "event", "weight", "run", "slot"]]
    columns["cluster"] = columns.run * 1000 + columns.slot
    columns = columns.drop(columns=["run", "slot"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = CoxPHFitter().fit(columns.astype(float), "exit", "event", cluster_col="cluster")
    n = columns.cluster.nunique()
    error = (np.log(found.upper) - np.log(found.hazard_ratio)) / stats.t.ppf(0.975, n - 1)
    np.testing.assert_allclose(error, fit.standard_errors_ * np.sqrt(n / (n - 1)), rtol=1e-4)


def test_hazard_ratios__robust_errors_agree_with_leaving_out_clusters_under_ties_and_late_entry():
    rows = synapses(2, n=1200, spread=0.7, n_slots=40)
    found = hazard_ratios(rows, ["agrees", "weight"])
    cluster = (rows.run * 1000 + rows.slot).values
    without = [
        np.log(hazard_ratios(rows.isel(episode=cluster != c), ["agrees", "weight"]).hazard_ratio) for c in np.unique(cluster)
    ]
    n = len(without)
    jackknife = np.sqrt((n - 1) * np.var(without, axis=0))
    error = (np.log(found.upper) - np.log(found.lower)) / 2 / stats.t.ppf(0.975, n - 1)
    np.testing.assert_allclose(error, jackknife, rtol=0.05)


def test_hazard_ratios__cover_a_planted_ratio_of_synapses_and_hold_their_level_with_slots_born_again():
    covered, found = 0, 0
    for seed in range(100):
        planted = hazard_ratios(synapses(seed), ["agrees", "weight"])
        covered += bool(planted.lower[0] <= 2 <= planted.upper[0])
        rows = synapses(seed, n=800, ratio=1.0, spread=1.0, n_slots=40)  # whole slots are of one band
        found += bool(hazard_ratios(rows, ["band"]).p_value[0] < 0.05)
    assert covered >= stats.binom.ppf(0.005, 100, 0.95)
    assert found <= stats.binom.ppf(0.995, 100, 0.05)


def test_hazard_ratios__levels_of_a_text_are_against_the_most_frequent():
    rows = synapses(3)
    found = hazard_ratios(rows, ["band"])
    assert found.term.values.tolist() == ["band: high / low"]
    assert found.covariate.values.tolist() == ["band"]
    as_number = hazard_ratios(rows.assign(is_high=rows.band == "high"), ["is_high"])
    np.testing.assert_allclose(found.hazard_ratio, as_number.hazard_ratio)


def test_hazard_ratios__runs_as_clusters_are_a_t_test_of_runs_alike():
    run = synapses(4, n=300, n_runs=1)
    three = xr.concat([run.assign(run=run.run + k) for k in range(3)], "episode")
    found = hazard_ratios(three, ["agrees"], cluster="run")
    np.testing.assert_allclose(found.hazard_ratio, hazard_ratios(run, ["agrees"]).hazard_ratio)
    np.testing.assert_allclose(found.upper, found.lower, rtol=1e-6)  # runs that agree leave no doubt
    assert np.isnan(hazard_ratios(run, ["agrees"], cluster="run").p_value).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 100), st.floats(-100, 100), st.integers(1, 50))
def test_hazard_ratios__law__ignore_order_offset_and_clock_and_follow_the_unit(seed, unit, offset, tick):
    rows = synapses(5)
    first = hazard_ratios(rows, ["weight"])
    order = np.random.default_rng(seed).permutation(rows.sizes["episode"])
    other = rows.assign(weight=rows.weight * unit + offset, exit=rows.exit * tick, entry=rows.entry * tick)
    second = hazard_ratios(other.isel(episode=order), ["weight"])
    np.testing.assert_allclose(np.log(second.hazard_ratio) * unit, np.log(first.hazard_ratio), rtol=1e-6)
    np.testing.assert_allclose(second.p_value, first.p_value, rtol=1e-5)


def test_hazard_ratios__are_nan_without_an_answer():
    rows = synapses(6)
    alive = rows.assign(event=rows.event & False)
    assert np.isnan(hazard_ratios(alive, ["weight", "agrees"]).hazard_ratio).all()
    assert np.isnan(hazard_ratios(rows.isel(episode=slice(0)), ["weight"]).p_value).all()
    constant = hazard_ratios(rows.assign(weight=0 * rows.weight), ["weight", "agrees"])
    assert np.isnan(constant.hazard_ratio).values.tolist() == [True, False]
    one_level = hazard_ratios(rows.assign(band=rows.band.copy(data=["low"] * rows.band.size)), ["band", "agrees"])
    assert one_level.term.values.tolist() == ["band", "agrees"]
    assert np.isnan(one_level.hazard_ratio).values.tolist() == [True, False]
    twice = hazard_ratios(rows.assign(again=2 * rows.weight), ["weight", "again"])
    assert np.isnan(twice.hazard_ratio).all()
    separated = rows.assign(weight=rows.weight.copy(data=rows.event.values * 1.0))
    assert np.isnan(hazard_ratios(separated, ["weight"]).upper).all()


def test_hazard_ratios__a_group_without_deaths_is_nan_and_leaves_the_others_as_they_are():
    rows = synapses(7)
    immortal = rows.assign(band=rows.band.copy(data=np.full(rows.band.size, "none")), event=rows.event & False)
    found = hazard_ratios(xr.concat([rows, immortal.isel(episode=slice(60))], "episode"), ["band", "agrees"])
    assert found.term.values.tolist() == ["band: high / low", "band: none / low", "agrees"]
    assert np.isnan(found.hazard_ratio).values.tolist() == [False, True, False]
    np.testing.assert_allclose(found.hazard_ratio[[0, 2]], hazard_ratios(rows, ["band", "agrees"]).hazard_ratio)


def test_hazard_ratios__leave_out_rows_without_a_value_or_never_at_risk():
    rows = synapses(8)
    missing = rows.assign(weight=rows.weight.where(np.arange(rows.weight.size) >= 50))
    found = hazard_ratios(missing, ["weight"])
    kept = rows.isel(episode=slice(50, None))
    np.testing.assert_allclose(found.hazard_ratio, hazard_ratios(kept, ["weight"]).hazard_ratio)
    assert found.n_episodes.item() == int((kept.exit > kept.entry).sum())


def test_hazard_ratios__bad_input():
    rows = synapses(9)
    with pytest.raises(BadInput, match="no column 'colour'"):
        hazard_ratios(rows, ["colour"])
    with pytest.raises(BadInput, match="known only when a synapse has died"):
        hazard_ratios(rows, ["exit"])
    with pytest.raises(BadInput, match="no covariate"):
        hazard_ratios(rows, [])
    with pytest.raises(BadInput, match="no variable 'event'"):
        hazard_ratios(rows.drop_vars("event"), ["weight"])


def measured(values, episode, step):
    coords = {"episode": ("measurement", episode), "step": ("measurement", step)}
    return xr.DataArray(values, dims="measurement", coords=coords)


def clustered_with_age(seed, n=400):
    """Lives that do not depend on being clustered, which a synapse becomes at a random age; looked at every 50 steps."""
    random = np.random.default_rng(seed)
    birth = 10 * random.integers(0, 50, n)
    life = 10 * random.geometric(0.1, n)
    watched = np.minimum(life, 600 - birth)
    since = 10 * random.geometric(0.1, n)
    rows = labelled(
        EPISODES, slot=np.arange(n) // 4, birth_step=birth, entry=0 * birth, exit=watched, event=life <= 600 - birth
    )
    step = np.arange(0, 601, 50)
    episode, look = np.nonzero((step >= birth[:, None]) & (step < (birth + watched)[:, None]))
    values = (step[look] - birth[episode] >= since[episode]) * 1.0
    ever = np.isin(np.arange(n), episode[values > 0])
    return rows.assign(ever_clustered=("episode", ever)), measured(values, episode, step[look])


@pytest.mark.slow
def test_start_stop__does_not_find_that_clustered_synapses_live_longer_where_they_do_not():
    naive, found = [], []
    for seed in range(200):
        rows, values = clustered_with_age(seed)
        if seed < 20:
            naive.append(hazard_ratios(rows, ["ever_clustered"]).upper.item())
        found.append(hazard_ratios(start_stop(rows, values, name="clustered"), ["clustered"]).p_value.item())
    assert max(naive) < 0.5  # immortal time: a strong effect that is not there, every time
    assert np.mean(np.array(found) < 0.05) <= stats.binom.ppf(0.995, 200, 0.05) / 200


def test_start_stop__a_value_holds_from_its_step_to_the_next():
    episodes = labelled(
        EPISODES, slot=[7, 8, 9], birth_step=[100, 0, 50], entry=[0, 30, 0], exit=[90, 60, 40], event=[True, True, False]
    )
    values = measured(["a", "b", "c", "d", "e"], [0, 1, 0, 1, 0], [120, 20, 150, 40, 190])
    rows = start_stop(episodes, values, name="group")
    assert rows.to_dataframe()[["slot", "entry", "exit", "event", "group"]].reset_index().values.tolist() == [
        [0, 7, 20, 50, False, "a"],
        [0, 7, 50, 90, True, "c"],  # what was measured at death, "e", never held
        [1, 8, 30, 40, False, "b"],
        [1, 8, 40, 60, True, "d"],
    ]
    assert hazard_ratios(rows, ["group"]).n_episodes.max() <= 2


def test_start_stop__of_values_measured_at_birth_leaves_the_hazard_ratio_as_it_is():
    rows = synapses(10)
    rows = rows.assign(birth_step=rows.slot.assign_attrs(units="1") * 10)
    n = rows.sizes["episode"]
    again = np.repeat(np.arange(n), 2)
    values = measured(rows.weight.values[again], again, rows.birth_step.values[again] + np.tile([0, 40], n))
    split = start_stop(rows, values, name="measured")
    first, second = hazard_ratios(rows, ["weight"]), hazard_ratios(split, ["measured"])
    assert split.sizes["episode"] > n
    for name in ("hazard_ratio", "lower", "n_episodes", "n_deaths"):
        np.testing.assert_allclose(second[name], first[name], rtol=1e-6)


def test_start_stop__bad_input():
    rows, values = clustered_with_age(0, n=20)
    with pytest.raises(BadInput, match="no coordinate 'step'"):
        start_stop(rows, values.drop_vars("step"), name="clustered")
    with pytest.raises(BadInput, match="goes beyond"):
        start_stop(rows, values.assign_coords(episode=values.episode + 20), name="clustered")
    with pytest.raises(BadInput, match="before its birth"):
        start_stop(rows, values.assign_coords(step=values.step - 600), name="clustered")
    with pytest.raises(BadInput, match="twice at one step"):
        start_stop(rows, xr.concat([values, values], "measurement"), name="clustered")
    with pytest.raises(BadInput, match="no column 'birth_step'"):
        start_stop(rows.drop_vars("birth_step"), values, name="clustered")
