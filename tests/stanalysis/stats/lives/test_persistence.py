from __future__ import annotations

import itertools

import esda
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from libpysal.weights import lat2W
from scipy import stats

from stanalysis.errors import BadInput
from stanalysis.fields.lattice import QUEEN, ROOK
from stanalysis.fields.receptive_field import fields_of_synapses
from stanalysis.files.checkpoint import projection
from stanalysis.schema.lives import PERSISTENCE
from stanalysis.schema.variables import validate
from stanalysis.stats.engine.field_statistics import field_statistics
from stanalysis.stats.lives import persistence as module
from stanalysis.stats.lives.persistence import persistence

STATISTICS = ("overlap", "kept", "survivors_i")


def table(target, source, delay, weight, *, shape, contact=None):
    """Synapses of fields of a shape (target, source, delay), delays in bins of 1 ms; contacts are bins unless given."""
    return projection(
        n_source=shape[1],
        n_target=shape[0],
        delay_max=float(shape[2] - 1),
        rounding="half even",
        source=np.asarray(source, np.int32),
        target=np.asarray(target, np.int32),
        contact=np.asarray(delay if contact is None else contact, np.int32),
        delay=np.asarray(delay, np.float64),
        weight=np.asarray(weight, np.float64),
    )


def network(seed, *, shape=(8, 10, 6), n_synapses=24):
    """Targets with synapses in random cells, of random weight."""
    random = np.random.default_rng(seed)
    cells = np.concatenate([random.choice(shape[1] * shape[2], n_synapses, replace=False) for _ in range(shape[0])])
    target = np.repeat(np.arange(shape[0]), n_synapses)
    return table(target, *np.divmod(cells, shape[2]), random.normal(size=target.size), shape=shape)


def found_of(before, births, survives, *, n_permutations=99, seed=0, **options):
    after = before.isel(synapse=np.asarray(survives))
    options = {"dt": 1.0, "n_permutations": n_permutations, "seed": seed, **options}
    return persistence(before, after, births=np.asarray(births), survives=np.asarray(survives), **options)


# --- every arrangement, by plain means ---------------------------------------------------------------------------------

SHAPE = (2, 3, 4)
TARGET = np.repeat([0, 1], 7)
SOURCE = np.array([0, 0, 1, 1, 2, 2, 0, 0, 1, 2, 0, 1, 2, 2])
DELAY = np.array([0, 1, 1, 2, 2, 3, 0, 3, 3, 3, 1, 1, 0, 2])  # the first and the last of target 0 share a cell
CONTACT = np.array([0, 1, 0, 1, 0, 1, 2, 0, 0, 0, 1, 1, 1, 2])
WEIGHT = np.array([1.0, 0.5, -0.7, 2.0, 0.3, -1.5, 0.8, 1.0, 1.1, 0.9, -0.4, -0.6, 0.2, -2.0])
BIRTH = np.array([0, 0, 0, 0, 10, 10, 10, 0, 0, 0, 10, 10, 10, 10])
LIVES = np.array([1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 0, 1], bool)


def brute(fate, target, lattice):
    """The statistics of one target."""
    own = target == TARGET
    planes = np.zeros((2, *SHAPE[1:]))
    for plane, some in zip(planes, (own, own & fate), strict=True):
        np.add.at(plane, (SOURCE[some], DELAY[some]), WEIGHT[some])
    kept = np.corrcoef(*planes.reshape(2, -1))[0, 1]
    with np.errstate(all="ignore"):  # its analytic variance, for very few cells
        moran = esda.Moran(planes[1].reshape(-1), lat2W(*SHAPE[1:], rook=lattice is ROOK), permutations=0).I
    return fate[own].mean(), kept, moran


def exchanges(groups):
    """Every way to deal out the fates anew within each group of synapses."""
    own = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    for alive in itertools.product(*(itertools.combinations(rows, int(LIVES[rows].sum())) for rows in own)):
        yield np.isin(np.arange(LIVES.size), np.concatenate(alive))


