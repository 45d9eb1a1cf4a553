from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stanalysis.analysis.analyze import analyze
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.run import step_path, write_info
from stanalysis.findings import effects as module
from stanalysis.findings.effects import (
    accuracies_of_conditions,
    conditions_with,
    findings,
    first_and_trained,
    main_statistics,
    retained_means,
    smallest_network_p,
)
from stanalysis.findings.tables import statistics_summary
from stanalysis.synthetic.network import small_network

pytestmark = pytest.mark.slow

PROJECTION = "input__hidden1"
SETTINGS = json.dumps({"hidden": [5]})


def network(*, step, seed):
    tree = small_network(step=step, seed=seed, n_source=8, n_target=5)
    tree.attrs["config"] = SETTINGS
    return tree


def write_run(path, *, seed, steps=(0, 5, 9), best=None):
    write_info(path, {"method": "dcls", "seed": seed})
    for step in steps:
        write_checkpoint(network(step=step, seed=seed), step_path(path, step))
    if best is not None:
        write_checkpoint(network(step=best, seed=seed), path / "best.nc")
    return path


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    runs = [write_run(folder / "a", seed=0, best=5), write_run(folder / "b", seed=1, best=5), write_run(folder / "c", seed=2)]
    return analyze(runs, n_permutations=49, seed=2)


@pytest.fixture(scope="module")
def table(analysis):
    return findings(analysis).set_index(["projection", "moment", "statistic"])


def test_first_and_trained__the_trained_step_is_best_on_validation_or_last(analysis):
    assert first_and_trained(analysis, PROJECTION) == {"a": (0, 5), "b": (0, 5), "c": (0, 9)}


def test_conditions_with__leaves_out_conditions_without_networks(analysis):
    altered = analysis.copy()
    altered.attrs = analysis.attrs | {"conditions": json.dumps({"x": ["a", "b"], "y": ["c"]})}
    assert conditions_with(altered, ["b", "a"]) == {"x": ["a", "b"]}


def test_main_statistics__are_those_that_matter_most():
    assert main_statistics() == ["morans_i", "graph_morans_i", "graph_joins_ei"]


def test_smallest_network_p__is_that_of_the_draws(analysis):
    assert smallest_network_p(analysis) == 2 / 50
    one_sided = analysis.copy()
    one_sided.attrs = analysis.attrs | {"alternative": "greater"}
    assert smallest_network_p(one_sided) == 1 / 50
    undrawn = analysis.copy()
    undrawn.attrs = analysis.attrs | {"null": "untrained"}
    assert np.isnan(smallest_network_p(undrawn))


def test_findings__excess_is_a_mean_over_networks_with_the_interval_of_a_t_test(analysis, table):
    statistics = analysis[f"statistics/{PROJECTION}"].to_dataset().sel(statistic="graph_morans_i")
    at = {"a": 5, "b": 5, "c": 9}
    beyond = {step_of: [] for step_of in ("first", "trained")}
    for run, trained in at.items():
        for moment, step in (("first", 0), ("trained", trained)):
            one = statistics.sel(run=run, step=step)
            beyond[moment].append(np.nanmean(one.value - one.expected))
    for moment, values in (*beyond.items(), ("change", np.subtract(beyond["trained"], beyond["first"]))):
        row = table.loc[(PROJECTION, moment, "graph_morans_i")]
        interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert row.excess == pytest.approx(np.mean(values))
        assert (row.lower, row.upper) == pytest.approx((interval.low, interval.high))
        assert row.networks == 3
        assert np.isnan(row.neurons_lower)
    assert tuple(table.loc[(PROJECTION, "trained", "graph_morans_i"), ["step_from", "step_to"]]) == (5, 9)


def test_findings__p_values_and_shares_are_those_of_the_summary(analysis, table):
    summary = statistics_summary(analysis).set_index(["projection", "run", "step", "statistic"])
    for statistic in ("morans_i", "lead", "joins_ei"):
        rows = pd.DataFrame([summary.loc[(PROJECTION, run, step, statistic)] for run, step in (("a", 5), ("b", 5), ("c", 9))])
        row = table.loc[(PROJECTION, "trained", statistic)]
        low = rows[rows["network_p"] <= 0.05]
        assert row.tested == rows["network_p"].notna().sum()
        assert (row.above, row.below) == ((low["mean_z"] > 0).sum(), (low["mean_z"] < 0).sum())
        assert (row.smallest_p, row.largest_p) == (rows["network_p"].min(), rows["network_p"].max())
        assert row.significant == pytest.approx(rows["significant"].mean())
        assert row.answered == rows["answered"].sum()
        assert row.neurons == (rows["answered"] + rows["no_answer"]).sum() == 15


