from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from stanalysis.errors import BadInput
from stanalysis.fields.receptive_field import fields_of_synapses
from stanalysis.files.checkpoint import projection
from stanalysis.stats.engine.field_statistics import field_statistics
from stanalysis.stats.replicates.multiplicity import max_t
from stanalysis.stats.replicates.network import Together, network_z
from stanalysis.stats.spatial.autocorrelation import gearys_c, morans_i


def networks(n_networks, n_targets, *, seed, tilt=0.0):
    """Noise networks (step, target, source, delay), one synapse per source; ``tilt`` pulls neighbouring delays together."""
    random = np.random.default_rng(seed)
    field = np.zeros((n_networks, n_targets, 12, 8))
    for plane in field.reshape(-1, 12, 8):
        delay = random.integers(0, 8, 12)
        together = random.random(12) < tilt
        delay[together] = delay[0]
        plane[np.arange(12), delay] = random.normal(size=12) + 3 * together
    return xr.DataArray(field, dims=("step", "target", "source", "delay"))


def test_network_z__p_values_are_uniform_for_networks_without_structure():
    result = morans_i(networks(300, 6, seed=0), n_permutations=199, seed=1, keep_draws=True)
    p = network_z(result).p_value.values
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.02 <= (p <= 0.05).mean() <= 0.09


def test_network_z__finds_what_no_neuron_shows_alone():
    result = morans_i(networks(1, 150, seed=2, tilt=0.25), n_permutations=199, alternative="greater", seed=1, keep_draws=True)
    together = network_z(result)
    assert float(together.p_value[0]) == 1 / 200
    every = xr.concat([result.null_draws, result.morans_i.expand_dims("draw")], "draw")  # no draw bounds its own scale
    assert float(together.mean_z[0]) == pytest.approx(
        float(((result.morans_i - result.expected) / every.std("draw", ddof=1)).mean())
    )


def test_network_z__neurons_without_an_answer_are_left_out():
    field = networks(1, 5, seed=3)
    silent = field.copy()
    silent[:, 4] = 0
    options = {"n_permutations": 49, "seed": 1, "keep_draws": True}
    found = network_z(morans_i(silent, **options))
    expected = network_z(morans_i(field.isel(target=slice(0, 4)), **options))
    np.testing.assert_array_equal(found.mean_z, expected.mean_z)
    np.testing.assert_array_equal(found.p_value, expected.p_value)


def test_network_z__a_network_without_any_answer_is_nan():
    result = morans_i(0 * networks(1, 3, seed=0), n_permutations=19, seed=0, keep_draws=True)
    assert np.isnan(network_z(result).p_value).all()


def axonal(n_networks, n_targets, *, seed):
    """Noise networks whose targets share their delays: those of the axons. Weights are positive, and each target's own."""
    random = np.random.default_rng(seed)
    field = np.zeros((n_networks, n_targets, 12, 6))
    for network in field:
        network[:, np.arange(12), random.integers(0, 6, 12)] = 1 + 0.2 * random.random((n_targets, 12))
    return xr.DataArray(field, dims=("step", "target", "source", "delay"))


def test_network_z__is_no_mean_of_what_no_draw_carries_but_its_p_value_stays():
    sparse = np.zeros((60, 140, 25))  # 95 %: hardly any two synapses of a target are neighbours
    random = np.random.default_rng(1)
    for plane in sparse:
        source = random.choice(140, 7, replace=False)
        plane[source, random.integers(0, 25, 7)] = random.normal(size=7)
    field = xr.DataArray(sparse, dims=("target", "source", "delay"))
    names = ["morans_i", "bivariate_i", "joins_ee", "joins_ei"]
    for null in ("delays", "sources", "cells"):
        result = field_statistics(field, statistics=names, null=null, n_permutations=199, seed=0, keep_draws=True)
        assert not ((abs(result.z_score) > 7) & (result.p_value > 0.05)).any()
        together = network_z(result, statistic="value")
        assert (abs(together.mean_z).fillna(0) < 7).all()
        everyone = network_z(result.assign(z_score=0 * result.value), statistic="value")
        np.testing.assert_array_equal(together.p_value, everyone.p_value)


