from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stanalysis.analysis.analyze import analyze
from stanalysis.analysis.extent import Stage
from stanalysis.analysis.memory import PROGRAM
from stanalysis.errors import BadInput
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.files.analysis import kept_steps, read_analysis
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.run import step_path, write_info
from stanalysis.files.sweep import read_sweep
from stanalysis.findings.networks import fields_at, synapses_at
from stanalysis.findings.tables import summary, sweep_summary
from stanalysis.findings.writing import write_analysis
from stanalysis.stats.spatial.autocorrelation import morans_i
from stanalysis.synthetic.network import small_network

pytestmark = pytest.mark.slow


def write_run(path, *, seed=0, steps=(0, 3, 10), best=10, **sizes):
    write_info(path, {"method": "dcls", "seed": seed})
    for step in steps:
        write_checkpoint(small_network(step=step, seed=seed, **sizes), step_path(path, step))
    write_checkpoint(small_network(step=best, seed=seed, **sizes), path / "best.nc")
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [write_run(folder / "a", seed=0), write_run(folder / "b", seed=1, steps=(0, 10), best=7)]


@pytest.fixture(scope="module")
def analysis(runs):
    return analyze(runs, n_permutations=49, seed=5)


def test_analyze__groups_have_a_dim_run_with_its_coordinates(analysis):
    moran = analysis["autocorrelation/input__hidden1"].to_dataset()
    assert dict(moran.sizes) == {"run": 2, "step": 4, "target": 4}
    assert moran.run.values.tolist() == ["a", "b"]
    assert moran.seed.values.tolist() == [0, 1]
    assert moran.method.values.tolist() == ["dcls", "dcls"]
    assert moran.sparsity.values.tolist() == [0.0, 0.0]
    assert moran.connectivity.values.tolist() == moran.delays.values.tolist() == ["", ""]
    assert moran.step.values.tolist() == [0, 3, 7, 10]
    assert json.loads(analysis.attrs["best_steps"]) == {"a": 10, "b": 7}


def test_analyze__equals_the_statistic_called_by_hand(analysis, runs):
    moran = analysis["autocorrelation/input__hidden1"].to_dataset().sel(run="b", step=7)
    fields = receptive_fields(small_network(step=7, seed=1), "input__hidden1")
    expected = morans_i(fields, n_permutations=49, joint=True, seed=5).isel(step=0)
    for name in ("morans_i", "expected", "z_score", "p_value"):
        np.testing.assert_array_equal(moran[name], expected[name])


def test_analyze__a_step_that_a_run_lacks_is_nan(analysis):
    moran = analysis["autocorrelation/input__hidden1"].to_dataset()
    assert moran.morans_i.sel(run="b", step=3).isnull().all()
    assert summary(analysis).groupby("run").step.nunique().to_dict() == {"a": 3, "b": 3}


def test_analyze__runs_together_equal_runs_alone(analysis, runs):
    alone = analyze(runs[1:], n_permutations=49, seed=5)["autocorrelation/input__hidden1"].to_dataset()
    together = analysis["autocorrelation/input__hidden1"].to_dataset().sel(run=["b"], step=[0, 7, 10])
    for name in alone.data_vars:
        np.testing.assert_array_equal(alone[name], together[name], err_msg=str(name))


def test_analyze__takes_a_single_checkpoint(runs):
    analysis = analyze([runs[0] / "step-000003.nc"], n_permutations=19)
    assert analysis["autocorrelation/input__hidden1"].step.values.tolist() == [3]


def test_analyze__folders_of_one_name_stay_apart(tmp_path):
    paths = [write_run(tmp_path / k / "run", seed=0, steps=(0,), best=0) for k in "xy"]
    analysis = analyze(paths, n_permutations=9)
    assert analysis["metrics"].run.values.tolist() == ["run-1", "run-2"]


def test_analyze__networks_of_other_sizes_are_refused(tmp_path, runs):
    other = write_run(tmp_path / "c", n_source=7)
    with pytest.raises(BadInput, match="differ in the size"):
        analyze([runs[0], other], n_permutations=9)