def test_findings__one_network_has_the_spread_of_its_neurons_and_no_interval(tmp_path):
    analysis = analyze([write_run(tmp_path / "alone", seed=0, steps=(3,))], n_permutations=19)
    found = findings(analysis)
    assert set(found["moment"]) == {"trained"}
    row = found.set_index(["projection", "statistic"]).loc[(PROJECTION, "morans_i")]
    one = analysis[f"statistics/{PROJECTION}"].to_dataset().sel(statistic="morans_i").isel(run=0, step=0)
    ends = np.nanquantile(one.value - one.expected, [0.025, 0.975])
    assert (row.neurons_lower, row.neurons_upper) == pytest.approx(tuple(ends))
    assert np.isnan(row.lower)


def test_findings__untrained_networks_have_nothing_beyond_themselves(tmp_path):
    found = findings(analyze([write_run(tmp_path / "alone", seed=0)], null="untrained"))
    first = found[found["moment"] == "first"]
    assert (first["excess"] == 0).all()
    assert (first["tested"] == 0).all()


def test_accuracies_of_conditions__are_at_the_best_and_at_the_last_step(analysis):
    found = accuracies_of_conditions(analysis).set_index("moment")
    metrics = analysis["metrics"].to_dataset().test_accuracy
    last = [metrics.sel(run=run).dropna("step").values[-1] for run in "abc"]
    best = [metrics.sel(run=run, step=5).item() for run in "ab"]  # of c none is known
    for moment, values in (("last", last), ("best", best)):
        row = found.loc[moment]
        assert row.networks == len(values)
        assert (row["mean"], row.lowest, row.highest) == pytest.approx((np.mean(values), min(values), max(values)))


def test_accuracies_of_conditions__is_empty_where_none_are_known(analysis):
    without = analysis.copy()
    without["metrics"] = without["metrics"].to_dataset().drop_vars("test_accuracy")
    assert accuracies_of_conditions(without).empty


def test_retained_means__are_of_the_networks_with_structure_and_enough_answers(analysis, monkeypatch):
    of = {"projection": PROJECTION, "condition": "", "criterion": "magnitude", "statistic": "morans_i"}
    rows = [
        {**of, "run": "a", "fraction": 0.0, "retained": 1.0, "mean_z": 2.0, "overlap": 1.0, "p_value": 0.01, "answered": 10},
        {**of, "run": "b", "fraction": 0.0, "retained": np.nan, "mean_z": 0.0, "overlap": 1.0, "p_value": 0.01, "answered": 10},
        {**of, "run": "a", "fraction": 0.5, "retained": 0.4, "mean_z": 1.0, "overlap": 0.8, "p_value": 0.04, "answered": 8},
        {**of, "run": "b", "fraction": 0.5, "retained": np.nan, "mean_z": 0.0, "overlap": 0.6, "p_value": 0.04, "answered": 8},
        {**of, "run": "a", "fraction": 0.9, "retained": 0.1, "mean_z": 1.0, "overlap": 0.2, "p_value": 0.2, "answered": 4},
        {**of, "run": "b", "fraction": 0.9, "retained": np.nan, "mean_z": 0.0, "overlap": 0.2, "p_value": 0.2, "answered": 4},
    ]
    monkeypatch.setattr(module, "retained", lambda _: pd.DataFrame(rows))
    found = retained_means(analysis).set_index("fraction")
    assert found["retained"].tolist()[:2] == [1.0, 0.4]
    assert found["overlap"].tolist() == pytest.approx([1.0, 0.7, 0.2])
    assert found["networks"].tolist() == [2, 2, 2]
    assert found["with_structure"].tolist() == [1, 1, 1]
    assert found["beyond"].tolist() == [2, 2, 0]
    assert np.isnan(found.loc[0.9, ["retained", "mean_z"]].astype(float)).all()


def test_retained_means__is_empty_without_pruning(analysis):
    assert retained_means(analysis).empty
