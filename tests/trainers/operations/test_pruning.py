"""Pruning trained networks, on a data set small enough for a few seconds."""

from __future__ import annotations

import inspect
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from stanalysis.cli import main as cli
from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.pruning import CRITERIA, pruned, read_pruning
from stanalysis.files.records import read_json, write_json
from tests.trainers.recordings import recordings
from tests.trainers.toy_runs import InterruptAt
from trainers.cli import prune as prune_verb
from trainers.datasets import load_dataset
from trainers.methods.dcls.config import DENSE as DENSE_METHOD
from trainers.methods.dcls.config import DclsConfig
from trainers.methods.rewired.config import SPARSE as SPARSE_METHOD
from trainers.methods.rewired.config import SparseConfig
from trainers.operations.pruning import prune, pruned_tables
from trainers.operations.trained import trained_network
from trainers.training.loop import train

pytestmark = pytest.mark.slow

DENSE = DclsConfig(hidden=(8, 6), n_bins=5, batch_size=16, epochs=3, dropout=0.0, weight_rate=0.02)
SPARSE = SparseConfig(hidden=(8,), n_bins=5, batch_size=16, epochs=3, sparsity=0.4, every=2, weight_rate=0.05, l1=0.05)
RUNS = {
    "dense": (DENSE_METHOD, DENSE),
    "contacts": (DENSE_METHOD, replace(DENSE, kernel_count=2)),
    "late arrivals": (DENSE_METHOD, replace(DENSE, late_arrivals=True)),
    "sparse": (SPARSE_METHOD, SPARSE),
    "pairs": (SPARSE_METHOD, replace(SPARSE, candidates="pairs")),
    "published": (SPARSE_METHOD, replace(SPARSE, candidates="pairs", moments="slot", every=1)),
    "fixed": (SPARSE_METHOD, replace(SPARSE, connectivity="fixed")),
}
OPTIONS = {"fractions": (0.0, 0.5, 0.9), "draws": 2, "checkpoint": "best", "threads": 1}


def trained(path, method=DENSE_METHOD, config=DENSE, *, data=None, watcher=None):
    train(method, config, data or recordings(), path, seed=5, threads=1, n_checkpoints=2, watcher=watcher)
    return path


@pytest.fixture(scope="module", params=RUNS.values(), ids=RUNS.keys())
def run(request, tmp_path_factory):
    method, config = request.param
    path = trained(tmp_path_factory.mktemp("prune") / "run", method, config)
    return SimpleNamespace(path=path, method=method, config=config)


def network_of(run):
    return trained_network(run.path, recordings(), "best")


def test_prune__unpruned_is_the_checkpoint_exactly(run):
    best = read_checkpoint(run.path / "best.nc")
    table = prune(run.path, recordings(), **OPTIONS)
    whole = table[table.fraction == 0]
    assert len(whole) == 4
    for part in ("test", "validation"):
        assert (whole[f"{part}_accuracy"] == best["metrics"][f"{part}_accuracy"].item()).all()
    assert (table.step == best.attrs["step"]).all()


def test_prune__writes_what_is_left(run):
    table = prune(run.path, recordings(), **OPTIONS)
    found, best = read_pruning(run.path), read_checkpoint(run.path / "best.nc")
    sizes = [node.sizes["synapse"] for node in best["projections"].children.values()]
    assert found.n_synapses.values.tolist() == [sum(n - round(f * n) for n in sizes) for f in OPTIONS["fractions"]]
    assert found.attrs["step"] == best.attrs["step"]
    for name in ("test_accuracy", "validation_accuracy"):
        np.testing.assert_array_equal(found[name].sel(criterion="random").values.ravel(order="C"), by_draw(table, name))


def by_draw(table, name):
    return table[table.criterion == "random"].sort_values(["fraction", "draw"])[name].to_numpy()


@pytest.mark.parametrize("criterion", CRITERIA)
def test_deployed__has_the_synapses_that_the_checkpoint_would(run, criterion):
    network, tree = network_of(run), read_checkpoint(run.path / "best.nc")
    state = network.deployed(pruned_tables(network, criterion, 0.6, draw=1))
    described = run.method.rule().describe(state, epoch=0, spikes=[np.zeros(n) for n in run.config.hidden])
    for name, node in tree["projections"].children.items():
        expected = pruned(node.to_dataset(), criterion, 0.6, seed=5, draw=1)
        table = described.projections[tuple(name.split("__"))]
        for column in ("source", "target", "contact", "weight"):
            np.testing.assert_array_equal(table[column], expected[column], err_msg=column)
        np.testing.assert_array_equal(table["delay"], 10 * np.rint(expected["delay"] / 10))


