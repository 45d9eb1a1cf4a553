from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from stanalysis.errors import BadInput
from stanalysis.stats.autocorrelation import morans_i
from stanalysis.stats.network import network_z


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
    assert float(together.mean_z[0]) == pytest.approx(float(result.z_score.mean()))


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


def test_network_z__needs_the_draws():
    with pytest.raises(BadInput, match="keep_draws"):
        network_z(morans_i(networks(1, 3, seed=0), n_permutations=19, seed=0))
