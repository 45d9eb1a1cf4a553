"""Sweeps of DelGrad: over kinds of delays and hidden sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stanalysis.cli import main as cli
from stanalysis.files.records import read_table
from stanalysis.files.run import open_run
from trainers.methods.delgrad.config import DELGRAD, PRESETS
from trainers.sweep.grid import grid_of

pytestmark = pytest.mark.slow

OPTIONS = (
    "--preset yin_yang --delays none axonal dendritic synaptic --sizes 5 --seeds 0 --epochs 1 --batch-size 1000 --workers 2"
)


def test_grid__networks_differ_in_their_delays_and_sizes_alone():
    points = grid_of(DELGRAD, config=PRESETS["yin_yang"], seeds=(0,)).points()
    assert len(points) == 12
    for point in points:
        assert replace(point.config, delays="synaptic", hidden=(30,)) == PRESETS["yin_yang"]
    assert grid_of(DELGRAD).data == "yin_yang"


def test_sweep__the_table_says_delays_sizes_and_parameters_and_is_drawn(tmp_path):
    path, out = tmp_path / "sweep", tmp_path / "out"
    with pytest.raises(SystemExit) as caught:
        cli.main(["sweep", "delgrad", "-o", str(path), *OPTIONS.split()])
    assert caught.value.code == 0
    table = read_table(path / "sweep.csv", remedy="").set_index("run")
    assert list(table.index) == [f"{kind}-n5-seed0" for kind in ("none", "axonal", "dendritic", "synaptic")]
    assert table.n_parameters.to_list() == [35, 35 + 4 + 5, 35 + 5 + 3, 70]
    assert set(table.connectivity) == {"feedforward"}
    assert open_run(path / "axonal-n5-seed0").info["config"]["schedule"] == "cosine"
    with pytest.raises(SystemExit) as caught:
        cli.main(["report", str(path), "-o", str(out)])
    assert caught.value.code == 0
    assert "weights and delays that are learned (right)" in (out / "sizes.txt").read_text()