def test_deployed__an_absent_synapse_is_one_of_weight_0(run):
    network = network_of(run)
    left = pruned_tables(network, "magnitude", 0.5, draw=0)
    silenced = {}
    for ends, table in network.tables.items():
        kept = {*zip(*(left[ends][column].values for column in ("source", "target", "contact")), strict=True)}
        rows = zip(*(table[column].values for column in ("source", "target", "contact")), strict=True)
        silenced[ends] = table.assign(weight=table.weight * [row in kept for row in rows])
    absent, zero, whole = (answers(run, state) for state in (network.deployed(left), network.deployed(silenced), network.state))
    for some, others in zip(absent, zero, strict=True):
        np.testing.assert_allclose(some, others, rtol=1e-4, atol=1e-6)
    assert (abs(whole[0] - absent[0]) > 1e-3).any()


def test_deployed__the_same_synapses_in_any_order_give_the_same_answers(run):
    network, random = network_of(run), np.random.default_rng(0)
    shuffled = {ends: t.isel(synapse=random.permutation(t.sizes["synapse"])) for ends, t in network.tables.items()}
    again = network.deployed(network.tables)
    for state in (network.deployed(dict([*network.tables.items()][:1])), again):
        for some, others in zip(answers(run, network.state), answers(run, state), strict=True):
            np.testing.assert_allclose(some, others, rtol=1e-4, atol=1e-6)
    for some, others in zip(answers(run, again), answers(run, network.deployed(shuffled)), strict=True):
        np.testing.assert_allclose(some, others, rtol=1e-4, atol=1e-6)


def answers(run, state):
    """Loss of every class in every recording, which says more than the predictions: those may be ties; and spikes."""
    x, _ = recordings().test.batch(np.arange(10))
    evaluate = run.method.rule().evaluate
    results = [evaluate(state, x, np.full(10, label)) for label in range(3)]
    return [np.array([result.loss for result in results]), *results[0].spikes]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": np.array([8])}, "no such neurons"),
        ({"source": np.array([-1])}, "no such neurons"),
        ({"delay": np.array([50.0])}, "no such neurons, delay"),
        ({"delay": np.array([np.nan])}, "no such neurons, delay"),
        ({"weight": np.array([np.inf])}, "such neurons, delay or weight"),
    ],
)
def test_deployed__a_table_of_another_network_is_refused(dense, change, message):
    network = trained_network(dense, recordings(), "best")
    columns = {"source": np.array([0]), "target": np.array([0]), "delay": np.array([40.0]), "weight": np.array([1.0])}
    table = xr.Dataset({name: ("synapse", values) for name, values in (columns | change).items()})
    with pytest.raises(BadInput, match=message):
        network.deployed({("input", "hidden1"): table})
    with pytest.raises(BadInput, match="no projection input__output"):
        network.deployed({("input", "output"): table})


def test_prune__magnitude_costs_least_in_a_network_that_has_learned(tmp_path):
    config = replace(DENSE, hidden=(16,), n_bins=7, batch_size=20, epochs=40, l1=0.0, weight_rate=5e-3)
    path = trained(tmp_path / "run", config=config)
    table = prune(path, recordings(), fractions=(0, 0.3, 1), draws=3, checkpoint="last", threads=1)
    at = table.groupby(["criterion", "fraction"]).test_accuracy.mean()
    assert at["magnitude", 0] > 0.8
    assert at["magnitude", 0.3] > at["largest", 0.3]
    nothing = table[table.fraction == 1]
    assert (nothing.n_synapses == 0).all()
    assert nothing.test_accuracy.nunique() == 1  # a network without synapses always gives the same answer
    assert (nothing.test_accuracy < 0.6).all()


def test_prune__takes_the_last_network_where_no_epoch_has_ended(tmp_path):
    path = trained(tmp_path / "run", watcher=InterruptAt(1))
    assert not (path / "best.nc").exists()
    table = prune(path, recordings(), **OPTIONS)
    assert (table.step == 1).all()


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("dense") / "run")