def test_network_z__with_joint_draws_holds_its_size_where_targets_share_their_delays():
    """Without them it takes what all targets share for as many independent findings."""
    options = {"n_permutations": 99, "alternative": "greater", "seed": 1, "keep_draws": True}
    field = axonal(250, 20, seed=0)
    joint, own = (network_z(morans_i(field, joint=j, **options)).p_value for j in (True, False))
    assert abs(float((joint <= 0.1).mean()) - 0.1) < 4 * np.sqrt(0.09 / 250)
    assert abs(float((joint <= 0.5).mean()) - 0.5) < 4 * np.sqrt(0.25 / 250)
    assert (own <= 0.1).mean() > 0.25


def test_network_z__of_many_statistics_is_that_of_each():
    field = networks(2, 5, seed=3)
    options = {"n_permutations": 49, "seed": 1, "keep_draws": True}
    found = network_z(field_statistics(field, statistics=["gearys_c", "morans_i"], **options), statistic="value")
    assert found.mean_z.dims == ("step", "statistic")
    alone = network_z(morans_i(field, **options))
    for name in ("mean_z", "p_value"):
        np.testing.assert_allclose(found[name].sel(statistic="morans_i"), alone[name], rtol=1e-12)
    alone = network_z(gearys_c(field, **options), statistic="gearys_c")
    np.testing.assert_allclose(found.mean_z.sel(statistic="gearys_c"), alone.mean_z, rtol=1e-12)


def test_network_z__needs_the_draws():
    with pytest.raises(BadInput, match="keep_draws"):
        network_z(morans_i(networks(1, 3, seed=0), n_permutations=19, seed=0))


@pytest.mark.parametrize("n_contact", [2, 6])
def test_morans_i__stays_calibrated_with_several_synapses_per_pair(n_contact):
    random = np.random.default_rng(5)
    n_source, n_target = 30, 400
    target, source, _ = (a.ravel() for a in np.indices((n_target, n_source, n_contact), np.int32))
    synapses = projection(
        n_source=n_source, n_target=n_target, delay_max=60.0, rounding="half even", source=source, target=target,
        delay=np.clip(random.uniform(-20, 80, source.size), 0, 60), weight=random.random(source.size) + 0.1,
    )  # fmt: skip
    fields = fields_of_synapses(synapses, dt=10.0, n_contact=n_contact)
    result = morans_i(fields, n_permutations=199, alternative="greater", seed=0, keep_draws=True)
    assert (result.n_synapses == n_source * n_contact).all()
    assert 0.025 <= float((result.p_value <= 0.05).mean()) <= 0.08
    assert 0.02 < float(network_z(result).p_value) < 0.98


def test_network_z__counts_ties_as_each_neuron_does():
    field = np.zeros((40, 1, 6, 6))
    for seed, plane in enumerate(field[:, 0]):
        plane.reshape(-1)[np.random.default_rng(seed).permutation(36)[:8]] = 1
    fields = xr.DataArray(field, dims=("step", "target", "source", "delay"))
    result = morans_i(fields, null="cells", n_permutations=99, seed=0, keep_draws=True)
    np.testing.assert_array_equal(network_z(result).p_value, result.p_value.isel(target=0))


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_together__is_the_same_however_many_fields_come_at_a_time(alternative):
    field = networks(2, 9, seed=4, tilt=0.2)
    field[:, 3] = 0  # no answer
    result = morans_i(field, n_permutations=39, seed=1, alternative=alternative, keep_draws=True)
    together = Together("morans_i")
    for first, last in ((0, 1), (1, 4), (4, 9)):
        together.add(result.isel(target=slice(first, last)))
    xr.testing.assert_identical(together.network_z(), network_z(result))
    np.testing.assert_array_equal(together.adjusted_p_values(), max_t(result, statistic="morans_i"))
