from dataclasses import replace

import pytest

from tests.benchmarks import (
    delays_matter,
    delgrad_accuracy,
    delgrad_figures,
    delgrad_step,
    eventprop_figures,
    eventprop_schemes,
    eventprop_step,
    sparse_step,
    training_step,
)
from trainers.datasets import load_dataset
from trainers.methods.delgrad.config import DELGRAD, DelGradConfig
from trainers.training.loop import train

pytestmark = pytest.mark.slow


def test_training_step__runs_at_its_smallest_size(capsys):
    training_step.main(["--smallest", "--repeats", "2", "--threads", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["float32", "early", "late", "late"]


def test_delays_matter__runs_at_its_smallest_size(tmp_path, capsys):
    delays_matter.main([str(tmp_path), "--seeds", "1", "--epochs", "1", "--hidden", "4"])
    printed = capsys.readouterr().out
    assert all(f"{delays} " in printed for delays in ("none", "fixed", "learned"))
    assert len(list(tmp_path.glob("*/last.nc"))) == 3


def test_sparse_step__runs_at_its_smallest_size(capsys):
    options = ["--smallest", "--repeats", "1", "--threads", "1", "--sparsities", "0.5", "0.9"]
    sparse_step.main(options)
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [[delays, row] for delays in ("learned", "fixed") for row in ("0.5", "0.9", "floor")]


def test_eventprop_schemes__compares_both_of_them(capsys):
    eventprop_schemes.main(["--nets", "1", "--hidden", "16"])
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["one", "one", "two", "two", "recurrent", "recurrent"]


def test_eventprop_step__compares_and_writes_the_table_that_is_drawn(capsys, tmp_path):
    table, picture = tmp_path / "costs.csv", tmp_path / "costs.png"
    eventprop_step.main(["--smallest", "--repeats", "1", "--bins", "3", "5", "--table", str(table)])
    shown = capsys.readouterr().out
    assert "K = 3: EventProp" in shown
    assert "ns per synaptic event forward" in shown
    eventprop_figures.main(["costs", str(table), "-o", str(picture)])
    assert picture.stat().st_size > 1000


def test_eventprop_figures__both_sequences_are_told_apart(capsys, tmp_path):
    eventprop_figures.main(["sequence", "-o", str(tmp_path / "sequence.png")])
    assert "100% right" in capsys.readouterr().out
    assert (tmp_path / "sequence.png").stat().st_size > 1000


def test_delgrad_step__runs_at_its_smallest_size(capsys):
    delgrad_step.main(["--smallest", "--repeats", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1].rstrip(":") for line in lines[:4]] == ["synaptic", "axonal", "dendritic", "none"]
    assert len(lines) == 7


def test_delgrad_accuracy__says_what_the_seeds_reach(capsys, tmp_path):
    table = tmp_path / "table.csv"
    delgrad_accuracy.main(["--seeds", "0", "1", "--networks", "5-synaptic", "--epochs", "1", "--table", str(table)])
    assert "5-synaptic                70      2" in capsys.readouterr().out
    assert len(table.read_text().splitlines()) == 3


def test_delgrad_figures__draws_delays_and_spikes(capsys, tmp_path):
    data, runs = load_dataset("yin_yang"), []
    few = replace(data, **{part: getattr(data, part).subset(range(60)) for part in ("training", "validation", "test")})
    for kind in ("synaptic", "axonal", "dendritic"):
        config = DelGradConfig(hidden=(6,), delays=kind, bound="clip", epochs=1, batch_size=30, start_delays=(0.2, 0.3))
        runs.append(str(tmp_path / kind))
        train(DELGRAD, config, few, tmp_path / kind, seed=0, threads=1, n_checkpoints=2)
    delgrad_figures.main(["delays", *runs, "-o", str(tmp_path / "delays.png")])
    delgrad_figures.main(["spikes", runs[0], "-o", str(tmp_path / "spikes.png")])
    assert "the class is output 1" in capsys.readouterr().out
    assert min((tmp_path / f"{name}.png").stat().st_size for name in ("delays", "spikes")) > 1000