@pytest.fixture
def copy(dense, tmp_path):
    return shutil.copytree(dense, tmp_path / "run")


def harm(path, **changes):
    write_json(path / "run.json", read_json(path / "run.json", remedy="") | changes)


def without_checkpoints(path):
    for name in ("best.nc", "last.nc"):
        (path / name).unlink()


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (None, {"data": recordings(1)}, "sha256 toy 0, not toy 1"),
        (None, {"data": replace(recordings(), gain=2.0)}, "gain 1.0, not 2.0"),
        (None, {"fractions": (0.5, 1.5)}, "1.5"),
        (None, {"fractions": ()}, "No fraction"),
        (None, {"draws": 0}, "0 draws"),
        (None, {"threads": 1000}, "1000 threads"),
        (lambda path: harm(path, method="lms"), {}, "'lms'"),
        (lambda path: harm(path, config={}), {}, "no valid configuration"),
        (lambda path: harm(path, seed=6), {}, "not the best checkpoint of this run"),
        (without_checkpoints, {}, "holds no last.nc"),
    ],
)
def test_prune__bad_input_leaves_no_table(copy, change, options, message):
    if change:
        change(copy)
    options = OPTIONS | {"data": recordings()} | options
    with pytest.raises(BadInput, match=message):
        prune(copy, **options)
    assert not (copy / "pruning.csv").exists()


@pytest.mark.parametrize("criterion", CRITERIA)
def test_prune__is_the_same_alone_and_again(copy, criterion):
    first = prune(copy, recordings(), **OPTIONS)
    some = prune(copy, recordings(), **OPTIONS | {"fractions": (0.9,)})
    expected = first[first.fraction == 0.9].reset_index(drop=True)
    rows = expected.criterion == criterion
    assert some[rows].equals(expected[rows])


def call(*arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main([str(a) for a in arguments])
    return caught.value.code


def write_folder(folder):
    """The toy recordings in the layout of the Raw Heidelberg Digits."""
    folder.mkdir()
    data = recordings()
    for name, part in (("training", data.training), ("testing", data.test)):
        np.save(folder / f"{name}_x_data.npy", part.x)
        np.save(folder / f"{name}_y_data.npy", part.y)
    return folder


def test_verb__prunes_a_run_whose_data_moved(tmp_path, capsys):
    folder = write_folder(tmp_path / "data")
    path = trained(tmp_path / "run", data=load_dataset(folder, gain=1.0))
    moved = folder.rename(tmp_path / "elsewhere")
    arguments = ["prune", path, "--fractions", 0, 0.5, "--draws", 2, "--threads", 1]
    assert call(*arguments) == 2
    assert "is not a data set" in " ".join(capsys.readouterr().err.split())
    assert not (path / "pruning.csv").exists()
    assert call(*arguments, "--data", moved) == 0
    printed = capsys.readouterr().out
    assert all(criterion in printed for criterion in CRITERIA)
    assert len(read_pruning(path).fraction) == 2
    assert call(*arguments, "--data", "spoken_digits") == 2
    assert "was trained on data with name rawhd" in " ".join(capsys.readouterr().err.split())


def test_verb__help_is_the_first_line_of_the_docstring(capsys):
    assert call("prune", "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    first = (inspect.getdoc(prune_verb.prune) or "").splitlines()[0]
    assert first in shown
    assert f'help="{first}"' in inspect.getsource(cli)
    assert "--fractions" in shown


def test_verb__ctrl_c_exits_with_130_and_leaves_no_table(copy):
    script = f"""
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
from tests.trainers.recordings import recordings
from trainers.cli import prune as prune_verb
from trainers.operations import pruning
from stanalysis.cli.main import main
measured = pruning._measured
def slow(*arguments):
    print("measuring", flush=True)
    time.sleep(5)
    return measured(*arguments)
pruning._measured = slow
prune_verb.recordings_of = lambda *_, **__: recordings()
main(["prune", {str(copy)!r}, "--threads", "1"])
"""
    root, pipe = Path(__file__).parents[3], subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", script], cwd=root, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout.readline() == "measuring\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "Traceback" not in printed
    assert not [p.name for p in copy.iterdir() if "pruning" in p.name]
