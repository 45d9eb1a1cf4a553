"""Operations on trained networks of every method, on data small enough for a few seconds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stanalysis.cli import main as cli
from stanalysis.errors import BadInput
from stanalysis.files.operations import ARMS, OPERATIONS, TABLE, read_lines, read_operations, write_operations
from stanalysis.files.records import read_json, read_table, write_json
from stanalysis.files.sweep import write_sweep
from tests.trainers.recordings import recordings, write_braille
from tests.trainers.sweep.folders import ROW
from trainers.datasets import load_dataset
from trainers.methods.dcls.config import DENSE, DclsConfig
from trainers.methods.delgrad.config import DELGRAD
from trainers.methods.eventprop.config import EVENTPROP
from trainers.methods.rewired.config import SPARSE, SparseConfig
from trainers.operations import operating
from trainers.operations.changes import Change, changed, changes
from trainers.operations.controls import refitted
from trainers.operations.dose import input_metrics
from trainers.operations.operating import operate
from trainers.operations.trained import trained_network
from trainers.training.loop import train

pytestmark = pytest.mark.slow

SMALL = DclsConfig(hidden=(10,), n_bins=5, batch_size=16, epochs=3, dropout=0.0, weight_rate=0.02)
OPTIONS = {"families": ("precision", "nulls", "directed"), "draws": 2, "refit": 1, "checkpoint": "best", "threads": 1}


def frames(_):
    return recordings()


def braille(folder):
    return load_dataset(str(write_braille(folder)), content="events")


def yin_yang(_):
    data = load_dataset("yin_yang", content="events")
    return replace(data, training=Few(data.training, 300), validation=Few(data.validation, 60), test=Few(data.test, 60))


class Few:
    """The first samples of a part."""

    def __init__(self, part, n):
        self.part, self.n, self.content, self.n_channels = part, n, part.content, part.n_channels

    def __len__(self):
        return self.n

    def batch(self, indices):
        return self.part.batch(np.asarray(indices))


NETWORKS = {
    "dense": (DENSE, SMALL, frames),
    "two layers, contacts": (DENSE, replace(SMALL, hidden=(8, 6), kernel_count=2, late_arrivals=True), frames),
    "rewired": (SPARSE, SparseConfig(hidden=(10,), n_bins=5, batch_size=16, epochs=3, sparsity=0.3, every=2), frames),
    "pairs": (
        SPARSE,
        SparseConfig(
            hidden=(10,), n_bins=5, batch_size=16, epochs=3, sparsity=0.3, every=1, candidates="pairs", moments="slot"
        ),
        frames,
    ),
    "eventprop": (
        EVENTPROP,
        replace(EVENTPROP.default, hidden=(6,), epochs=1, batch_size=16, max_delay=30.0, start_delay=15.0, recurrent=False),
        braille,
    ),
    "delgrad": (DELGRAD, replace(DELGRAD.default, hidden=(8,), epochs=1), yin_yang),
}


@pytest.fixture(scope="module", params=NETWORKS)
def run(request, tmp_path_factory):
    method, config, data_in = NETWORKS[request.param]
    folder = tmp_path_factory.mktemp("operate")
    data = data_in(folder)
    train(method, config, data, folder / "run", seed=5, threads=1, n_checkpoints=2)
    network = trained_network(folder / "run", data, "best")
    return SimpleNamespace(path=folder / "run", data=data, network=network, name=request.param)


@pytest.fixture(scope="module")
def table(run):
    return operate(run.path, run.data, **OPTIONS)


def test_operate__intact_is_the_row_of_metrics_exactly(run, table):
    metrics = read_table(run.path / "metrics.csv", remedy="")
    (row,) = metrics[metrics.step == run.network.step].to_dict("records")
    intact = table[(table.operation == "intact") & (table.normalisation == "kept") & (table.refit == 0)]
    assert len(intact) == 1
    for part in ("test", "validation"):
        assert intact[f"{part}_accuracy"].item() == row[f"{part}_accuracy"]
    assert intact.dose.item() == intact.n_moved.item() == intact.moved.item() == 0


def test_operate__does_every_operation_that_there_is(run, table):
    assert set(table.operation) == {"intact", *OPERATIONS}
    assert table.groupby("operation")["level"].nunique().drop("intact").to_dict() == {
        name: len(rule.levels) for name, rule in OPERATIONS.items()
    }
    pd.testing.assert_frame_equal(read_lines(run.path), table, check_dtype=False)
    told = table.dose.notna()
    assert (table.dose[told] >= 0).all()
    assert told.all() or (
        run.name == "eventprop" and {*table.projection[~told]} == {"hidden1__output"}
    )  # its neurons are silent
    has_controls = run.network.method.rule().renormalised is not None
    assert (table.normalisation == "re-estimated").any() == has_controls
    assert (table.refit > 0).any() == has_controls


def test_operate__what_changes_nothing_leaves_every_bit(run):
    rule, metrics = OPERATIONS["delay-clip"], input_metrics(run.network)
    assert changed(run.network, metrics, Change(rule, None, 1.0, None, matched=False, draw=0)) == {}
    same = run.network.deployed(run.network.tables)
    batch, label = run.data.test.batch(np.arange(6))
    for state in (run.network.state, same):
        np.testing.assert_allclose(
            run.network.method.rule().evaluate(state, batch, label).loss,
            run.network.method.rule().evaluate(run.network.state, batch, label).loss,
            rtol=1e-5,
        )


def test_operate__nulls_and_exchanges_keep_what_they_say(run):
    metrics = input_metrics(run.network)
    for change in changes(run.network, ("nulls", "directed"), draws=1):
        for ends, table in changed(run.network, metrics, change).items():
            before = run.network.tables[ends]
            assert ends == change.projection
            assert sorted(table.target.values) == sorted(before.target.values)
            np.testing.assert_array_equal(np.sort(np.abs(table.weight)), np.sort(np.abs(before.weight)))
            if change.rule.changes != "delays":
                np.testing.assert_array_equal(np.sort(table.delay), np.sort(before.delay))
            if change.rule.family == "nulls":
                moved = {*before.target.values[(table.weight.values != before.weight.values).nonzero()[0]]}
                assert len(moved) <= np.ceil(change.level * before.attrs["n_target"]) or "contact" in before


def test_sent__is_what_evaluation_counts(run):
    rule, batch_size = run.network.method.rule(), 6
    batch, label = run.data.validation.batch(np.arange(batch_size))
    activity, evaluation = rule.sent(run.network.state, batch), rule.evaluate(run.network.state, batch, label)
    hidden = [name for name in activity.sent if name != "input"]
    assert [*activity.sent] == [source for source, _ in run.network.tables]
    for name, spikes in zip(hidden, evaluation.spikes, strict=True):
        counted = activity.sent[name].sum((1, 2))
        steps = activity.sent[name].shape[1] if run.data.content == "frames" else 1  # rates, there, are per step
        if not getattr(run.network.config, "late_arrivals", False):
            np.testing.assert_allclose(counted, spikes * steps, rtol=1e-5)
    assert activity.dt > 0


def test_operate__interrupted_goes_on_to_the_same_lines(run, table, tmp_path, monkeypatch):
    path = shutil.copytree(run.path, tmp_path / "run", ignore=shutil.ignore_patterns(TABLE))
    calls = []

    def interrupt(done, total):
        calls.append((done, total))
        if done == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        operate(path, run.data, **OPTIONS, progress=interrupt)
    assert len(read_lines(path)) == 40
    counted = []
    monkeypatch.setattr(operating, "changed", lambda *given: counted.append(1) or changed(*given))
    operate(path, run.data, **OPTIONS)
    assert (path / TABLE).read_bytes() == (run.path / TABLE).read_bytes()
    assert len(counted) < len(list(changes(run.network, OPTIONS["families"], 2)))
    assert calls[-1][1] == len(table)


def test_operate__interrupted_before_the_first_line_says_so_and_leaves_no_table(run, tmp_path, monkeypatch):
    path = shutil.copytree(run.path, tmp_path / "run", ignore=shutil.ignore_patterns(TABLE))

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("trainers.operations.trained.TrainedNetwork.accuracies_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        operate(path, run.data, **OPTIONS)
    assert sorted(place.name for place in path.iterdir()) == sorted(p.name for p in run.path.iterdir() if p.name != TABLE)


def test_operate__lines_of_another_checkpoint_go(run, table, tmp_path):
    path = shutil.copytree(run.path, tmp_path / "run")
    lines = read_lines(path)
    lines["checkpoint"] = "another"
    lines["test_accuracy"] = 0.0
    write_operations(path, lines)
    operate(path, run.data, **OPTIONS | {"families": ("precision",)})
    again = read_lines(path)
    assert set(again.family) <= {"intact", "precision"}
    expected = table[table.family.isin(("intact", "precision"))].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, expected, check_dtype=False)


def test_refit__moves_weights_alone(run):
    rule = run.network.method.rule()
    if rule.refitting is None:
        pytest.skip("this method has no refit")
    state = refitted(run.network, {}, 1)
    tables = rule.describe(state, epoch=0, spikes=[np.zeros(n) for n in run.network.config.hidden]).projections
    for ends, before in run.network.tables.items():
        after = tables[ends]
        for column in ("source", "target", "contact"):
            np.testing.assert_array_equal(after[column], before[column])
        np.testing.assert_array_equal(after.delay, 10 * np.rint(before.delay / 10))
        assert not np.array_equal(after.weight, before.weight)


def test_renormalised__currents_have_the_moments_that_are_kept(run):
    rule = run.network.method.rule()
    if rule.renormalised is None:
        pytest.skip("this method has no normalisation")
    batch, _ = run.data.training.batch(np.arange(len(run.data.training)))
    again, twice = (rule.renormalised(run.network.state, [batch] * n) for n in (1, 2))
    first = again.arrays["mean_0"]
    np.testing.assert_allclose(first, twice.arrays["mean_0"], rtol=1e-6)
    assert not np.array_equal(first, run.network.state.arrays["mean_0"])
    assert all(np.array_equal(again.arrays[name], run.network.state.arrays[name]) for name in ("weight_0", "delay_0", "gain_0"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sweep folder of two runs, whose data lie in a file."""
    path = tmp_path_factory.mktemp("cli")
    data = load_dataset(str(write_braille(path)), content="events")
    config = NETWORKS["eventprop"][1]
    for seed in (0, 1):
        train(EVENTPROP, config, data, path / "sweep" / f"run-{seed}", seed=seed, threads=1, n_checkpoints=2)
    return path / "sweep"