def test_write_analysis__reads_back(analysis, tmp_path):
    written = write_analysis(analysis, tmp_path / "out.nc")
    tables = ("summary", "neurons", "grouping", "grouping-conditions", "published")
    assert [p.name for p in written] == ["out.nc", *(f"out-{table}.csv" for table in tables)]
    xr.testing.assert_equal(read_analysis(tmp_path / "out.nc"), analysis)
    neurons = pd.read_csv(tmp_path / "out-neurons.csv")
    assert len(neurons) == 2 * 3 * (4 + 2)
    assert {"run", "step", "target", "n_synapses", "morans_i", "morans_i_p", "morans_i_q", "projection"} <= set(neurons.columns)


def test_read_analysis__a_checkpoint_is_none(tmp_path):
    write_checkpoint(small_network(), tmp_path / "c.nc")
    with pytest.raises(BadInput, match="no whole analysis file"):
        read_analysis(tmp_path / "c.nc")


def test_fields_at__rebuilds_the_receptive_fields_of_the_run(analysis):
    table = synapses_at(analysis, "input__hidden1", run="a", step=10)
    assert table.sizes["synapse"] == 24
    found = fields_at(analysis, "input__hidden1", run="b", step=10)
    expected = receptive_fields(small_network(step=10, seed=1), "input__hidden1").isel(step=0)
    np.testing.assert_array_equal(found.receptive_field, expected.receptive_field)
    np.testing.assert_array_equal(found.frequency, expected.frequency)


def test_analyze__a_folder_without_checkpoints_gets_a_sentence(tmp_path):
    write_info(tmp_path, {"method": "dcls"})
    with pytest.raises(BadInput, match="holds no checkpoint"):
        analyze([tmp_path])


def test_analyze__other_time_steps_are_refused(tmp_path, runs):
    tree = small_network()
    tree.attrs["dt"] = 5.0
    write_checkpoint(tree, tmp_path / "faster.nc")
    with pytest.raises(BadInput, match="differ in dt"):
        analyze([runs[0], tmp_path / "faster.nc"], n_permutations=9)


def test_fields_at__keeps_runs_of_other_depth_apart(tmp_path, runs):
    shallow = small_network(step=0, seed=9)
    del shallow["projections"]["hidden1__output"]
    write_checkpoint(shallow, tmp_path / "shallow.nc")
    analysis = analyze([tmp_path / "shallow.nc", runs[1]], n_permutations=9)
    assert analysis["autocorrelation/hidden1__output"].run.values.tolist() == ["b"]
    found = fields_at(analysis, "hidden1__output", run="b", step=10)
    expected = receptive_fields(small_network(step=10, seed=1), "hidden1__output").isel(step=0)
    np.testing.assert_array_equal(found.receptive_field, expected.receptive_field)


def test_read_analysis__an_incomplete_file_gets_a_sentence(analysis, tmp_path):
    broken = analysis.copy()
    del broken["distribution/input__hidden1"]["count"]
    write_analysis(broken, tmp_path / "broken.nc")
    with pytest.raises(BadInput, match="no whole analysis file"):
        read_analysis(tmp_path / "broken.nc")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("best_steps", "{}"), ("conditions", '{"": ["a"]}'), ("runs", "no JSON"), ("provenance", "[]"), ("source", 99)],
)
def test_read_analysis__what_does_not_fit_together_gets_a_sentence(analysis, tmp_path, attribute, value):
    broken = analysis.copy()
    if attribute == "source":
        table = broken["synapses/input__hidden1"].to_dataset()
        table["source"] = table.source.astype(int) + value
        broken["synapses/input__hidden1"].dataset = table
    else:
        broken.attrs[attribute] = value
    broken.to_netcdf(tmp_path / "broken.nc", engine="h5netcdf")
    with pytest.raises(BadInput, match=r"no whole analysis file|expected JSON with"):
        read_analysis(tmp_path / "broken.nc")


