from __future__ import annotations

import numpy as np
import pytest

from stanalysis.findings.tables import comparisons, neurons, statistics_summary, summary


def test_statistics_summary__says_of_every_statistic_what_the_groups_hold(run_analysis):
    table = statistics_summary(run_analysis).set_index(["run", "projection", "step", "statistic"])
    statistics = run_analysis["statistics/input__hidden1"].to_dataset().sel(run="b", step=7)
    network = run_analysis["network/input__hidden1"].to_dataset().sel(run="b", step=7)
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


def test_statistics_summary__of_moran_is_the_summary(run_analysis):
    table = statistics_summary(run_analysis).query("statistic == 'morans_i'").sort_values(["run", "projection", "step"])
    plain = summary(run_analysis).sort_values(["run", "projection", "step"])
    assert table["step"].tolist() == plain["step"].tolist()
    for here, there in (("median", "median_i"), ("expected",) * 2, ("mean_z",) * 2, ("network_p",) * 2, ("no_answer",) * 2):
        np.testing.assert_array_equal(table[here], plain[there])


def test_neurons__has_a_row_for_each_and_a_column_for_each_answer(run_analysis):
    table = neurons(run_analysis)
    assert len(table) == 2 * 2 * (5 + 2)
    assert not table.set_index(["run", "projection", "step", "target"]).index.has_duplicates
    statistics = run_analysis["statistics/hidden1__output"].to_dataset().sel(run="a", step=5, statistic="graph_joins_ei")
    row = table.query("run == 'a' and projection == 'hidden1__output' and step == 5 and target == 1").iloc[0]
    for column, name in (("", "value"), ("_p", "p_value"), ("_q", "q_value")):
        np.testing.assert_equal(row[f"graph_joins_ei{column}"], statistics[name].sel(target=1).item())
    described = run_analysis["descriptors/hidden1__output"].to_dataset().sel(run="a", step=5, target=1)
    for name in described.data_vars:
        np.testing.assert_allclose(row[name], described[name].item(), rtol=1e-12, err_msg=str(name))


def test_neurons__those_without_an_answer_are_empty(run_analysis):
    silent = neurons(run_analysis).query("run == 'b' and projection == 'input__hidden1' and step == 7 and target in [1, 3]")
    assert silent.n_synapses.tolist() == [0, 0]
    assert silent[["morans_i", "morans_i_p", "morans_i_q", "lead"]].isna().all(axis=None)


def test_comparisons__has_a_row_per_projection_statistic_and_pair(run_analysis):
    table = comparisons(run_analysis)
    assert len(table) == 2 * run_analysis["statistics/input__hidden1"].sizes["statistic"]
    assert set(zip(table.a, table.b, strict=True)) == {("first", "last")}
    one = table.query("projection == 'input__hidden1' and statistic == 'lead'").iloc[0]
    compared = run_analysis["comparison/input__hidden1"].to_dataset().squeeze("comparison").sel(statistic="lead")
    for name in ("difference", "lower", "upper", "effect_size", "p_value", "smallest_p", "seeds_needed", "n_a", "n_b"):
        np.testing.assert_equal(one[name], compared[name].item())
    assert one.smallest_p == 0.5