@pytest.mark.slow
@pytest.mark.parametrize(("target", "lattice"), [(0, ROOK), (1, QUEEN)])
def test_persistence__agrees_with_every_arrangement_of_the_fates(target, lattice):
    before = table(TARGET, SOURCE, DELAY, WEIGHT, shape=SHAPE, contact=CONTACT)
    n = 1000
    found = found_of(before, BIRTH, LIVES, n_permutations=n, lattice=lattice).isel(target=target)
    anywhere = np.array([brute(fate, target, lattice)[:2] for fate in exchanges(BIRTH)])
    within = np.array([brute(fate, target, lattice)[2] for fate in exchanges(BIRTH + TARGET)])
    for name, value, null in zip(STATISTICS, brute(LIVES, target, lattice), (*anywhere.T, within), strict=True):
        assert float(found[name]) == pytest.approx(value, abs=1e-12)
        tail = min((null >= value - 1e-9).mean(), (null <= value + 1e-9).mean())
        assert float(found[f"{name}_p"]) == pytest.approx(min(1, 2 * tail), abs=8 * np.sqrt(tail / n) + 2 / n)
        off = 1e-12 if name == "overlap" else 5 * null.std() / np.sqrt(n)
        assert float(found[f"{name}_expected"]) == pytest.approx(null.mean(), abs=off)
        assert float(found[f"{name}_z"]) == pytest.approx((value - null.mean()) / null.std(), rel=0.1, abs=0.15)


def test_persistence__describes_what_lives_on():
    before = network(0)
    lives = np.random.default_rng(1).random(before.sizes["synapse"]) < 0.6
    after = before.isel(synapse=lives)
    after = after.assign(weight=after.weight * np.linspace(0.5, 2, after.sizes["synapse"]))
    found = persistence(before, after, births=0 * before.target, survives=lives, dt=1.0, n_permutations=0, seed=0)
    validate(found, PERSISTENCE, required=tuple(set(PERSISTENCE) - {"until"}))
    field, later = (fields_of_synapses(t, dt=1.0).receptive_field for t in (before, after))
    np.testing.assert_allclose(found.correlation, xr.corr(field, later, ("source", "delay")))
    np.testing.assert_array_equal(found.n_survivors, np.bincount(before.target[lives]))
    np.testing.assert_allclose(found.overlap, found.n_survivors / 24)
    np.testing.assert_allclose(found.overlap_expected, lives.mean())
    alone = fields_of_synapses(before.isel(synapse=lives), dt=1.0).receptive_field
    moran = field_statistics(alone, statistics=["morans_i"], n_permutations=0, seed=0).value
    np.testing.assert_allclose(found.survivors_i, moran[:, 0])
    for name in ("overlap_p", "kept_z", "survivors_i_expected", "network_p", "overlap_spread"):
        assert np.isnan(found[name]).all()


# --- what chance looks like --------------------------------------------------------------------------------------------


def by_age(seed):
    """Positive synapses, the older the lower their sources, that live the longer the older they are, and by chance alone."""
    before = network(seed)
    before["weight"] = abs(before.weight) + 1
    births = before.source.values // 5 * 10
    return before, births, np.random.default_rng([seed, 1]).random(births.size) < np.where(births == 0, 0.85, 0.15)


@pytest.mark.slow
def test_persistence__p_values_are_uniform_where_death_depends_on_age_and_age_on_place():
    found = [found_of(*by_age(seed), seed=seed) for seed in range(30)]
    for name in ("kept_p", "survivors_i_p"):
        p = np.concatenate([f[name].dropna("target") for f in found])
        assert stats.kstest(p, "uniform").pvalue > 0.01
        assert 0.02 <= (p <= 0.05).mean() <= 0.07
    overlap = np.concatenate([f.overlap_p for f in found])  # takes few values
    assert (overlap <= 0.05).mean() <= 0.06
    together = np.array([[*f.network_p.values, f.overlap_spread_p] for f in found])
    assert (together <= 0.5).mean(axis=0) == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 30))
    assert (together <= 0.1).mean(axis=0).max() < 0.1 + 4 * np.sqrt(0.09 / 30)


