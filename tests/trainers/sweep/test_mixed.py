"""A sweep of every method that trains, from a file: prepared, then trained by whoever there is; and what its folder tells."""

from __future__ import annotations

import json

import numpy as np
import pytest

from stanalysis.cli import main as cli
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.records import read_table
from stanalysis.files.sweep import read_lines
from tests.trainers.recordings import write_braille, write_rawhd
from tests.trainers.sweep.folders import assert_same_sweep
from trainers.methods.registry import METHODS
from trainers.sweep.runs import work
from trainers.sweep.status import UnderWay, _estimate

pytestmark = pytest.mark.slow

GRID = """
seeds = [0]
[[methods]]
name = "dense"
sizes = [6]
delays = ["learned"]
data = "{data}"
config = {{n_bins = 3, epochs = 2, batch_size = 16}}
[[methods]]
name = "sparse"
methods = ["rewired-learned"]
sparsities = [0.5]
data = "{data}"
config = {{hidden = [6], n_bins = 3, epochs = 2, batch_size = 16, every = 2}}
[[methods]]
name = "eventprop"
sizes = [6]
networks = ["feedforward"]
delays = ["learned"]
data = "{spikes}"
config = {{epochs = 1, batch_size = 16, max_delay = 30.0, start_delay = 15.0}}
[[methods]]
name = "delgrad"
sizes = [5]
delays = ["synaptic"]
config = {{epochs = 1}}
"""
RUNS = {
    "dense-learned-n6-seed0": "dcls",
    "rewired-learned-s0.5-seed0": "sparse",
    "feedforward-learned-n6-seed0": "eventprop",
    "synaptic-n5-seed0": "delgrad",
}


def call(*arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main([str(a) for a in arguments])
    assert caught.value.code in (0, None)


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    (folder / "grid.toml").write_text(GRID.format(data=write_rawhd(folder), spikes=write_braille(folder)))
    return folder / "grid.toml"


@pytest.fixture(scope="module")
def mixed(grid, tmp_path_factory):
    path = tmp_path_factory.mktemp("mixed") / "sweep"
    call("sweep", grid, "-o", path, "--workers", 2)
    return path


def test_sweep__trains_each_method_by_its_name(mixed):
    table = read_table(mixed / "sweep.csv", remedy="")
    assert dict(zip(table.run, table.method, strict=True)) == RUNS
    assert set(table.method) == set(METHODS)
    assert table.last_test_accuracy.between(0, 1).all()
    for run in RUNS:
        assert read_checkpoint(mixed / run / "best.nc").projections


def test_prepare__trains_nothing_and_work_ends_it_as_sweep_does(grid, mixed, tmp_path, capsys):
    path = tmp_path / "sweep"
    call("sweep", grid, "-o", path, "--prepare")
    assert sorted(place.name for place in path.iterdir()) == ["sweep.csv", "sweep.json"]
    assert f"stanalysis work {path}" in capsys.readouterr().err
    assert work(path) is None
    assert_same_sweep(path, mixed)


def test_status__estimates_by_what_a_run_took(mixed, capsys):
    call("sweep", "-o", mixed, "--status", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["n_runs"], told["n_finished"], told["n_left"], told["seconds"]) == (4, 4, 0, 0.0)
    assert all(np.isfinite(row["seconds"]) for row in read_lines(mixed))

    half = UnderWay("a", "here", 1, 30.0, 1.0, 5, 10)
    assert _estimate([60.0, 90.0, 40.0], [half, half], 3) == 60.0 * (3 + 2 * 0.5) / 2
    assert _estimate([], [half], 3) is None  # nobody knows how long a run takes
    assert _estimate([60.0], [], 3) is None  # nobody works
    assert _estimate([60.0], [], 0) == 0.0
