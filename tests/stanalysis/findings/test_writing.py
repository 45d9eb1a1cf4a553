from __future__ import annotations

import pandas as pd
import pytest
import xarray as xr

from stanalysis.analysis.analyze import analyze
from stanalysis.files.analysis import read_analysis
from stanalysis.findings.tables import comparisons, neurons, statistics_summary
from stanalysis.findings.writing import write_analysis


@pytest.mark.slow
def test_write_analysis__writes_what_was_compared_and_reads_back(run_analysis, tmp_path):
    written = write_analysis(run_analysis, tmp_path / "out.nc")
    names = ["summary", "neurons", "grouping", "grouping-conditions", "published", "comparison"]
    names += ["lifetimes", "hazards", "lasting", "episodes"]  # synapses differ between steps
    assert [p.name for p in written] == ["out.nc", *(f"out-{name}.csv" for name in names)]
    read = read_analysis(tmp_path / "out.nc")
    xr.testing.assert_equal(read, run_analysis)
    for name, table in (("summary", statistics_summary), ("neurons", neurons), ("comparison", comparisons)):
        found = pd.read_csv(tmp_path / f"out-{name}.csv", keep_default_na=name != "comparison", na_values=[""])
        assert found.columns.tolist() == table(run_analysis).columns.tolist()
        assert len(found) == len(table(run_analysis))
        assert comparisons(read).equals(comparisons(run_analysis))


@pytest.mark.slow
def test_write_analysis__maps_and_curves_read_back(write_silent_run, tmp_path):
    runs = [
        write_silent_run(tmp_path / "a", seed=0, steps=(0,)),
        write_silent_run(tmp_path / "b", seed=1, steps=(0, 7), silent=[1]),
    ]
    analysis = analyze(runs, statistics=["local", "correlogram", "smoothing", "pairs"], n_permutations=9)
    write_analysis(analysis, tmp_path / "out.nc")
    read = read_analysis(tmp_path / "out.nc")
    xr.testing.assert_equal(read, analysis)
    for name in ("local", "correlogram", "smoothing", "pairs"):
        assert read[f"{name}/input__hidden1"].step.values.tolist() == [0, 7]
        assert read[f"{name}/input__hidden1"].run.values.tolist() == ["a", "b"]