def test_persistence__a_null_that_ignores_age_would_find_structure_where_there_is_none():
    """What the births are for."""
    p = [
        found_of(before, 0 * births, lives).network_p.sel(statistic="survivors_i")
        for before, births, lives in map(by_age, range(5))
    ]
    assert np.mean(p) < 0.05


# --- what is planted ---------------------------------------------------------------------------------------------------


def test_persistence__finds_survivors_among_neighbours_of_their_sign():
    shape = (8, 12, 10)
    random = np.random.default_rng(0)
    sign = random.choice([-1.0, 1.0], shape)
    padded = np.pad(sign, ((0, 0), (1, 1), (1, 1)))
    beside = padded[:, 2:, 1:-1] + padded[:, :-2, 1:-1] + padded[:, 1:-1, 2:] + padded[:, 1:-1, :-2]
    target, source, delay = np.nonzero(sign)
    before = table(target, source, delay, sign.reshape(-1), shape=shape)
    lives = random.random(target.size) < np.where(beside * sign > 0, 0.8, 0.3).reshape(-1)
    found = found_of(before, random.integers(0, 3, target.size), lives, n_permutations=199, alternative="greater")
    together = found.sel(statistic="survivors_i")
    assert float(together.network_p) == 1 / 200
    assert float(together.network_z) > 2
    assert (found.survivors_i_p <= 0.05).mean() > 0.7
    assert float(found.overlap_spread_p) > 0.05


def test_persistence__finds_survival_by_magnitude():
    before = network(3)
    magnitude = abs(before.weight.values)
    found = found_of(before, np.arange(magnitude.size) % 3, magnitude > np.median(magnitude), n_permutations=199)
    assert float(found.network_p.sel(statistic="kept")) == 2 / 200
    assert float(found.network_z.sel(statistic="kept")) > 2


def test_persistence__finds_survivors_that_are_with_few_targets():
    before = network(4)
    lives = np.random.default_rng(0).random(before.sizes["synapse"]) < np.where(before.target < 4, 0.8, 0.3)
    found = found_of(before, 0 * before.source, lives, n_permutations=199)
    assert float(found.overlap_spread) > 1.5
    assert float(found.overlap_spread_p) == 2 / 200
    assert float(found.overlap_p.min()) <= 0.05


# --- what it does not depend on ----------------------------------------------------------------------------------------


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([-3.0, 1e-6, 1e6]))
def test_persistence__ignores_the_order_of_synapses_and_the_unit_of_weight(seed, scale):
    before, births, lives = by_age(seed)
    expected = found_of(before, births, lives, n_permutations=19)
    order = np.random.default_rng(seed).permutation(births.size)
    moved = before.isel(synapse=order)
    moved["weight"] = (moved.weight * scale).assign_attrs(moved.weight.attrs)
    found = found_of(moved, births[order] + 7, lives[order], n_permutations=19)
    xr.testing.assert_allclose(found, expected)


def test_persistence__chunks_change_nothing(monkeypatch):
    whole = found_of(*by_age(0), n_permutations=29)
    monkeypatch.setattr(module, "NUMBERS_AT_ONCE", 8 * 60 * 4)
    xr.testing.assert_identical(found_of(*by_age(0), n_permutations=29), whole)


def test_persistence__a_slot_born_again_is_not_a_survivor():
    before = network(0)
    lives = before.source.values > 3
    found = persistence(before, before, births=0 * before.source, survives=lives, dt=1.0, seed=0)
    np.testing.assert_array_equal(found.n_survivors, np.bincount(before.target[lives]))
    np.testing.assert_allclose(found.correlation, 1)


# --- no answer ---------------------------------------------------------------------------------------------------------


