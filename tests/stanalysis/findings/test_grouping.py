from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stanalysis.analysis.analyze import analyze
from stanalysis.findings.grouping import (
    beside_published,
    grouping,
    grouping_of_conditions,
    smallest_p_of_parts,
    with_intervals,
)
from stanalysis.findings.tables import maps_summary
from tests.made_parts import PARTS, PROJECTION, STATISTICS, TESTS, analysis_of_parts, without_answers

CONDITIONS = {"one": ["a", "b", "c"], "alone": ["d"]}
KEPT = {"a": (0, 9), "b": (0, 7), "c": (4,), "d": (0, 9)}
COLUMNS = ("total", *PARTS)


@pytest.fixture(scope="module")
def analysis():
    def change(table):  # a neuron without any answer, and neurons and a network that cannot be tested for an interaction
        table["excess"][0, :, 2] = np.nan
        table["total"][0, :, 2] = np.nan
        table["network_p"][1, :, :, 2] = np.nan
        table["p_value"][:2, :, 1:4:2, :, 2] = np.nan
        return table

    return analysis_of_parts(CONDITIONS, kept=KEPT, change=change)


def interval(values):
    """Student's, by scipy."""
    values = np.asarray(values)[~np.isnan(values)]
    return stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))


def numbers(table, run, step, statistic):
    """What the neurons of one network have, by column."""
    here = table.sel(run=run, step=step, statistic=statistic)
    return {"total": here.total.values, **{part: here.excess.sel(part=part).values for part in PARTS}}


def test_grouping__equals_a_plain_recomputation(analysis):
    rows = grouping(analysis)
    assert rows[["run", "moment", "step"]].drop_duplicates().to_numpy().tolist() == [
        ["a", "first", 0], ["a", "last", 9], ["b", "first", 0], ["b", "last", 7], ["c", "last", 4], ["d", "first", 0],
        ["d", "last", 9],
    ]  # fmt: skip
    table = analysis[f"parts/{PROJECTION}"].to_dataset()
    for row in rows.to_dict("records"):
        values = numbers(table, row["run"], row["step"], row["statistic"])
        assert row["neurons"] == np.isfinite(values["total"]).sum() == (5 if row["run"] == "a" else 6)
        assert row["neurons_tested"] == {"a": 3, "b": 4}.get(row["run"], 6)  # one has a p-value, and no answer
        for name in COLUMNS:
            assert row[name] == pytest.approx(np.nanmean(values[name]))
            assert (row[f"{name}_lower"], row[f"{name}_upper"]) == pytest.approx(interval(values[name]))
        assert row["total"] == pytest.approx(sum(row[part] for part in PARTS))
        p = table.network_p.sel(run=row["run"], step=row["step"], statistic=row["statistic"]).values
        found = [row[f"{test.replace(' ', '_')}_p"] for test in TESTS]
        np.testing.assert_array_equal(found, p)


def test_grouping_of_conditions__networks_are_the_replicates(analysis):
    rows = grouping_of_conditions(analysis).set_index(["condition", "moment", "statistic"])
    each = grouping(analysis).set_index(["moment", "statistic", "run"])
    for (condition, moment, statistic), row in rows.iterrows():
        runs = [run for run in CONDITIONS[condition] if (moment, statistic, run) in each.index]
        networks = each.loc[[(moment, statistic, run) for run in runs]]
        assert row["networks"] == len(runs)
        assert (row["step_from"], row["step_to"]) == (networks["step"].min(), networks["step"].max())
        assert row["tested_share"] == pytest.approx((networks["neurons_tested"] / networks["neurons"]).mean())
        for name in COLUMNS:
            assert row[name] == pytest.approx(networks[name].mean())
            ends = (row[f"{name}_lower"], row[f"{name}_upper"])
            assert ends == pytest.approx(interval(networks[name]) if len(runs) > 1 else (np.nan, np.nan), nan_ok=True)
        for test in TESTS:
            p = networks[f"{test.replace(' ', '_')}_p"]
            assert row[f"{test.replace(' ', '_')}_tested"] == p.notna().sum()
            assert row[f"{test.replace(' ', '_')}_rejected"] == (p <= 0.05).sum()
        side = 1 if statistic == "graph_morans_i" else -1
        grouped = (networks["interaction_p"] <= 0.05) & (side * networks["interaction"] > 0)
        assert row["interaction_grouped"] == grouped.sum()
    assert {"first", "last"} == set(rows.index.get_level_values("moment"))