@pytest.mark.parametrize(
    ("group", "name", "dim"),
    [("autocorrelation", "morans_i", "target"), ("statistics", "value", "step"), ("network", "mean_z", "statistic")],
)
def test_read_analysis__a_variable_of_another_shape_gets_a_sentence(analysis, tmp_path, group, name, dim):
    broken = analysis.copy()
    table = broken[f"{group}/input__hidden1"].to_dataset()
    broken[f"{group}/input__hidden1"].dataset = table.assign({name: table[name].isel({dim: 0}, drop=True)})
    broken.to_netcdf(tmp_path / "broken.nc", engine="h5netcdf")
    with pytest.raises(BadInput, match="no whole analysis file"):
        read_analysis(tmp_path / "broken.nc")


def test_kept_steps__are_those_of_the_run(analysis):
    moran = analysis["autocorrelation/input__hidden1"].to_dataset()
    assert [kept_steps(moran.sel(run=run)) for run in "ab"] == [[0, 3, 10], [0, 7, 10]]


def test_analyze__synapse_tables_are_narrow_and_keep_the_contacts(tmp_path):
    tree = small_network()
    table = tree["projections/input__hidden1"].to_dataset().isel(synapse=[0, 0, 1, 2])
    contact = xr.DataArray(np.array([1, 0, 0, 3], np.int32), dims="synapse", attrs={"units": "1"})
    for name, given in (("without", table), ("with", table.assign(contact=contact))):
        tree["projections/input__hidden1"].dataset = given
        write_checkpoint(tree, tmp_path / f"{name}.nc")
    analysis = analyze([tmp_path / "without.nc", tmp_path / "with.nc"], n_permutations=9)
    found = analysis["synapses/input__hidden1"].to_dataset()
    assert found.contact.values.tolist() == [0, 1, 0, 0, 1, 0, 0, 3]
    assert {str(v): str(a.dtype) for v, a in found.data_vars.items()} == {
        "source": "uint8",
        "target": "uint8",
        "contact": "uint8",
        "delay": "float64",  # as the checkpoint has it
        "weight": "float32",
        "step": "int32",
        "run": "int16",
    }
    assert found.delay.attrs["units"] == "ms"
    # four synapses and the output's eight, for 24 + 8 pairs
    assert analysis["metrics"].sparsity.values.tolist() == pytest.approx([1 - 12 / 32] * 2)


@pytest.mark.parametrize("config", ["no JSON", "[1]", '{"other": 1}'])
def test_analyze__a_configuration_that_says_nothing_is_empty(tmp_path, config):
    tree = small_network()
    tree.attrs["config"] = config
    write_checkpoint(tree, tmp_path / "one.nc")
    metrics = analyze([tmp_path / "one.nc"], n_permutations=9)["metrics"]
    assert (metrics.connectivity.item(), metrics.delays.item()) == ("", "")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, write_sweep):
    folder, sizes = tmp_path_factory.mktemp("sweeps") / "one", {"n_source": 8, "n_target": 6}
    # the networks of one grid point keep a step between the first and the last, too
    write_sweep(folder, connectivity=["rewired"], delays=["learned"], sparsities=[0.5], steps=[3], **sizes)
    return write_sweep(folder, sparsities=[0.5, 0.95], **sizes)


@pytest.fixture(scope="module")
def swept(sweep):
    return analyze([sweep], n_permutations=19, statistics=["lattice"])


def test_analyze__a_sweep_stands_for_its_finished_runs(sweep, swept):
    names = read_sweep(sweep).run.values.tolist()
    assert json.loads(swept.attrs["runs"]) == names
    found = swept["sweep"].to_dataset()
    xr.testing.assert_identical(
        found.assign_attrs(dataset=0, n_output=0), read_sweep(sweep).assign_attrs(dataset=0, n_output=0)
    )
    assert found.attrs == {"dataset": "none", "n_output": 2}
    moran = swept["autocorrelation/input__hidden1"].to_dataset()
    assert moran.connectivity.values.tolist() == found.connectivity.values.tolist()
    assert moran.delays.values.tolist() == found.delays.values.tolist()
    np.testing.assert_allclose(moran.sparsity, found.sparsity, atol=0.02)


