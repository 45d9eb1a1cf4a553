from __future__ import annotations

import json

import numpy as np
import pytest

from stanalysis.analysis.analyze import analyze
from stanalysis.analysis.operations import joined_operations
from stanalysis.errors import BadInput
from stanalysis.files.analysis import read_analysis, validate_analysis
from stanalysis.files.operations import OPERATIONS, SETTING, read_operations, write_operations
from stanalysis.findings.writing import write_analysis
from tests.operated import operated, write_operated, write_operated_run


def analysed(runs, **options):
    return analyze(runs, n_permutations=9, statistics=["lattice"], check=False, **options)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three networks, one of which was not jittered, and one never operated on."""
    folder = tmp_path_factory.mktemp("runs")
    lacking = {2: ("delay-jitter",)}
    made = [write_operated_run(folder / f"n{seed}", seed=seed, without=lacking.get(seed, ())) for seed in range(4)]
    (made[3] / "operations.csv").unlink()
    return made


@pytest.fixture(scope="module")
def analysis(runs):
    return analysed(runs)


def test_analyze__joins_what_networks_can_still_do(analysis, runs):
    table = analysis["operations"].to_dataset()
    assert [str(run) for run in table.run.values] == ["n0", "n1", "n2"]
    assert table.operated_step.values.tolist() == [5, 5, 5]
    for run in runs[:3]:
        alone = read_operations(run)
        part = table.sel(run=run.name).reindex(setting=alone.setting)
        np.testing.assert_array_equal(part.test_accuracy, alone.test_accuracy)
        assert all((part[name] == alone[name]).all() for name in SETTING)
    lacking = table.sel(run="n2").isel(setting=np.flatnonzero(table.operation.values == "delay-jitter"))
    assert lacking.sizes["setting"] == len(OPERATIONS["delay-jitter"].levels)
    assert lacking.test_accuracy.isnull().all()
    assert str(runs[0] / "operations.csv") in json.loads(analysis.attrs["provenance"])["n0"]


def test_joined_operations__settings_stand_in_the_order_of_the_records(tmp_path):
    parts = []
    for name, gone in (("a", ("axonal", "delay-levels")), ("b", ())):
        (tmp_path / name).mkdir()
        write_operated(tmp_path / name, without=gone)
        parts.append(read_operations(tmp_path / name).expand_dims(run=[name]))
    joined = joined_operations(parts)
    assert list(dict.fromkeys(joined.operation.values.tolist())) == ["intact", *OPERATIONS]
    assert joined.matched.dtype == bool
    assert joined.dose.attrs == parts[0].dose.attrs


def test_analyze__is_the_same_out_of_the_cache_and_out_of_the_file(analysis, runs, tmp_path):
    for _ in range(2):
        again = analysed(runs, cache=tmp_path / "cache")["operations"].to_dataset()
        assert again.equals(analysis["operations"].to_dataset())
    write_analysis(analysis, tmp_path / "a.nc")
    assert read_analysis(tmp_path / "a.nc")["operations"].to_dataset().equals(analysis["operations"].to_dataset())
    assert {path.name for path in tmp_path.glob("a-*.csv")} >= {"a-operations.csv", "a-tolerances.csv", "a-surgery.csv"}


def test_analyze__without_operations_has_no_such_group(runs, tmp_path):
    result = analysed([runs[3]])
    assert "operations" not in result.children
    write_analysis(result, tmp_path / "a.nc")
    assert not [path for path in tmp_path.glob("a-*.csv") if path.name.endswith(("operations.csv", "surgery.csv"))]


def test_analyze__operations_of_another_step_are_left_out(tmp_path):
    run = write_operated_run(tmp_path / "run", step=7)
    result = analysed([run])
    assert "operations" not in result.children
    told = "operations.csv of run is of a step of which no checkpoint is kept, and left out; run `stanalysis operate` again."
    assert told in json.loads(result.attrs["warnings"])
    write_operations(run, operated(step=0))
    result = analysed([run])
    assert result["operations"].operated_step.item() == 0
    assert told not in json.loads(result.attrs["warnings"])


def test_analyze__a_damaged_table_is_bad_input(tmp_path):
    run = write_operated_run(tmp_path / "run")
    write_operations(run, operated().assign(dose="none"))
    with pytest.raises(BadInput, match="no column 'dose'"):
        analysed([run])


@pytest.mark.parametrize("change", [lambda t: t.drop_vars("dose"), lambda t: t.drop_vars("arm"), lambda t: t.isel(draw=0)])
def test_validate_analysis__wants_the_whole_group(analysis, change):
    groups = dict(analysis.to_dict())
    groups["/operations"] = change(groups["/operations"])
    with pytest.raises(BadInput, match="no whole analysis file"):
        validate_analysis(type(analysis).from_dict(groups))
