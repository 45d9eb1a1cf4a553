"""A toy method, registered here, is trained, analysed and operated on with no other edit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from stanalysis.cli import main as cli
from stanalysis.errors import BadInput
from stanalysis.files.analysis import read_analysis
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.pruning import read_pruning
from stanalysis.files.run import read_metrics
from tests.trainers.methods import toy
from tests.trainers.methods.toy import RESOLUTION, RULE, TOY, Spikes, ToyConfig, spikes
from trainers.methods import registry
from trainers.operations.trained import trained_network
from trainers.training.loop import train


@pytest.fixture
def registered():
    registry.register(TOY)
    yield
    del registry.METHODS[TOY.name]


COMMAND = """
import sys
import trainers.datasets
from tests.trainers.methods.toy import TOY, spikes
from trainers.methods.registry import register
register(TOY)
trainers.datasets.load_dataset = lambda *_, **__: spikes()
from stanalysis.cli.main import main
main(sys.argv[1:])
"""


def call(*arguments):
    """What the command line prints where the method is registered."""
    command = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return " ".join((done.stdout + done.stderr).split())


def test_register__the_command_line_has_the_verb_its_options_and_texts():
    assert "toy Train a toy that counts the spikes that arrive in time." in call("train", "--help")
    shown = call("train", "toy", "--help").replace("│ │", "")
    assert "Train a toy that counts the spikes that arrive in time." in shown
    for option in ("--hidden INT", "--shape CHOICE", "--rate FLOAT", "--output", "--resume"):
        assert option in shown
    assert "[choices: drawn, zero] [default: drawn]" in " ".join(shown.split())
    assert "Learning rate of the readout. [default: 0.05]" in shown
    assert "[default: spoken_digits_spikes]" in shown  # for it wants events
    assert "--preset" not in shown  # there is but one


@pytest.mark.slow
def test_register__it_trains_and_its_run_is_analysed_and_pruned(tmp_path):
    run = tmp_path / "run"
    call("train", "toy", "-o", run, "--epochs", 4, "--checkpoints", 3, "--threads", 1)
    assert read_metrics(run).test_accuracy.iloc[-1] > 0.6
    last = read_checkpoint(run / "last.nc")
    assert (last.attrs["method"], last.attrs["dataset"], last.attrs["dt"]) == ("toy-counts", "spikes", RESOLUTION)
    assert last["projections/input__hidden1"].attrs["delay_kind"] == "axonal"
    with pytest.raises(SystemExit) as done:
        cli.main(["analyze", str(run), "-o", str(tmp_path / "a.nc"), "--permutations", "19"])
    assert done.value.code == 0
    assert "hidden1__hidden1" in read_analysis(tmp_path / "a.nc")["statistics"].children
    call("prune", run, "--fractions", 0, 0.5, 1, "--draws", 2, "--threads", 1)
    pruned = read_pruning(run)
    assert pruned.test_accuracy.sel(criterion="magnitude", fraction=0, draw=0).item() > 0.6
    assert (pruned.test_accuracy.sel(fraction=1, draw=0) == 1 / 3).all()  # nothing left: always the first class


@pytest.mark.slow
def test_register__a_resumed_run_ends_the_same(registered, tmp_path):
    options = {"seed": 1, "threads": 1, "n_checkpoints": 3}
    for folder in ("whole", "again"):
        assert train(TOY, ToyConfig(), spikes(), tmp_path / folder, **options)
    (tmp_path / "again" / "last.nc").write_bytes((tmp_path / "again" / "step-000001.nc").read_bytes())
    assert train(TOY, ToyConfig(), spikes(), tmp_path / "again", **options)
    networks = [read_checkpoint(tmp_path / folder / "last.nc") for folder in ("whole", "again")]
    xr.testing.assert_identical(*networks)


def test_deployed__what_the_method_cannot_run_is_refused(registered, tmp_path):
    train(TOY, ToyConfig(), spikes(), tmp_path / "run", seed=0, threads=1, n_checkpoints=2)
    network = trained_network(tmp_path / "run", spikes(), "last")
    table = network.tables["input", "hidden1"].copy()
    table["delay"] = table.delay + np.arange(table.sizes["synapse"])
    with pytest.raises(BadInput, match="for they are axonal"):
        network.deployed({("input", "hidden1"): table})
    fixed = replace(network, method=replace(TOY, rule=lambda: replace(RULE, deploy=None)))
    with pytest.raises(BadInput, match="no synapses but their own"):
        fixed.deployed({})


def test_train__data_of_another_kind_are_refused(tmp_path):
    frames = replace(spikes(), training=replace_content(spikes().training))
    with pytest.raises(BadInput, match="toy learns from events, but spikes holds frames; give other data"):
        train(TOY, ToyConfig(), frames, tmp_path / "run", seed=0, threads=1, n_checkpoints=2)
    assert not (tmp_path / "run").exists()


def replace_content(part):
    class InFrames(Spikes):
        content = "frames"

    return InFrames(part.lists, part.y)


def test_register__a_name_or_verb_is_given_once(registered):
    for twin in (TOY, replace(TOY, name="other"), replace(TOY, verb="dense", name="other")):
        with pytest.raises(ValueError, match="already"):
            registry.register(twin)


def test_method_named__an_unknown_method_gets_a_sentence():
    with pytest.raises(BadInput, match="holds a run of the method 'lms'; give one of dcls, sparse"):
        registry.method_named("lms", "run")


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--bin", "2")])
def test_register__a_method_may_have_continuous_delays(registered, tmp_path, monkeypatch, options):
    monkeypatch.setattr(toy, "RESOLUTION", 0.0)
    run = tmp_path / "run"
    assert train(TOY, ToyConfig(epochs=1), spikes(), run, seed=0, threads=1, n_checkpoints=2)
    assert read_checkpoint(run / "last.nc").attrs["dt"] == 0
    with pytest.raises(SystemExit) as done:
        cli.main(["analyze", str(run), "-o", str(tmp_path / "a.nc"), "--permutations", "19", *options])
    assert done.value.code == 0
    statistics = read_analysis(tmp_path / "a.nc")["statistics/hidden1__hidden1"]
    assert ("morans_i" in statistics.statistic.values) == bool(options)
    assert statistics.value.sel(statistic="graph_morans_i").notnull().all()
