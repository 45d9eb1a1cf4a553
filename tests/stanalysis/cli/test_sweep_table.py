from __future__ import annotations

import pytest

from stanalysis.cli.analyze import analyze
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.run import step_path, write_info
from stanalysis.synthetic.network import small_network

pytestmark = pytest.mark.slow

SIZES = {"n_source": 8, "n_target": 6}


def test_analyze__prints_a_sweep_as_means_in_lines_of_80(tmp_path, write_sweep, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    sweep = write_sweep(tmp_path / "sweep", sparsities=[0.0, 0.95], **SIZES)
    write_info(tmp_path / "alone", {"seed": 9})
    write_checkpoint(small_network(seed=9, **SIZES), step_path(tmp_path / "alone", 0))
    analyze([sweep, tmp_path / "alone"], output=tmp_path / "out.nc", permutations=19)
    lines = capsys.readouterr().out.splitlines()
    tables = lines[: next(i for i, line in enumerate(lines) if line.startswith("A sweep is shown"))]
    assert max(map(len, tables)) <= 80
    assert len(tables) < 130  # the networks one by one would take 16 tables more of each kind
    titles = [line.strip() for line in tables if "__" in line]
    assert titles[0] == "alone: input__hidden1"
    assert "input__hidden1: rewired connectivity, learned delays" in titles
    assert titles[1] == "alone: input__hidden1, all statistics at step 0"
    assert len(titles) == 2 * 2 + 2 * 4
    (sparsest, *_) = [line for line in tables if line.startswith(" 0.95")]
    assert sparsest.split() == ["0.95", "2", "2.0", "→", "2.0", "–", "→", "–", "–", "→", "–", "–", "→", "–"]


def test_analyze__warns_once_of_too_few_draws(tmp_path, write_sweep, capsys):
    sweep = write_sweep(tmp_path / "sweep", connectivity=["fixed"], sparsities=[0.0], **SIZES)
    analyze([sweep], output=tmp_path / "out.nc", permutations=9)
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("raise --permutations") == 2  # for each projection, not for each network