def call(*arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main([str(a) for a in arguments])
    return caught.value.code


def test_cli__of_a_sweep_is_the_same_whatever_the_workers(folder, tmp_path, capsys):
    other = shutil.copytree(folder, tmp_path / "sweep")
    options = ("--families", "precision", "--draws", 2)
    runs = [folder / f"run-{seed}" for seed in (0, 1)]
    assert call("operate", *runs, *options) in (0, None)
    printed = capsys.readouterr().out
    assert "2 networks" in printed
    assert "delay-jitter" in printed
    of_all = {**ROW, "connectivity": "feedforward", "delays": "learned", "sparsity": 0.0}
    write_sweep(other, [{**of_all, "run": f"run-{seed}", "seed": seed} for seed in (0, 1)])
    assert call("operate", other, *options, "--workers", 2) in (0, None)
    for run in ("run-0", "run-1"):
        assert (folder / run / TABLE).read_bytes() == (other / run / TABLE).read_bytes()
    told = read_operations(folder / "run-0")
    assert told.attrs["step"] > 0
    jitter = told.sel(setting=told.operation == "delay-jitter")
    assert jitter.test_accuracy.notnull().sum() == 2 * len(OPERATIONS["delay-jitter"].levels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{folder}/gone",), "no run folder"),
        (("{folder}/run-0", "--draws", "0"), "0 draws"),
        (("{folder}/run-0", "--refit", "-1"), "-1 epochs of refitting"),
        (("{folder}/run-0", "--families", "surgery"), "surgery"),
        (("{folder}/run-0", "--workers", "0"), "0 workers"),
        (("{folder}",), "no run folder"),
        (("{folder}/run-0", "{folder}/run-0"), "A run is given twice"),
        (("{folder}/foreign",), "trained by another program"),
        (("{folder}/damaged",), "operations.csv"),
    ],
)
def test_cli__bad_input_gets_a_sentence(folder, capsys, arguments, message):
    foreign, damaged = folder.parent / "more" / "foreign", folder.parent / "more" / "damaged"
    if not foreign.exists():
        for path in (foreign, damaged):
            shutil.copytree(folder / "run-0", path)
        info = read_json(foreign / "run.json", remedy="")
        write_json(foreign / "run.json", {**info, "converted": {}, "dataset": {"source": "gone"}})
        (damaged / TABLE).write_text("operation,family\nx\n")
    more = {"foreign": foreign, "damaged": damaged}
    name = arguments[0].rpartition("/")[2]
    path = more.get(name, arguments[0].format(folder=folder))
    assert call("operate", path, *(a.format(folder=folder) for a in arguments[1:])) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_read_operations__refuses_what_is_damaged(folder):
    path = folder / "run-1"
    assert call("operate", path, "--families", "precision", "--draws", 1) in (0, None)
    whole = read_lines(path)
    for damage in (
        whole.drop(columns="dose"),
        whole.assign(operation="nonsense"),
        whole.assign(test_accuracy=1.5),
        pd.concat([whole, whole]),
        whole.assign(step=np.arange(len(whole))),
        whole.assign(level=np.nan),
    ):
        write_operations(path, damage)
        with pytest.raises(BadInput, match="stanalysis operate"):
            read_operations(path)
    write_operations(path, whole)
    assert read_operations(path).sizes["setting"] == len(whole.drop_duplicates([*whole.columns[:8]]))
    assert ARMS == ("raise", "leave", "lower")
