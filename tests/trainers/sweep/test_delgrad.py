"""Sweeps of DelGrad: over kinds of delays and hidden sizes, each kind by its own recipe."""

from __future__ import annotations

import pytest

from stanalysis.cli import main as cli
from stanalysis.files.records import read_table
from stanalysis.files.run import open_run
from trainers.methods.delgrad.config import DELGRAD, PRESETS
from trainers.sweep.grid import grid_of

pytestmark = pytest.mark.slow


def test_grid__each_kind_of_delays_has_the_rates_and_weights_published_for_it():
    configs = {point.config.delays: point.config for point in grid_of(DELGRAD, sizes=(30,), seeds=(0,)).points()}
    short = {"none": "w", "axonal": "wa", "dendritic": "wd", "synaptic": "ws"}
    assert configs == {kind: PRESETS[f"goltz2025-{name}"] for kind, name in short.items()}
    assert grid_of(DELGRAD).data == "yin_yang"


def test_sweep__the_table_says_delays_sizes_and_parameters_and_is_drawn(tmp_path, capsys):
    path, out = tmp_path / "sweep", tmp_path / "out"
    command = [
        "--delays",
        "none",
        "axonal",
        "synaptic",
        "--sizes",
        "5",
        "--seeds",
        "0",
        "--epochs",
        "1",
        "--batch-size",
        "500",
        "--workers",
        "2",
    ]
    with pytest.raises(SystemExit) as caught:
        cli.main(["sweep", "delgrad", "-o", str(path), *command])
    assert caught.value.code == 0
    table = read_table(path / "sweep.csv", remedy="").set_index("run")
    assert list(table.index) == ["none-n5-seed0", "axonal-n5-seed0", "synaptic-n5-seed0"]
    assert table.n_parameters.to_list() == [35, 35 + 4 + 5, 70]
    assert set(table.connectivity) == {"feedforward"}
    assert open_run(path / "axonal-n5-seed0").info["config"]["weight_rate"] == 0.005
    with pytest.raises(SystemExit) as caught:
        cli.main(["report", str(path), "-o", str(out)])
    assert caught.value.code == 0
    assert "weights and delays that are learned (right)" in (out / "sizes.txt").read_text()
