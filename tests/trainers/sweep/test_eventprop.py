"""Sweeps of EventProp: over feed-forward and recurrent networks, with and without delays, and hidden sizes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from stanalysis.cli import main as cli
from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.records import read_table
from stanalysis.files.run import open_run
from tests.trainers.recordings import write_braille
from trainers.cli.sweep import app as sweep_app
from trainers.methods.rewired.config import SPARSE
from trainers.sweep.grid import grid_of
from trainers.sweep.runs import sweep

pytestmark = pytest.mark.slow

EPOCHS = 2
AXES = ("--networks", "recurrent", "feedforward", "--delays", "learned", "none", "--seeds", 0, "--sizes", 6)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_braille(tmp_path_factory.mktemp("data"))


def options(data, path, *more, sizes=(4,)):
    """A sweep over all the axes, ``sizes`` being those besides 6."""
    config = ("--epochs", EPOCHS, "--batch-size", 16, "--max-delay", 30, "--start-delay", 15, "--workers", 2)
    return [str(word) for word in ("sweep", "eventprop", *AXES, *sizes, "--data", data, *config, "-o", path, *more)]


def call(*arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    return caught.value.code


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "sweep"
    assert call(*options(data, path)) == 0
    return path


def without_seconds(path):
    return read_table(path / "sweep.csv", remedy="").drop(columns="seconds")


def test_sweep__the_table_says_networks_delays_and_sizes(whole):
    table = without_seconds(whole)
    columns = ["run", "connectivity", "delays", "sparsity", "n_hidden", "n_parameters", "seed", "n_synapses", "n_possible"]
    assert list(table)[:9] == columns
    names = [f"{c}-{d}-n{n}-seed0" for c in ("feedforward", "recurrent") for d in ("none", "learned") for n in (4, 6)]
    assert list(table.run) == names
    assert list(table.n_hidden) == [4, 6] * 4
    assert (table.sparsity == 0).all()
    own = table.n_hidden**2 * (table.connectivity == "recurrent")
    assert (table.n_synapses == table.n_hidden * (24 + 27) + own).all()
    assert (table.n_possible == table.n_synapses).all()
    assert (table.in_degree == 24).all()
    delays = (24 * table.n_hidden + own) * (table.delays == "learned")  # none to the output
    assert (table.n_parameters == table.n_synapses + delays).all()
    settings = json.loads((whole / "sweep.json").read_text())
    assert list(settings["shared"]) == ["eventprop"]
    assert not {"hidden", "recurrent", "delays", "recurrent_delays"} & set(settings["shared"]["eventprop"]["config"])


def test_sweep__networks_are_what_their_names_say(whole):
    tree = read_checkpoint(open_run(whole / "recurrent-learned-n6-seed0").last)
    assert set(tree["projections"].children) == {"input__hidden1", "hidden1__hidden1", "hidden1__output"}
    assert (tree["projections/input__hidden1"].delay > 0).any()
    tree = read_checkpoint(open_run(whole / "feedforward-none-n4-seed0").last)
    assert set(tree["projections"].children) == {"input__hidden1", "hidden1__output"}
    assert all((table.delay == 0).all() for table in tree["projections"].children.values())


def test_sweep__the_same_command_does_nothing(data, whole, capsys):
    before = (whole / "sweep.csv").read_bytes()
    assert call(*options(data, whole)) == 0
    assert (whole / "sweep.csv").read_bytes() == before
    assert "Table:" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["SIGINT", "SIGKILL"])
def test_sweep__interrupted_and_called_again_ends_the_same(data, whole, tmp_path, number):
    path = tmp_path / "sweep"
    command = [sys.executable, "-c", "from stanalysis.cli.main import main; main()", *options(data, path, sizes=())]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not list(path.glob("*/best.nc")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    os.kill(process.pid, getattr(signal, number))
    _, printed = process.communicate(timeout=60)
    assert "Traceback" not in printed
    same = without_seconds(whole).query("n_hidden == 6").reset_index(drop=True)
    assert len(without_seconds(path)) < len(same) == 4
    assert call(*options(data, path, sizes=())) == 0
    pd.testing.assert_frame_equal(without_seconds(path), same)
    for run in same.run:
        assert (path / run / "metrics.csv").read_bytes() == (whole / run / "metrics.csv").read_bytes()


def test_sweep__one_method_does_not_go_on_with_the_folder_of_another(data, whole, tmp_path, capsys):
    with pytest.raises(BadInput, match="holds a sweep with method eventprop, not sparse"):
        sweep(grid_of(SPARSE), whole)
    assert call(*options(data, tmp_path / "new", "--margin", "-1")) == 2
    assert "margin" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_report__of_the_folder_draws_accuracy_over_sizes(whole, tmp_path, capsys):
    assert call("report", str(whole), "-o", str(tmp_path / "out")) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"sizes.{kind}" for kind in ("png", "svg", "pdf", "txt", "csv")
    }
    caption = (tmp_path / "out" / "sizes.txt").read_text()
    assert "chance, 1/27. Data set: braille." in caption
    assert "For a page, analyse the networks" in capsys.readouterr().out


def test_sweep__none_among_delays_is_a_kind_of_delays_not_no_value():
    tokens = ["eventprop", "-o", "SWEEP", "--delays", "none", "learned", "--sizes", "8"]
    _, bound, _ = sweep_app.parse_args(tokens, exit_on_error=False)
    assert bound.arguments["delays"] == ("none", "learned")
