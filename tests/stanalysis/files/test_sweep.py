from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stanalysis.errors import BadInput
from stanalysis.files.sweep import accuracy_by_sparsity, read_sweep
from stanalysis.schema.network import SWEEP
from stanalysis.schema.variables import validate


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_sweep):
    return write_sweep(tmp_path_factory.mktemp("sweep"), steps=(0,), seeds=(0, 1, 4))


@pytest.fixture
def table(folder):
    return pd.read_csv(folder / "sweep.csv", float_precision="round_trip")


def written(table, folder):
    table.to_csv(folder / "sweep.csv", index=False)
    return folder


def test_read_sweep__gives_the_table_as_declared(folder, table):
    sweep = read_sweep(folder)
    assert read_sweep(str(folder)).identical(sweep)
    validate(sweep, SWEEP, required=tuple(SWEEP))
    for name in ("run", *SWEEP):
        assert sweep[name].values.tolist() == table[name].tolist()


def test_read_sweep__seconds_may_be_unknown(table, tmp_path):
    result = read_sweep(written(table.assign(seconds=table.seconds.where(table.index > 0)), tmp_path))
    assert result.seconds.isnull().values.tolist() == [True] + [False] * (len(table) - 1)


def test_read_sweep__leaves_other_columns_out(table, tmp_path):
    assert "note" not in read_sweep(written(table.assign(note="x"), tmp_path)).variables


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="seed"), "whole numbers 'seed'"),
        (lambda t: t.assign(seed=0.5), "whole numbers 'seed'"),
        (lambda t: t.assign(in_degree="many"), "numbers 'in_degree'"),
        (lambda t: t.assign(last_test_accuracy=t.last_test_accuracy.where(t.index > 0)), "numbers 'last_test_accuracy'"),
        (lambda t: t.assign(run=t.run.where(t.index > 0)), "text 'run'"),
        (lambda t: t.assign(connectivity="dense"), "connectivity 'dense'; expected one of fixed, rewired"),
        (lambda t: t.assign(sparsity=50.0), "outside 0 to 1"),
        (lambda t: t.assign(run="a"), "lists the run a twice"),
        (lambda t: t.iloc[:0], "no finished run yet"),
    ],
)
def test_read_sweep__a_damaged_table_gets_a_sentence(table, tmp_path, change, message):
    with pytest.raises(BadInput, match=message):
        read_sweep(written(change(table), tmp_path))


def test_read_sweep__a_folder_without_a_table_is_none(tmp_path):
    with pytest.raises(BadInput, match="no sweep folder"):
        read_sweep(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00binary", b'"never closed'])
def test_read_sweep__what_is_no_table_gets_a_sentence(tmp_path, content):
    (tmp_path / "sweep.csv").write_bytes(content)
    with pytest.raises(BadInput, match=r"sweep\.csv"):
        read_sweep(tmp_path)


def test_accuracy_by_sparsity__finds_the_planted_means(folder):
    result = accuracy_by_sparsity(read_sweep(folder))
    assert result["mean"].dims == ("selection", "connectivity", "delays", "sparsity")
    assert result.sparsity.values.tolist() == [0.0, 0.5, 0.95]
    expected = 0.9 - result.sparsity / 2 + np.mean([0, 1, 4]) / 100
    np.testing.assert_allclose((result["mean"].sel(selection="last") - expected).values, 0, atol=1e-12)
    np.testing.assert_allclose((result["mean"].sel(selection="best") - expected).values, 0.05, atol=1e-12)
    assert (result.n_seeds == 3).all()
    assert result.n_input_synapses.values.tolist() == [24, 12, 1]


def test_accuracy_by_sparsity__the_interval_is_that_of_scipy(folder):
    result = accuracy_by_sparsity(read_sweep(folder)).sel(
        selection="last", connectivity="rewired", delays="fixed", sparsity=0.5
    )
    values = result.accuracy.values
    lower, upper = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (float(result.lower), float(result.upper)) == pytest.approx((lower, upper))


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
    result = accuracy_by_sparsity(table.rename_axis("run").to_xarray()).sel(selection="last")
    assert float(((result.lower <= 0.8) & (result.upper >= 0.8)).mean()) == pytest.approx(0.95, abs=0.015)


def test_accuracy_by_sparsity__one_seed_has_no_interval_and_a_missing_point_no_mean(table, tmp_path):
    partial = table[(table.seed == 0) & ~((table.connectivity == "rewired") & (table.sparsity == 0.95))]
    result = accuracy_by_sparsity(read_sweep(written(partial, tmp_path))).sel(selection="last")
    assert result.lower.isnull().all()
    assert result["mean"].sel(connectivity="fixed").notnull().all()
    assert result["mean"].sel(connectivity="rewired", sparsity=0.95).isnull().all()
    assert result.n_seeds.sel(connectivity="rewired", sparsity=0.95).values.tolist() == [0, 0]


def test_accuracy_by_sparsity__chance_is_known_with_the_output(folder):
    sweep = read_sweep(folder)
    assert np.isnan(accuracy_by_sparsity(sweep).chance)
    assert float(accuracy_by_sparsity(sweep.assign_attrs(n_output=20)).chance) == 0.05


def test_accuracy_by_sparsity__a_seed_given_twice_is_no_replicate(table, tmp_path):
    with pytest.raises(BadInput, match="seed 0 twice for connectivity fixed, delays fixed, sparsity 0;"):
        accuracy_by_sparsity(read_sweep(written(table.assign(seed=0), tmp_path)))
