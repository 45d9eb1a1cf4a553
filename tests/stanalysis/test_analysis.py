from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stanalysis.analysis import analyze, fields_at, read_analysis, summary, synapses_at, write_analysis
from stanalysis.checkpoint import write_checkpoint
from stanalysis.errors import BadInput
from stanalysis.receptive_field import receptive_fields
from stanalysis.run import step_path, write_info
from stanalysis.stats.autocorrelation import morans_i
from stanalysis.synthetic import small_network


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
    assert moran.step.values.tolist() == [0, 3, 7, 10]
    assert json.loads(analysis.attrs["best_steps"]) == {"a": 10, "b": 7}


def test_analyze__equals_the_statistic_called_by_hand(analysis, runs):
    moran = analysis["autocorrelation/input__hidden1"].to_dataset().sel(run="b", step=7)
    fields = receptive_fields(small_network(step=7, seed=1), "input__hidden1")
    expected = morans_i(fields, n_permutations=49, seed=5).isel(step=0)
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
    assert [p.name for p in written] == ["out.nc", "out-summary.csv", "out-neurons.csv"]
    xr.testing.assert_equal(read_analysis(tmp_path / "out.nc"), analysis)
    neurons = pd.read_csv(tmp_path / "out-neurons.csv")
    assert len(neurons) == 2 * 3 * (4 + 2)
    assert {"run", "step", "target", "morans_i", "q_value", "projection"} <= set(neurons.columns)


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
