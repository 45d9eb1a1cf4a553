from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stanalysis.analysis.analyze import analyze
from stanalysis.files.analysis import read_analysis
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.run import step_path, write_info
from stanalysis.findings.tables import comparisons, neurons, statistics_summary, summary, write_analysis
from stanalysis.synthetic.network import small_network


def write_run(path, *, seed, steps=(0, 5), silent=()):
    """A run whose last checkpoint lacks the synapses of some targets of its first projection."""
    write_info(path, {"method": "dcls", "seed": seed})
    for step in steps:
        tree = small_network(step=step, seed=seed, n_source=8, n_target=5)
        if step == steps[-1]:
            table = tree["projections/input__hidden1"].to_dataset()
            tree["projections/input__hidden1"].dataset = table.isel(synapse=~np.isin(table.target.values, silent))
        write_checkpoint(tree, step_path(path, step))
    return path


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    runs = [write_run(folder / k, seed=i, steps=(0, 5 + 2 * i), silent=[1, 3]) for i, k in enumerate("ab")]
    return analyze(runs, n_permutations=49, compare="step", seed=2)


def test_statistics_summary__says_of_every_statistic_what_the_groups_hold(analysis):
    table = statistics_summary(analysis).set_index(["run", "projection", "step", "statistic"])
    statistics = analysis["statistics/input__hidden1"].to_dataset().sel(run="b", step=7)
    network = analysis["network/input__hidden1"].to_dataset().sel(run="b", step=7)
    assert table.index.is_unique
    assert len(table) == 2 * 2 * 2 * statistics.sizes["statistic"]
    for name in map(str, statistics.statistic.values):
        one, row = statistics.sel(statistic=name), table.loc[("b", "input__hidden1", 7, name)]
        assert row.unit == ("ms" if name == "lead" else "1")
        assert row.answered + row.no_answer == 5
        assert row.no_answer == int(one.n_unanswered) >= 2
        assert row["median"] == pytest.approx(np.nanmedian(one.value))
        assert row.expected == pytest.approx(np.nanmedian(one.expected))
        np.testing.assert_equal(row.network_p, network.p_value.sel(statistic=name).item())
        assert row.significant == (one.q_value <= 0.05).sum() / one.value.notnull().sum()


def test_statistics_summary__of_moran_is_the_summary(analysis):
    table = statistics_summary(analysis).query("statistic == 'morans_i'").sort_values(["run", "projection", "step"])
    plain = summary(analysis).sort_values(["run", "projection", "step"])
    assert table["step"].tolist() == plain["step"].tolist()
    for here, there in (("median", "median_i"), ("expected",) * 2, ("mean_z",) * 2, ("network_p",) * 2, ("no_answer",) * 2):
        np.testing.assert_array_equal(table[here], plain[there])


def test_neurons__has_a_row_for_each_and_a_column_for_each_answer(analysis):
    table = neurons(analysis)
    assert len(table) == 2 * 2 * (5 + 2)
    assert not table.set_index(["run", "projection", "step", "target"]).index.has_duplicates
    statistics = analysis["statistics/hidden1__output"].to_dataset().sel(run="a", step=5, statistic="graph_joins_ei")
    row = table.query("run == 'a' and projection == 'hidden1__output' and step == 5 and target == 1").iloc[0]
    for column, name in (("", "value"), ("_p", "p_value"), ("_q", "q_value")):
        np.testing.assert_equal(row[f"graph_joins_ei{column}"], statistics[name].sel(target=1).item())
    described = analysis["descriptors/hidden1__output"].to_dataset().sel(run="a", step=5, target=1)
    for name in described.data_vars:
        np.testing.assert_allclose(row[name], described[name].item(), rtol=1e-12, err_msg=str(name))


def test_neurons__those_without_an_answer_are_empty(analysis):
    silent = neurons(analysis).query("run == 'b' and projection == 'input__hidden1' and step == 7 and target in [1, 3]")
    assert silent.n_synapses.tolist() == [0, 0]
    assert silent[["morans_i", "morans_i_p", "morans_i_q", "lead"]].isna().all(axis=None)


def test_comparisons__has_a_row_per_projection_statistic_and_pair(analysis):
    table = comparisons(analysis)
    assert len(table) == 2 * analysis["statistics/input__hidden1"].sizes["statistic"]
    assert set(zip(table.a, table.b, strict=True)) == {("first", "last")}
    one = table.query("projection == 'input__hidden1' and statistic == 'lead'").iloc[0]
    compared = analysis["comparison/input__hidden1"].to_dataset().squeeze("comparison").sel(statistic="lead")
    for name in ("difference", "lower", "upper", "effect_size", "p_value", "smallest_p", "seeds_needed", "n_a", "n_b"):
        np.testing.assert_equal(one[name], compared[name].item())
    assert one.smallest_p == 0.5


@pytest.mark.slow
def test_write_analysis__writes_what_was_compared_and_reads_back(analysis, tmp_path):
    written = write_analysis(analysis, tmp_path / "out.nc")
    names = ["summary", "neurons", "comparison", "lifetimes", "hazards", "lasting", "episodes"]  # synapses differ between steps
    assert [p.name for p in written] == ["out.nc", *(f"out-{name}.csv" for name in names)]
    read = read_analysis(tmp_path / "out.nc")
    xr.testing.assert_equal(read, analysis)
    for name, table in (("summary", statistics_summary), ("neurons", neurons), ("comparison", comparisons)):
        found = pd.read_csv(tmp_path / f"out-{name}.csv", keep_default_na=name != "comparison", na_values=[""])
        assert found.columns.tolist() == table(analysis).columns.tolist()
        assert len(found) == len(table(analysis))
        assert comparisons(read).equals(comparisons(analysis))


@pytest.mark.slow
def test_write_analysis__maps_and_curves_read_back(tmp_path):
    runs = [write_run(tmp_path / "a", seed=0, steps=(0,)), write_run(tmp_path / "b", seed=1, steps=(0, 7), silent=[1])]
    analysis = analyze(runs, statistics=["local", "correlogram", "smoothing", "pairs"], n_permutations=9)
    write_analysis(analysis, tmp_path / "out.nc")
    read = read_analysis(tmp_path / "out.nc")
    xr.testing.assert_equal(read, analysis)
    for name in ("local", "correlogram", "smoothing", "pairs"):
        assert read[f"{name}/input__hidden1"].step.values.tolist() == [0, 7]
        assert read[f"{name}/input__hidden1"].run.values.tolist() == ["a", "b"]