def test_analyze__without_a_sweep_there_is_no_table(analysis):
    assert "sweep" not in analysis.children


def test_analyze__two_sweeps_and_a_run_are_joined_under_distinct_names(sweep, tmp_path, write_sweep):
    options = {"connectivity": ["fixed"], "delays": ["fixed"], "sparsities": [0.0], "n_source": 8, "n_target": 6}
    other = write_sweep(tmp_path / "two", seeds=[0, 7], **options)
    alone = sweep / "rewired-learned-0.5-0"
    first = write_sweep(tmp_path / "three", seeds=[0], **options)
    joined = analyze([first, alone, other], n_permutations=9)
    assert json.loads(joined.attrs["runs"]) == [
        "fixed-fixed-0-0-1",
        "rewired-learned-0.5-0",
        "fixed-fixed-0-0-2",
        "fixed-fixed-0-7",
    ]
    table = joined["sweep"].to_dataset()
    assert table.run.values.tolist() == ["fixed-fixed-0-0-1", "fixed-fixed-0-0-2", "fixed-fixed-0-7"]
    assert table.seed.values.tolist() == [0, 0, 7]


def test_analyze__a_run_of_a_sweep_given_by_itself_too_is_given_twice(sweep):
    with pytest.raises(BadInput, match="given twice"):
        analyze([sweep, sweep / "fixed-fixed-0.5-0"], n_permutations=9)


def test_analyze__a_finished_run_that_is_gone_gets_a_sentence(tmp_path, write_sweep):
    folder = write_sweep(tmp_path, sparsities=[0.0], seeds=[0])
    shutil.rmtree(folder / "rewired-fixed-0-0")
    with pytest.raises(BadInput, match="rewired-fixed-0-0 does not exist"):
        analyze([folder], n_permutations=9)


def test_analyze__sweeps_on_other_data_are_refused(tmp_path, write_sweep):
    options = {"connectivity": ["fixed"], "delays": ["fixed"], "sparsities": [0.0], "steps": [0]}
    sweeps = [write_sweep(tmp_path / "a", seeds=[0], **options), write_sweep(tmp_path / "b", seeds=[1], **options)]
    path = step_path(sweeps[1] / "fixed-fixed-0-1", 0)
    tree = small_network(seed=1)
    tree.attrs["dataset"] = "digits"
    write_checkpoint(tree, path)
    with pytest.raises(BadInput, match=r"differ in data set \(digits, none\)"):
        analyze(sweeps, n_permutations=9)


def test_analyze__a_projection_without_any_answer_is_nan_and_counted(swept):
    # at 95 % sparsity every neuron has fewer than 4 synapses
    rows = summary(swept)
    sparse = rows[rows.run.str.contains("-0.95-")]
    assert (sparse.no_answer == sparse.neurons).all()
    assert sparse[["median_i", "expected", "mean_z", "network_p", "significant"]].isna().all(axis=None)


def test_analyze__a_network_may_lose_every_synapse(tmp_path):
    tree = small_network()
    for node in tree["projections"].children.values():
        node.dataset = node.to_dataset().isel(synapse=[])
    write_checkpoint(tree, tmp_path / "empty.nc")
    analysis = analyze([tmp_path / "empty.nc"], n_permutations=9)
    assert summary(analysis).no_answer.tolist() == [4, 2]
    assert analysis["metrics"].sparsity.values.tolist() == [1.0]
    write_analysis(analysis, tmp_path / "out.nc")
    xr.testing.assert_equal(read_analysis(tmp_path / "out.nc"), analysis)


