from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from stanalysis.stats.replicates.effects import excess, over_networks


def test_excess__is_the_mean_beyond_the_null_of_those_with_an_answer():
    random = np.random.default_rng(0)
    value = xr.DataArray(random.normal(size=(2, 3, 50)), dims=("run", "step", "target"))
    expected = xr.full_like(value, 0.25)
    value[0, 1, :20] = np.nan
    result = excess(xr.Dataset({"value": value, "expected": expected}))
    beyond = value.values[0, 1, 20:] - 0.25
    assert result.excess[0, 1] == pytest.approx(beyond.mean())
    assert result.value[0, 1] == pytest.approx(value.values[0, 1, 20:].mean())
    np.testing.assert_allclose(result.value - result.expected, result.excess)
    assert result.answered[0, 1] == 30
    assert result.neurons_lower[0, 1] == pytest.approx(np.quantile(beyond, 0.025))
    assert result.neurons_upper[0, 1] == pytest.approx(np.quantile(beyond, 0.975))


def test_excess__observed_and_expected_are_of_the_same_neurons():
    table = xr.Dataset({"value": ("target", [1.0, 2.0, 9.0]), "expected": ("target", [0.5, np.nan, 4.0])})
    result = excess(table)
    assert (result.value.item(), result.expected.item(), result.excess.item()) == (5.0, 2.25, 2.75)


def test_excess__is_nan_without_any_answer():
    silent = xr.DataArray(np.full((1, 4), np.nan), dims=("run", "target"))
    result = excess(xr.Dataset({"value": silent, "expected": silent}))
    assert result.excess.isnull().all()
    assert result.neurons_lower.isnull().all()
    assert result.answered.item() == 0


def test_over_networks__interval_is_that_of_a_t_test():
    values = np.random.default_rng(1).normal(1, 2, size=(5, 3))
    result = over_networks(xr.DataArray(values, dims=("run", "step")))
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(result.lower, interval.low)
    np.testing.assert_allclose(result.upper, interval.high)


def test_over_networks__counts_only_networks_with_an_answer():
    values = np.array([[1.0, 1.0, np.nan], [2.0, np.nan, np.nan], [4.0, np.nan, np.nan]])
    result = over_networks(xr.DataArray(values, dims=("run", "step")))
    assert result.n.values.tolist() == [3, 1, 0]
    assert np.isfinite(result.lower[0])
    assert result["mean"].values[:2].tolist() == [pytest.approx(7 / 3), 1.0]
    assert np.isnan(result.lower.values[1:]).all()
    assert np.isnan(result["mean"].values[2])


def test_over_networks__one_network_has_no_interval():
    result = over_networks(xr.DataArray([3.0], dims="run"))
    assert result["mean"].item() == 3
    assert np.isnan(result.lower.item())
    assert result.n.item() == 1