def test_with_intervals__of_one_network_they_are_over_its_neurons(analysis):
    rows = with_intervals(analysis).set_index(["condition", "moment", "statistic"])
    alone = grouping(analysis).set_index(["run", "moment", "statistic"])
    for name in ("total_lower", "interaction_upper"):
        assert rows.loc["alone"].loc[("last", STATISTICS[0]), name] == alone.loc[("d", "last", STATISTICS[0]), name]
    assert rows.loc[("alone", "last", STATISTICS[0]), ["replicates", "n"]].tolist() == ["neurons", 6]
    assert rows.loc[("one", "last", STATISTICS[0]), ["replicates", "n"]].tolist() == ["networks", 3]
    means = grouping_of_conditions(analysis).set_index(["condition", "moment", "statistic"])
    pd.testing.assert_frame_equal(rows.loc[["one"], means.columns], means.loc[["one"]])


def test_beside_published__equals_a_plain_recomputation(analysis):
    rows = beside_published(analysis).set_index(["moment", "procedure"])
    assert list(rows.index) == [(m, p) for m in ("first", "last") for p in ("published", *STATISTICS)]
    ends = {"first": {"a": 0, "b": 0, "d": 0}, "last": {"a": 9, "b": 7, "c": 4, "d": 9}}
    cells, parts = (analysis[f"{group}/{PROJECTION}"].to_dataset() for group in ("published", "parts"))
    for moment, steps in ends.items():
        fields = [cells.sel(run=run, step=step) for run, step in steps.items()]
        row = rows.loc[(moment, "published")]
        assert row["networks"] == len(steps)
        assert row["mean"] == pytest.approx(np.mean([f.morans_i.values.mean() for f in fields]))
        assert row["highest"] == pytest.approx(np.mean([f.morans_i.values.max() for f in fields]))
        assert row["expected"] == pytest.approx(-0.01)
        assert row["cells_share"] == pytest.approx(np.mean([(f.p_value.values <= 0.05).mean() for f in fields]))
        for statistic in STATISTICS:
            row = rows.loc[(moment, statistic)]
            networks = [parts.sel(run=run, step=step, statistic=statistic) for run, step in steps.items()]
            assert row["mean"] - row["expected"] == pytest.approx(np.mean([np.nanmean(n.total.values) for n in networks]))
            assert row["expected"] == pytest.approx(40)
            assert np.isnan(row["highest"]) == (statistic != "graph_morans_i")
            for test in TESTS:
                name, p = test.replace(" ", "_"), [n.network_p.sel(test=test).item() for n in networks]
                assert row[f"{name}_rejected"] == sum(one <= 0.05 for one in p)
                assert row[f"{name}_tested"] == sum(not np.isnan(one) for one in p)
                assert row[f"{name}_share"] == pytest.approx(
                    np.mean([(n.p_value.sel(test=test).dropna("target").values <= 0.05).mean() for n in networks])
                )


def test_tables__of_an_analysis_without_the_groups_are_empty_or_without_those_rows():
    neither = analysis_of_parts(CONDITIONS, parts=False, published=False)
    for table in (grouping, grouping_of_conditions, with_intervals, beside_published):
        assert table(neither).empty
    without_lattice = analysis_of_parts(CONDITIONS, published=False)
    assert set(beside_published(without_lattice)["procedure"]) == set(STATISTICS)
    assert set(beside_published(analysis_of_parts(CONDITIONS, parts=False))["procedure"]) == {"published"}


def test_grouping__rounding_is_nothing():
    def change(table):
        table["excess"] = table.excess * 0 + 1e-14
        return table

    assert (grouping(analysis_of_parts({"": ["a"]}, change=change))["interaction"] == 0).all()


def test_grouping__neurons_without_an_answer_leave_none():
    rows = grouping_of_conditions(analysis_of_parts(CONDITIONS, change=without_answers))
    assert (rows["networks"] == 0).all()
    assert rows[list(COLUMNS)].isna().all(axis=None)
    assert (rows["interaction_tested"] == 0).all()
    assert rows["tested_share"].isna().all()


def test_smallest_p_of_parts__is_that_of_its_own_draws():
    assert smallest_p_of_parts(analysis_of_parts(CONDITIONS), PROJECTION) == 2 / 200
    assert smallest_p_of_parts(analysis_of_parts(CONDITIONS, alternative="less"), PROJECTION) == 1 / 200


@pytest.mark.slow
def test_grouping__does_not_depend_on_the_null_asked_for(tmp_path, write_silent_run):
    run = write_silent_run(tmp_path / "a", seed=0)
    found = [analyze([run], n_permutations=9, null=null) for null in ("delays", "untrained")]
    pd.testing.assert_frame_equal(*map(grouping, found))
    assert grouping(found[1])["total"].notna().any()
    assert all(maps_summary(one).empty for one in found)