def test_sweep_summary__is_the_mean_over_the_networks_of_a_grid_point(swept):
    found = sweep_summary(swept)
    assert len(found) == 2 * 2 * 2 * 2 * 2  # projections, connectivity, delays, sparsities, first and last step
    assert (found.networks == 2).all()
    one = found.query(
        "projection == 'input__hidden1' and connectivity == 'rewired' and delays == 'learned' and sparsity == 0.5"
    )
    rows = summary(swept).query("projection == 'input__hidden1' and run in ['rewired-learned-0.5-0', 'rewired-learned-0.5-1']")
    for end, step in (("first", 0), ("last", 5)):
        expected = rows[rows.step == step]
        for name in ("no_answer", "median_i", "expected", "mean_z", "significant"):
            assert one[one.end == end][name].item() == pytest.approx(expected[name].mean()), name
        assert one[one.end == end].structured.item() == (expected.network_p <= 0.05).mean()
    assert found[found.sparsity == 0.95][["mean_z", "structured"]].isna().all(axis=None)


def test_write_analysis__a_sweep_reads_back(swept, tmp_path):
    write_analysis(swept, tmp_path / "out.nc")
    found = read_analysis(tmp_path / "out.nc")
    xr.testing.assert_equal(found, swept)
    assert found["sweep"].attrs == swept["sweep"].attrs
    assert len(pd.read_csv(tmp_path / "out-neurons.csv")) == (16 * 2 + 2) * (6 + 2)


def test_read_analysis__a_sweep_without_its_columns_gets_a_sentence(swept, tmp_path):
    broken = swept.copy()
    del broken["sweep"]["last_test_accuracy"]
    write_analysis(broken, tmp_path / "broken.nc")
    with pytest.raises(BadInput, match="no whole analysis file"):
        read_analysis(tmp_path / "broken.nc")


def identical(one, other):
    """Whether two analyses are the same bit for bit, attributes and order included."""
    xr.testing.assert_identical(one, other)
    for node, twin in zip(one.subtree, other.subtree, strict=True):
        for name, variable in node.to_dataset().variables.items():
            assert variable.dtype == twin[str(name)].dtype
    return True


def test_analyze__workers_change_no_number_and_no_order(runs, tmp_path):
    paths = [*runs, write_run(tmp_path / "c", seed=2, steps=(0, 4))]
    options = {"n_permutations": 19, "statistics": ["lattice", "graph", "survival"], "compare": "step"}
    stages: list[Stage] = []
    alone = analyze(paths, **options)
    together = analyze(paths, **options, workers=2, progress=stages.append)
    assert identical(alone, together)
    assert [stage.done for stage in stages] == [0, 0, 1, 2, 3]
    assert stages[0] == Stage(("a", "b"), 0, 3, None)
    assert stages[-1].under_way == ()


def test_analyze__tells_each_network_before_it_is_read_and_how_far_it_is(runs):
    stages: list[Stage] = []
    analysis = analyze(runs, n_permutations=9, statistics=["lattice"], progress=stages.append)
    assert list(dict.fromkeys(stage.under_way for stage in stages)) == [("a",), ("b",), ()]
    done = [stage.done for stage in stages]
    assert done == sorted(done)
    assert done[-1] == 2
    assert stages[0].extent is None
    assert len({stage.extent for stage in stages[1:]}) == 1
    extent = stages[-1].extent
    table = analysis["statistics/input__hidden1"].to_dataset().isel(run=0)
    steps = int(table.n_synapses.notnull().any("target").sum())
    projections = analysis["statistics"].children.values()
    n_fields = steps * sum(projection.sizes["target"] for projection in projections)
    assert (extent.n_steps, extent.n_projections, extent.n_fields, extent.n_draws) == (steps, len(projections), n_fields, 9)
    assert PROGRAM < extent.memory < PROGRAM + 1_000_000  # which is little
    # before each network is read, and of each: when it is, when it begins, all steps, when it is done
    assert len(stages) == 1 + 2 * (2 + extent.n_projections * steps + 1)


def test_analyze__an_error_in_a_process_is_the_same_sentence(runs, tmp_path):
    write_checkpoint(small_network(step=4), tmp_path / "late.nc")
    with pytest.raises(BadInput, match="compares with step 0, of which late has no checkpoint"):
        analyze([*runs, tmp_path / "late.nc"], null="untrained", statistics=["lattice"], workers=2)


def test_analyze__fewer_workers_than_one_get_a_sentence(runs):
    with pytest.raises(BadInput, match="0 workers are asked for"):
        analyze(runs, workers=0)
