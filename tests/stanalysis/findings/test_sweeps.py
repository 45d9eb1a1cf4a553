from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stanalysis.errors import BadInput
from stanalysis.files.sweep import read_sweep
from stanalysis.findings.sweeps import accuracy_by_size, accuracy_by_sparsity

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_sweep):
    return write_sweep(tmp_path_factory.mktemp("sweep"), steps=(0,), seeds=(0, 1, 4))


@pytest.fixture
def table(folder):
    return pd.read_csv(folder / "sweep.csv", float_precision="round_trip")


def written(table, folder):
    table.to_csv(folder / "sweep.csv", index=False)
    return folder


def test_accuracy_by_sparsity__finds_the_planted_means(folder):
    found = accuracy_by_sparsity(read_sweep(folder))
    assert found["mean"].dims == ("selection", "connectivity", "delays", "sparsity")
    assert found.sparsity.values.tolist() == [0.0, 0.5, 0.95]
    expected = 0.9 - found.sparsity / 2 + np.mean([0, 1, 4]) / 100
    np.testing.assert_allclose((found["mean"].sel(selection="last") - expected).values, 0, atol=1e-12)
    np.testing.assert_allclose((found["mean"].sel(selection="best") - expected).values, 0.05, atol=1e-12)
    assert (found.n_seeds == 3).all()
    assert found.n_input_synapses.values.tolist() == [24, 12, 1]


def test_accuracy_by_sparsity__the_interval_is_that_of_scipy(folder):
    found = accuracy_by_sparsity(read_sweep(folder)).sel(selection="last", connectivity="rewired", delays="fixed", sparsity=0.5)
    values = found.accuracy.values
    lower, upper = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (float(found.lower), float(found.upper)) == pytest.approx((lower, upper))


def test_accuracy_by_sparsity__covers_the_true_mean_as_often_as_it_says():
    random = np.random.default_rng(0)
    n = 2000
    table = pd.DataFrame(
        {
            "connectivity": "fixed",
            "delays": "fixed",
            "sparsity": np.repeat(np.arange(n) / n, 3),
            "seed": np.tile([0, 1, 2], n),
            "last_test_accuracy": random.normal(0.8, 0.01, 3 * n),
            "best_test_accuracy": 0.8,
            "n_synapses": 1,
            "n_input_synapses": 1,
            "in_degree": 1.0,
        }
    )
    found = accuracy_by_sparsity(table.rename_axis("run").to_xarray()).sel(selection="last")
    assert float(((found.lower <= 0.8) & (found.upper >= 0.8)).mean()) == pytest.approx(0.95, abs=0.015)


def test_accuracy_by_sparsity__one_seed_has_no_interval_and_a_missing_point_no_mean(table, tmp_path):
    partial = table[(table.seed == 0) & ~((table.connectivity == "rewired") & (table.sparsity == 0.95))]
    found = accuracy_by_sparsity(read_sweep(written(partial, tmp_path))).sel(selection="last")
    assert found.lower.isnull().all()
    assert found["mean"].sel(connectivity="fixed").notnull().all()
    assert found["mean"].sel(connectivity="rewired", sparsity=0.95).isnull().all()
    assert found.n_seeds.sel(connectivity="rewired", sparsity=0.95).values.tolist() == [0, 0]


def test_accuracy_by_sparsity__chance_is_known_with_the_output(folder):
    sweep = read_sweep(folder)
    assert np.isnan(accuracy_by_sparsity(sweep).chance)
    assert float(accuracy_by_sparsity(sweep.assign_attrs(n_output=20)).chance) == 0.05


def test_accuracy_by_sparsity__a_seed_given_twice_is_no_replicate(table, tmp_path):
    with pytest.raises(BadInput, match="seed 0 twice for connectivity fixed, delays fixed, sparsity 0;"):
        accuracy_by_sparsity(read_sweep(written(table.assign(seed=0), tmp_path)))


def test_accuracy_by_size__means_and_intervals_are_those_of_scipy(table, tmp_path):
    sized = table[table.connectivity == "fixed"].assign(connectivity="recurrent", n_hidden=(2**table.sparsity * 64).round())
    found = accuracy_by_size(read_sweep(written(sized.assign(sparsity=0.0), tmp_path)).assign_attrs(n_output=4))
    assert found["mean"].dims == ("selection", "connectivity", "delays", "n_hidden")
    assert found.n_hidden.values.tolist() == [64.0, 91.0, 124.0]
    one = found.sel(selection="last", connectivity="recurrent", delays="learned", n_hidden=91)
    lower, upper = stats.ttest_1samp(one.accuracy.values, 0).confidence_interval(0.95)
    assert (float(one.lower), float(one["mean"]), float(one.upper)) == pytest.approx((lower, float(one.accuracy.mean()), upper))
    assert (int(one.n_seeds), float(found.chance)) == (3, 0.25)


def test_accuracy_by_size__refuses_what_has_no_sizes_or_a_seed_twice(table, tmp_path):
    with pytest.raises(BadInput, match="not over hidden sizes"):
        accuracy_by_size(read_sweep(written(table, tmp_path)))
    with pytest.raises(BadInput, match="twice for connectivity fixed, delays fixed, n_hidden 8;"):
        accuracy_by_size(read_sweep(written(table.assign(n_hidden=8), tmp_path)))


@pytest.mark.parametrize("question", [accuracy_by_sparsity, accuracy_by_size])
def test_accuracies__of_several_methods_are_refused(folder, question):
    sweep = read_sweep(folder)
    sweep["method"] = ("run", ["sparse"] * (sweep.sizes["run"] - 1) + ["dcls"])
    with pytest.raises(BadInput, match=r"of several methods \(dcls, sparse\)"):
        question(sweep)