def test_persistence__targets_without_an_answer_are_nan_and_counted():
    before = network(5, shape=(6, 10, 6))
    target = before.target.values
    lives = np.random.default_rng(0).random(target.size) < 0.6
    births = np.where(target == 3, np.where(lives, 10, 20), 0)  # of target 3 all of one age live, or all die
    lives[(target == 1)] = False
    lives[np.flatnonzero(target == 2)[3:]] = False
    lives[np.flatnonzero(target == 2)[:3]] = True
    before["weight"] = before.weight.where(~((target == 4) & ~lives))
    there = target != 0
    found = found_of(before.isel(synapse=there), births[there], lives[there])
    answered = {
        "overlap": [False, True, True, True, True, True],
        "overlap_p": [False, True, True, False, True, True],
        "kept": [False, False, True, True, False, True],
        "kept_p": [False, False, True, False, False, True],
        "survivors_i": [False, False, False, True, False, True],
        "survivors_i_z": [False, False, False, False, False, True],
        "survivors_i_p": [False, False, False, False, False, True],
    }
    for name, expected in answered.items():
        np.testing.assert_array_equal(found[name].notnull(), expected, name)
    np.testing.assert_array_equal(found.n_unanswered, [4, 5])
    np.testing.assert_array_equal(found.n_synapses, [0, 24, 24, 24, 24, 24])
    assert found.network_p.notnull().all()


def test_persistence__a_field_without_variation_has_no_answer():
    source, delay = np.divmod(np.arange(12), 3)
    before = table(0 * source, source, delay, np.full(12, 0.1), shape=(1, 4, 3))
    some = found_of(before, 0 * source, source > 0)
    assert np.isnan(some.kept).all()
    assert some.survivors_i_p.notnull().all()
    every = found_of(before, 0 * source, source >= 0)
    assert np.isnan(every.survivors_i).all()
    assert np.isnan(every.network_p).all()
    assert float(every.overlap[0]) == 1


def test_persistence__one_target_alone_has_the_overlap_that_it_has():
    before = network(0, shape=(1, 10, 6))
    found = found_of(before, 0 * before.source, before.source > 4)
    assert float(found.overlap_expected[0]) == pytest.approx(float(found.overlap[0]))
    assert np.isnan([*found.overlap_p, *found.overlap_z, found.overlap_spread, found.overlap_spread_p]).all()
    assert found.kept_p.notnull().all()


def test_persistence__one_source_has_no_neighbours():
    before = network(0, shape=(2, 1, 30))
    found = found_of(before, 0 * before.source, before.delay > 14)
    assert np.isnan(found.survivors_i).all()
    assert found.kept.notnull().all()


def test_persistence__no_synapses_are_no_answer():
    before = network(0).isel(synapse=slice(0, 0))
    found = found_of(before, np.zeros(0, int), np.zeros(0, bool))
    assert np.isnan(found.overlap).all()
    assert np.isnan(found.network_p).all()


# --- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"survives": np.ones(3, bool)}, "'survives' is bool of shape"),
        ({"survives": np.ones(192)}, "'survives' is float64"),
        ({"births": np.zeros(191, int)}, "'births' is int64 of shape"),
        ({"births": np.full(192, np.nan)}, "'births' is float64"),
        ({"seed": -1}, "seed"),
        ({"n_permutations": -1}, "n_permutations"),
        ({"alternative": "both"}, "alternative"),
    ],
)
def test_persistence__rejects_what_does_not_fit(options, message):
    before = network(0)
    every = {"births": np.zeros(192, int), "survives": np.ones(192, bool), "dt": 1.0, "seed": 0}
    with pytest.raises(BadInput, match=message):
        persistence(before, before, **(every | options))


def test_persistence__rejects_tables_that_do_not_go_together():
    before = network(0)
    options = {"births": np.zeros(192, int), "survives": np.ones(192, bool), "dt": 1.0, "seed": 0}
    with pytest.raises(BadInput, match="1 synapses survive but are not in 'after'"):
        persistence(before, before.isel(synapse=slice(1, None)), **options)
    with pytest.raises(BadInput, match="shape"):
        persistence(before, before.assign_attrs(delay_max=9.0), **options)
    with pytest.raises(BadInput, match="two synapses of 'after'"):
        persistence(before, before.isel(synapse=np.r_[0:192, 0]), **options)
    with pytest.raises(BadInput, match="contact"):
        persistence(before.drop_vars("contact"), before, **options)
